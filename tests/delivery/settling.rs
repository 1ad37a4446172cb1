//! Ack, nack, drop; attempts and order.

use std::time::Duration;

use docbox::{Error, Event, RetryPolicy, Start, Store, Subscription, Transaction};

use crate::home::{Home, LONG, emit, number, numbered};
use crate::{take, take_all, ui};

fn hasty(store: &Store) -> Subscription {
    let retry = RetryPolicy { max_attempts: 3, backoff_ms: vec![1], ..RetryPolicy::default() };
    store.subscribe("ui").from(Start::Beginning).retry(retry).open().unwrap()
}

/// Takes the next delivery: its number, its attempt.
fn look(subscription: &mut Subscription) -> (u64, u32, docbox::Delivery) {
    let delivery = subscription.next(LONG).unwrap().expect("there is one more");
    (number(delivery.event()), delivery.attempt(), delivery)
}

#[test]
fn an_event_that_fails_comes_again_before_all_that_follow() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = hasty(&store);
    for attempt in 1..=2 {
        let (number, counted, delivery) = look(&mut ui);
        assert_eq!((number, counted), (1, attempt));
        if attempt % 2 == 0 {
            drop(delivery);
        } else {
            delivery.nack("as a test");
        }
    }
    let (number, attempt, delivery) = look(&mut ui);
    assert_eq!((number, attempt), (1, 3));
    delivery.ack().unwrap();
    let (number, attempt, delivery) = look(&mut ui);
    assert_eq!((number, attempt), (2, 1), "each event has attempts of its own");
    delivery.ack().unwrap();
    assert_eq!(take_all(&mut ui), [3]);
}

#[test]
fn a_nack_may_say_how_long_to_wait() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = hasty(&store);
    let pause = look(&mut ui).2.nack_after(Duration::from_hours(1), "come back later");
    assert_eq!(pause, Duration::from_hours(1));
    assert!(ui.next(Duration::from_millis(20)).unwrap().is_none());
    drop(ui);
    let mut ui = hasty(&store);
    assert_eq!(look(&mut ui).2.nack_after(Duration::ZERO, "at once"), Duration::ZERO);
    assert_eq!(look(&mut ui).1, 3, "it counts as an attempt");
}

#[test]
fn what_is_released_was_not_tried() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = hasty(&store);
    for _ in 0..20 {
        look(&mut ui).2.release().unwrap();
    }
    let (number, attempt, delivery) = look(&mut ui);
    assert_eq!((number, attempt), (1, 1));
    delivery.ack().unwrap();
    assert_eq!(take_all(&mut ui), [2]);
}

#[test]
fn attempts_and_the_last_error_survive_a_restart_and_show() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut first = hasty(&store);
    look(&mut first).2.nack("the first reason");
    look(&mut first).2.nack("the second reason");
    std::mem::forget(first);
    let copy = home.copy();
    let store = copy.still();
    let status = &store.subscriptions().unwrap()[0];
    assert_eq!(status.attempt, 2);
    assert_eq!(status.last_error.as_deref(), Some("the second reason"));
    assert_eq!(status.blocked[0].position.to_string(), "1-0");
    let failures = &copy.register("cursors/ui")["tried"][0]["failures"];
    assert_eq!(failures[0]["error"], "the first reason");
    assert_eq!(failures[1]["attempt"], 2);
    let mut next = hasty(&store);
    look(&mut next).2.ack().unwrap();
    let status = &store.subscriptions().unwrap()[0];
    assert_eq!((status.attempt, status.last_error.clone()), (0, None), "what is settled is over");
}

#[test]
fn errors_of_any_length_have_room_in_the_cursor() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=1);
    let retry = RetryPolicy { max_attempts: 100, backoff_ms: vec![0], ..RetryPolicy::default() };
    let mut ui = store.subscribe("ui").from(Start::Beginning).retry(retry).open().unwrap();
    // Control characters take six bytes each in JSON.
    let long = "\u{1}".repeat(10_000);
    for attempt in 1..=60 {
        let (_, counted, delivery) = look(&mut ui);
        assert_eq!(counted, attempt);
        delivery.nack(&long);
    }
    assert_eq!(home.register("cursors/ui")["attempt"], 60);
    let error = store.subscriptions().unwrap()[0].last_error.clone().unwrap();
    assert!(long.starts_with(&error) && !error.is_empty());
}

#[test]
fn during_a_backoff_nothing_comes() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let retry =
        RetryPolicy { max_attempts: 3, backoff_ms: vec![3_600_000], ..RetryPolicy::default() };
    let mut ui = store.subscribe("ui").from(Start::Beginning).retry(retry).open().unwrap();
    let pause = look(&mut ui).2.nack("as a test");
    assert!(pause >= Duration::from_mins(48) && pause <= Duration::from_mins(72), "{pause:?}");
    assert!(ui.next(Duration::from_millis(20)).unwrap().is_none());
    drop(ui);
    // A new consumer does not wait for the one before.
    assert_eq!(look(&mut hasty(&store)).1, 2);
}

#[test]
fn attempts_are_counted_over_consumers_and_restarts() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    drop(look(&mut hasty(&store)));
    let mut second = hasty(&store);
    let (_, attempt, delivery) = look(&mut second);
    assert_eq!(attempt, 2);
    // Gone without a word, as by a kill.
    std::mem::forget(delivery);
    drop((second, store));
    let copy = home.copy();
    let store = copy.still();
    assert_eq!(store.subscriptions().unwrap()[0].attempt, 2);
    let mut third = hasty(&store);
    let (number, attempt, delivery) = look(&mut third);
    assert_eq!((number, attempt), (1, 3));
    delivery.ack().unwrap();
    assert_eq!(look(&mut third).1, 1);
}

#[test]
fn the_next_is_refused_as_long_as_the_one_before_is_not_settled() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = ui(&store);
    let delivery = ui.next(LONG).unwrap().unwrap();
    for _ in 0..2 {
        assert!(matches!(ui.next(LONG), Err(Error::Invalid(_))));
    }
    delivery.ack().unwrap();
    assert_eq!(take(&mut ui, 1), [2]);
}

#[test]
fn a_consumer_that_dies_in_mid_commit_goes_on_in_mid_commit() {
    let home = Home::new();
    let store = home.still();
    let all = (1..=5).fold(Transaction::new(), |all, n| all.emit(numbered(n)));
    store.commit(all).unwrap();
    for n in 1..=5 {
        let mut ui = ui(&store);
        assert_eq!(take(&mut ui, 1), [n]);
        let next = if n < 5 { format!("1-{n}") } else { "2-0".to_owned() };
        assert_eq!(home.register("cursors/ui")["next"], next);
    }
    assert!(take_all(&mut ui(&store)).is_empty());
}

#[test]
fn catch_up_ends_at_the_head_and_waits_backoffs_out() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = hasty(&store);
    let mut seen = Vec::new();
    for delivery in ui.catch_up() {
        let delivery = delivery.unwrap();
        seen.push((number(delivery.event()), delivery.attempt()));
        if delivery.attempt() < 3 {
            delivery.nack("as a test");
        } else {
            delivery.ack().unwrap();
        }
    }
    let each = |n| [(n, 1), (n, 2), (n, 3)];
    assert_eq!(seen, [each(1), each(2), each(3)].concat());
    assert!(take_all(&mut ui).is_empty());
}

#[test]
fn catch_up_ends_at_the_head_of_its_beginning_even_if_each_event_begets_another() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    let mut seen = Vec::new();
    for delivery in ui.catch_up().take(10) {
        let delivery = delivery.unwrap();
        seen.push(number(delivery.event()));
        emit(&store, [100 + seen.len() as u64]);
        delivery.ack().unwrap();
    }
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(home.register("cursors/ui")["next"], "4-0");
    assert_eq!(take_all(&mut ui), [101, 102, 103], "and nothing is left out");
}

#[test]
fn an_ack_is_visible_to_every_process_when_it_returns() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    take(&mut ui, 2);
    let other = home.still();
    let status = &other.subscriptions().unwrap()[0];
    assert_eq!(status.position.unwrap().to_string(), "2");
    assert_eq!((status.lag_events, status.pid), (1, Some(std::process::id())));
    assert!(status.lag_age_s.is_some());
}

#[test]
fn with_nothing_to_deliver_next_gives_up_and_iter_ends_when_the_store_closes() {
    let home = Home::new();
    let store = home.open();
    let mut ui = ui(&store);
    assert!(ui.next(Duration::from_millis(10)).unwrap().is_none());
    let consumer = std::thread::spawn(move || {
        let mut kinds = Vec::new();
        for delivery in ui.iter() {
            let delivery = delivery.unwrap();
            kinds.push(delivery.event().kind().to_owned());
            delivery.ack().unwrap();
        }
        kinds
    });
    store.commit(Transaction::new().emit(Event::bare("One"))).unwrap();
    crate::home::eventually("it is acked", || home.register("cursors/ui")["next"] == "2-0");
    store.close().unwrap();
    assert_eq!(consumer.join().unwrap(), ["One"]);
}

#[test]
fn a_commit_that_settles_its_event_is_one_with_it() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = hasty(&store);
    let commit = look(&mut ui).2.commit(Transaction::new().put("seen", &1).unwrap()).unwrap();
    assert_eq!(commit.seq(), 4);
    assert_eq!(home.lines()[3].value["acks"]["ui"], "1", "the line moves the cursor");
    // Nothing to write: the event is settled all the same, by a line of its own.
    assert_eq!(look(&mut ui).2.commit(Transaction::new()).unwrap().seq(), 5);
    drop(ui);
    assert_eq!(take_all(&mut hasty(&store)), [3]);
    assert_eq!(home.text("seen.json"), "1\n");
}

#[test]
fn a_commit_that_is_refused_settles_nothing() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    store.commit(Transaction::new().put("seen", &0).unwrap()).unwrap();
    let mut ui = hasty(&store);
    let taken = Transaction::new().put_new("seen", &1).unwrap();
    let error = look(&mut ui).2.commit(taken).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let (number, attempt, delivery) = look(&mut ui);
    assert_eq!((number, attempt), (1, 2), "it counts as an attempt");
    delivery.commit(Transaction::new().put("seen", &1).unwrap()).unwrap();
    assert_eq!(take_all(&mut ui), [2]);
}
