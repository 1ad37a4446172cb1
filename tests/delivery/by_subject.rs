//! Order per subject: several in hand, each of another subject.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docbox::{
    Delivery, Error, Event, Letters, Order, Publisher, RetryPolicy, Start, Store, Subscription,
    Transaction,
};

use crate::home::{Home, LONG};

/// An event of each of these subjects.
fn commit(store: &Store, subjects: &[&str]) {
    for subject in subjects {
        store.commit(Transaction::new().emit(Event::bare("T").subject(*subject))).unwrap();
    }
}

fn policy(max_attempts: u32, backoff_ms: u64) -> RetryPolicy {
    RetryPolicy { max_attempts, backoff_ms: vec![backoff_ms], ..RetryPolicy::default() }
}

fn open(store: &Store, parallel: u32, backoff_ms: u64) -> Subscription {
    let order = Order::PerSubject { parallel };
    let builder = store.subscribe("ui").from(Start::Beginning);
    builder.order(order).retry(policy(3, backoff_ms)).open().unwrap()
}

fn next(ui: &mut Subscription) -> Delivery {
    ui.next(LONG).unwrap().expect("there is one more")
}

fn nothing(ui: &mut Subscription) {
    assert!(ui.next(Duration::from_millis(5)).unwrap().is_none());
}

fn at(delivery: &Delivery) -> (u64, &str) {
    (delivery.event().position().seq, delivery.event().about().unwrap_or("-"))
}

const HOUR: u64 = 3_600_000;

#[test]
fn one_event_of_each_subject_is_in_hand_and_so_many_subjects() {
    let home = Home::new();
    let store = home.still();
    commit(&store, &["a", "a", "b", "c"]);
    let mut ui = open(&store, 2, 0);
    let (first, second) = (next(&mut ui), next(&mut ui));
    assert_eq!((at(&first), at(&second)), ((1, "a"), (3, "b")));
    nothing(&mut ui);
    second.ack().unwrap();
    let third = next(&mut ui);
    assert_eq!(at(&third), (4, "c"), "`a` has one in hand");
    first.ack().unwrap();
    let fourth = next(&mut ui);
    assert_eq!(at(&fourth), (2, "a"));
    third.ack().unwrap();
    fourth.ack().unwrap();
    nothing(&mut ui);
    assert_eq!(home.register("cursors/ui")["next"], "5-0");
}

#[test]
fn events_without_a_subject_are_one_after_the_other() {
    let home = Home::new();
    let store = home.still();
    for _ in 0..2 {
        store.commit(Transaction::new().emit(Event::bare("T"))).unwrap();
    }
    let mut ui = open(&store, 4, 0);
    let first = next(&mut ui);
    nothing(&mut ui);
    first.ack().unwrap();
    next(&mut ui).ack().unwrap();
}

#[test]
fn a_failing_subject_blocks_itself_alone_and_shows() {
    let home = Home::new();
    let store = home.still();
    commit(&store, &["a", "b", "a", "c", "b"]);
    let mut ui = open(&store, 2, HOUR);
    next(&mut ui).nack("no such address");
    let mut seen = Vec::new();
    while let Some(delivery) = ui.next(Duration::from_millis(5)).unwrap() {
        seen.push(at(&delivery).0);
        delivery.ack().unwrap();
    }
    assert_eq!(seen, [2, 4, 5]);
    let status = &store.subscriptions().unwrap()[0];
    assert_eq!((status.lag_events, status.blocked.len()), (2, 1), "{status:?}");
    let blocked = &status.blocked[0];
    assert_eq!((blocked.subject.as_deref(), blocked.attempt), (Some("a"), 1));
    assert_eq!(blocked.error, "no such address");
    assert_eq!(home.register("cursors/ui")["next"], "1-0", "the floor is where it failed");
    std::mem::forget(ui);
    // A restart delivers again what is not settled, and nothing else.
    let copy = home.copy();
    let store = copy.still();
    let mut ui = open(&store, 2, 0);
    let first = next(&mut ui);
    assert_eq!((at(&first), first.attempt()), ((1, "a"), 2));
    nothing(&mut ui);
    first.ack().unwrap();
    let last = next(&mut ui);
    assert_eq!(at(&last), (3, "a"));
    last.ack().unwrap();
    nothing(&mut ui);
    assert_eq!(copy.register("cursors/ui")["next"], "6-0");
}

#[test]
fn attempts_of_all_that_are_in_hand_survive_a_kill() {
    let home = Home::new();
    let store = home.still();
    commit(&store, &["a", "b", "c"]);
    let mut ui = open(&store, 3, 0);
    let deliveries = [next(&mut ui), next(&mut ui), next(&mut ui)];
    std::mem::forget((deliveries, ui));
    let copy = home.copy();
    let store = copy.still();
    let mut ui = open(&store, 3, 0);
    let again = [next(&mut ui), next(&mut ui), next(&mut ui)];
    assert_eq!(again.each_ref().map(Delivery::attempt), [2, 2, 2]);
}

#[test]
fn a_dead_letter_above_the_floor_is_settled_though_its_cursor_never_heard_of_it() {
    let home = Home::new();
    let store = home.still();
    commit(&store, &["a", "b", "b"]);
    let mut ui = open(&store, 2, 0);
    let first = next(&mut ui);
    let before = std::fs::read(home.path(".docbox/cursors/ui")).unwrap();
    next(&mut ui).reject("never").unwrap();
    assert_eq!(home.lines()[3].value["settles"]["ui"], "2-0");
    assert!(home.lines()[3].value.get("acks").is_none(), "the floor has not moved");
    std::mem::forget((first, ui));
    // As if it had died before its cursor could follow.
    let copy = home.copy();
    std::fs::write(copy.path(".docbox/cursors/ui"), before).unwrap();
    let store = copy.still();
    let mut ui = open(&store, 2, 0);
    let (first, third) = (next(&mut ui), next(&mut ui));
    assert_eq!((at(&first), at(&third)), ((1, "a"), (3, "b")));
    first.ack().unwrap();
    third.ack().unwrap();
    assert_eq!(store.dead_letter_positions("ui").unwrap().len(), 1);
}

#[test]
fn exactly_once_holds_for_commits_in_any_order() {
    let home = Home::new();
    let store = home.still();
    commit(&store, &["a", "b", "c"]);
    let mut ui = open(&store, 3, 0);
    let before = std::fs::read(home.path(".docbox/cursors/ui")).unwrap();
    let (a, b, c) = (next(&mut ui), next(&mut ui), next(&mut ui));
    for delivery in [c, a] {
        let key = format!("seen/{}", at(&delivery).1);
        delivery.commit(Transaction::new().put(key, &1).unwrap()).unwrap();
    }
    std::mem::forget((b, ui));
    let copy = home.copy();
    std::fs::write(copy.path(".docbox/cursors/ui"), before).unwrap();
    let store = copy.still();
    let mut ui = open(&store, 3, 0);
    let left = next(&mut ui);
    assert_eq!(at(&left), (2, "b"));
    left.ack().unwrap();
    nothing(&mut ui);
}

#[test]
fn a_redriven_letter_blocks_its_own_subject_alone() {
    let home = Home::new();
    let store = home.still();
    commit(&store, &["a", "b"]);
    let mut ui = open(&store, 2, HOUR);
    next(&mut ui).reject("as a test").unwrap();
    next(&mut ui).ack().unwrap();
    commit(&store, &["a", "b"]);
    store.redrive("ui", &Letters::default()).unwrap();
    let letter = next(&mut ui);
    assert_eq!((at(&letter), letter.is_redriven()), ((1, "a"), true));
    letter.nack("still");
    let other = next(&mut ui);
    assert_eq!(at(&other).1, "b");
    other.ack().unwrap();
    nothing(&mut ui);
}

#[test]
fn too_many_subjects_at_once_are_refused() {
    let home = Home::new();
    let store = home.still();
    for parallel in [0, 33] {
        let order = Order::PerSubject { parallel };
        let error = store.subscribe("ui").from(Start::Now).order(order).open().unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
}

#[test]
fn handlers_in_parallel_keep_the_order_of_each_subject_and_lose_nothing() {
    let home = Home::new();
    let store = home.open();
    let subjects: Vec<String> = (0..300).map(|n| format!("agents/{}", n * 7 % 13)).collect();
    let events = subjects.iter().map(|subject| Event::bare("T").subject(subject));
    store.commit(events.fold(Transaction::new(), Transaction::emit)).unwrap();
    let seen = Arc::new(Mutex::new(BTreeMap::<String, Vec<u32>>::new()));
    let note = Arc::clone(&seen);
    let order = Order::PerSubject { parallel: 4 };
    let builder = store.subscribe("ui").from(Start::Beginning).order(order).retry(policy(2, 0));
    let running = Publisher::new(&store)
        .handle_in_parallel(builder, move |delivery| {
            let (subject, idx) =
                (delivery.event().about().unwrap().to_owned(), delivery.event().position().idx);
            // One of a hundred fails for good, one of ten the first time.
            if idx % 100 == 5 || (idx % 10 == 3 && delivery.attempt() == 1) {
                return Err("as a test".into());
            }
            note.lock().unwrap().entry(subject).or_default().push(idx);
            Ok(())
        })
        .start()
        .unwrap();
    assert!(running.drain(LONG).unwrap());
    let seen = seen.lock().unwrap();
    assert!(seen.values().all(|all| all.is_sorted()), "{seen:?}");
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 297);
    let dead: Vec<u32> =
        store.dead_letter_positions("ui").unwrap().iter().map(|it| it.idx).collect();
    assert_eq!(dead, [5, 105, 205]);
    store.close().unwrap();
}

#[test]
fn a_handler_that_hangs_holds_its_own_subject_alone() {
    let home = Home::new();
    let store = home.open();
    commit(&store, &["a", "b", "c", "b"]);
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let never = Mutex::new(never);
    let order = Order::PerSubject { parallel: 2 };
    let builder = store.subscribe("ui").from(Start::Beginning).order(order);
    let running = Publisher::new(&store)
        .handle_in_parallel(builder, move |delivery| {
            if delivery.event().about() == Some("a") {
                let _ = never.lock().unwrap().recv();
            }
            Ok(())
        })
        .start()
        .unwrap();
    crate::home::eventually("the others are settled", || {
        home.register("cursors/ui")["settled"].as_array().is_some_and(|runs| runs[0][1] == "4-0")
    });
    assert!(!running.stop_within(Duration::from_millis(20)).unwrap());
}
