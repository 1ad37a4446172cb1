//! Subscriptions that begin with every document as it is.

mod file;
mod meanwhile;

use docbox::{
    Delivery, Error, Event, Order, Position, RetryPolicy, Start, Store, Subscription, Transaction,
};
use serde_json::{Value, json};

use crate::home::{Home, LONG, emit, put};
use crate::take_all;

/// A subscription that begins with a snapshot.
fn mirror(store: &Store) -> Subscription {
    store.subscribe("mirror").from(Start::Snapshot).open().unwrap()
}

/// What a delivery is about, in short: a document of the snapshot, or a number that was counted.
fn told(delivery: &Delivery) -> String {
    let event = delivery.event();
    let about = event.about().unwrap_or_default();
    match event.kind() {
        "docbox.snapshot" => {
            let data: Value = event.data().unwrap();
            format!("{about}={}", data["document"])
        }
        _ => about.to_owned(),
    }
}

/// Takes and acks everything up to the head.
fn all(subscription: &mut Subscription) -> Vec<String> {
    subscription.catch_up().map(|delivery| ack(delivery.unwrap())).collect()
}

/// Takes and acks the next few.
fn some(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut next = || subscription.next(LONG).unwrap().expect("there is one more");
    (0..count).map(|_| ack(next())).collect()
}

fn ack(delivery: Delivery) -> String {
    let told = told(&delivery);
    delivery.ack().unwrap();
    told
}

/// Documents `d/0` to `d/9`, each its number.
fn ten(home: &Home) -> Store {
    let store = home.still();
    for number in 0..10 {
        put(&store, &format!("d/{number}"), &json!(number));
    }
    store
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("d/{number}={number}")).collect()
}

/// The files of snapshots, and of those that are being taken.
fn files(home: &Home) -> Vec<String> {
    let mut names = home.names(".docbox/cursors");
    names.retain(|name| name.contains(".jsonl") || name.starts_with('.'));
    names
}

#[test]
fn every_document_comes_first_and_then_what_is_committed_from_that_moment_on() {
    let home = Home::new();
    let store = home.still();
    put(&store, "b", &json!({"n": 1}));
    put(&store, "a/x", &json!([1]));
    emit(&store, 1..=1);
    home.write("by hand.json", "{ \"n\": 1.0 }");
    let seen = store.get_bytes("b").unwrap().unwrap();
    let mut mirror = mirror(&store);
    emit(&store, 2..=2);
    put(&store, "c", &json!("later"));
    emit(&store, 3..=3);
    let first = mirror.next(LONG).unwrap().unwrap();
    let event = first.event();
    assert_eq!(
        (event.id(), event.position().padded()),
        ("1-3-s0".into(), "0000000000000003-s0000000000".into())
    );
    assert_eq!((event.kind(), event.about()), ("docbox.snapshot", Some("a/x")));
    first.ack().unwrap();
    let second = mirror.next(LONG).unwrap().unwrap();
    let revision = docbox::Revision::of(&seen);
    let data = format!(r#"{{"revision":"{revision}","document":{{"n":1}}}}"#);
    assert_eq!(second.event().data_json(), Some(data.as_str()));
    second.ack().unwrap();
    assert_eq!(all(&mut mirror), [r#"by hand={"n":1.0}"#, "n/2", "n/3"]);
    assert!(files(&home).len() == 1, "until it is durable that it was passed");
    store.close().unwrap();
    assert!(files(&home).is_empty(), "{:?}", files(&home));
}

#[test]
fn a_snapshot_of_no_documents_is_no_file_and_the_events_follow() {
    let home = Home::new();
    let store = home.still();
    let mut mirror = mirror(&store);
    assert!(files(&home).is_empty());
    emit(&store, 1..=3);
    assert_eq!(take_all(&mut mirror), [1, 2, 3]);
    emit(&store, 4..=4);
    store.reset("mirror", Start::Snapshot).unwrap();
    emit(&store, 5..=5);
    assert_eq!(take_all(&mut mirror), [5]);
}

#[test]
fn a_consumer_that_ends_in_the_midst_of_it_goes_on_where_it_was() {
    let home = Home::new();
    let store = ten(&home);
    let mut first = mirror(&store);
    assert_eq!(some(&mut first, 3), numbered(0..3));
    emit(&store, 1..=1);
    put(&store, "d/5", &json!("later"));
    store.remove("nobody").unwrap_err();
    let handed = first.next(LONG).unwrap().unwrap();
    let id = handed.event().id();
    drop(handed);
    drop((first, store));
    let store = home.still();
    let mut second = mirror(&store);
    let again = second.next(LONG).unwrap().unwrap();
    assert_eq!((again.event().id(), again.attempt()), (id, 2));
    assert_eq!(ack(again), "d/3=3");
    drop(second);
    store.close().unwrap();
    let store = home.still();
    let mut third = store.subscribe("mirror").open().unwrap();
    let mut wanted = numbered(4..10);
    wanted.push("n/1".into());
    assert_eq!(all(&mut third), wanted, "as it was, whatever was written since");
}

#[test]
fn globs_of_subjects_hold_for_documents_and_globs_of_types_do_not() {
    let home = Home::new();
    let store = ten(&home);
    put(&store, "e", &json!(1));
    let builder = store.subscribe("mirror").from(Start::Snapshot).types(["Nothing*"]);
    let mut mirror = builder.subjects(["d/?", "n/2"]).open().unwrap();
    emit(&store, 1..=3);
    assert_eq!(store.subscriptions().unwrap()[0].lag_events, 10);
    assert_eq!(all(&mut mirror), numbered(0..10));
    assert_eq!(store.subscriptions().unwrap()[0].position, Some(Position::end_of(14)));
    drop(mirror);
    store.remove("mirror").unwrap();
    let builder = store.subscribe("mirror").from(Start::Snapshot).subjects(["nothing"]);
    let mut none = builder.open().unwrap();
    assert_eq!(store.subscriptions().unwrap()[0].lag_events, 0);
    assert!(store.drain(&["mirror"], std::time::Duration::ZERO).unwrap());
    assert!(all(&mut none).is_empty());
}

#[test]
fn lag_positions_waiting_and_draining_count_what_is_left_of_it() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = mirror(&store);
    emit(&store, 1..=2);
    let look = || {
        let one = store.subscriptions().unwrap().remove(0);
        (one.position.unwrap().to_string(), one.lag_events)
    };
    let is_at = |text: &str| {
        let position = text.parse().unwrap();
        store.wait_for("mirror", position, std::time::Duration::ZERO).unwrap()
    };
    assert_eq!(look(), ("10-s".into(), 12));
    assert!(!is_at("10") && !is_at("10-s0") && is_at("10-s"));
    assert!(!store.drain(&["mirror"], std::time::Duration::ZERO).unwrap());
    some(&mut mirror, 4);
    assert_eq!(look(), ("10-s3".into(), 8));
    assert!(is_at("10-s3") && !is_at("10-s4") && is_at("9") && !is_at("10"));
    assert!(store.subscriptions().unwrap()[0].lag_age_s.is_some());
    some(&mut mirror, 6);
    assert_eq!(look(), ("10".into(), 2));
    assert!(is_at("10") && is_at("10-s9") && !is_at("11"));
    some(&mut mirror, 2);
    assert_eq!(look(), ("12".into(), 0));
    assert!(store.drain(&["mirror"], std::time::Duration::ZERO).unwrap());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_batch_takes_documents_and_events_alike() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = mirror(&store);
    emit(&store, 1..=2);
    let batch = mirror.next_batch(11, LONG).unwrap();
    let mut wanted = numbered(0..10);
    wanted.push("n/1".into());
    assert_eq!(batch.iter().map(told).collect::<Vec<_>>(), wanted);
    batch.ack().unwrap();
    assert_eq!(all(&mut mirror), ["n/2"]);
}

#[test]
fn a_document_comes_before_later_events_about_it_and_others_do_not_wait_for_it() {
    let home = Home::new();
    let store = ten(&home);
    let retry = RetryPolicy { backoff_ms: vec![0], ..RetryPolicy::default() };
    let builder = store.subscribe("mirror").from(Start::Snapshot).retry(retry);
    let builder = builder.order(Order::PerSubject { parallel: 16 });
    let mut mirror = builder.open().unwrap();
    let about = |subject: &str| Event::bare("Changed").subject(subject);
    store.commit(Transaction::new().emit(about("d/0")).emit(about("x"))).unwrap();
    let mut hands: Vec<Delivery> = (0..11).map(|_| mirror.next(LONG).unwrap().unwrap()).collect();
    assert_eq!(told(&hands[0]), "d/0=0");
    assert_eq!(told(&hands[10]), "x", "the other event about d/0 waits");
    for delivery in hands.drain(2..) {
        delivery.ack().unwrap();
    }
    hands.remove(0).nack("as a test");
    // What is settled above the first that is not, in the snapshot and behind it, is known after a restart.
    let one = store.subscriptions().unwrap().remove(0);
    assert_eq!((one.position.unwrap().to_string().as_str(), one.lag_events), ("10-s", 3));
    assert_eq!(one.blocked[0].subject.as_deref(), Some("d/0"));
    drop(hands);
    drop(mirror);
    let builder = store.subscribe("mirror").order(Order::PerSubject { parallel: 16 });
    assert_eq!(all(&mut builder.open().unwrap()), ["d/0=0", "d/1=1", "d/0"]);
}

#[test]
fn an_item_that_is_given_up_is_a_letter_that_outlives_the_snapshot() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = mirror(&store);
    some(&mut mirror, 3);
    let delivery = mirror.next(LONG).unwrap().unwrap();
    delivery.reject("as a test").unwrap();
    assert!(home.is_there(".docbox/dead/mirror/0000000000000010-s0000000003.json"));
    let mut announced = store.events(Start::Beginning).unwrap();
    assert!(announced.any(|event| event.unwrap().kind() == "docbox.dead_lettered"));
    assert_eq!(all(&mut mirror), numbered(4..10));
    drop(mirror);
    store.close().unwrap();
    assert!(files(&home).is_empty());
    let store = home.still();
    let position: Position = "10-s3".parse().unwrap();
    let letter = store.dead_letter("mirror", position).unwrap().unwrap();
    assert_eq!(
        (letter.event().id(), letter.attempts()[0].error.as_str()),
        ("1-10-s3".into(), "as a test")
    );
    let which = docbox::Letters { positions: vec![position], types: vec!["docbox.*".into()] };
    assert_eq!(store.redrive("mirror", &which).unwrap(), [position]);
    let mut mirror = store.subscribe("mirror").open().unwrap();
    let again = mirror.next(LONG).unwrap().unwrap();
    assert!(again.is_redriven());
    assert_eq!(ack(again), "d/3=3");
    assert!(store.dead_letters("mirror").unwrap().is_empty());
}

#[test]
fn items_are_settled_by_commits_exactly_once_wherever_the_cursor_is() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = mirror(&store);
    emit(&store, 1..=1);
    for number in 0..3 {
        let delivery = mirror.next(LONG).unwrap().unwrap();
        assert_eq!(told(&delivery), format!("d/{number}={number}"));
        delivery.commit(Transaction::new()).unwrap();
        let acks = home.lines().last().unwrap().value["acks"]["mirror"].clone();
        assert_eq!(acks, json!(format!("10-s{number}")));
    }
    // A cursor that did not hear of it: what the journal says of it counts.
    let slot = home.read(".docbox/cursors/mirror");
    for number in 3..10 {
        let delivery = mirror.next(LONG).unwrap().unwrap();
        assert_eq!(told(&delivery), format!("d/{number}={number}"));
        delivery.commit(Transaction::new()).unwrap();
    }
    drop((mirror, store));
    home.write(".docbox/cursors/mirror", &slot);
    let store = home.still();
    let mut mirror = store.subscribe("mirror").open().unwrap();
    assert_eq!(mirror.position(), Position::end_of(10));
    assert_eq!(all(&mut mirror), ["n/1"]);
}

#[test]
fn a_reset_goes_to_a_new_snapshot_within_the_present_one_or_out_of_it() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = mirror(&store);
    some(&mut mirror, 5);
    let to = |text: &str| store.reset("mirror", Start::After(text.parse().unwrap()));
    assert_eq!(to("10-s1").unwrap().to_string(), "10-s1");
    assert_eq!(some(&mut mirror, 2), numbered(2..4));
    assert_eq!(to("10-s").unwrap().to_string(), "10-s");
    assert_eq!(to("10-s6").unwrap().to_string(), "10-s6", "also before the first was obeyed");
    assert_eq!(some(&mut mirror, 1), numbered(7..8));
    assert!(matches!(to("10-s10"), Err(Error::Invalid(what)) if what.contains("has 10 items")));
    assert!(matches!(to("9-s1"), Err(Error::Invalid(what)) if what.contains("`snapshot`")));
    put(&store, "d/0", &json!("newer"));
    assert_eq!(store.reset("mirror", Start::Snapshot).unwrap().to_string(), "11-s");
    let mut wanted = numbered(0..10);
    wanted[0] = "d/0=\"newer\"".into();
    assert_eq!(all(&mut mirror), wanted);
    assert!(matches!(to("11-s1"), Err(Error::Invalid(_))), "it was passed");
    store.reset("mirror", Start::Snapshot).unwrap();
    store.reset("mirror", Start::Now).unwrap();
    assert!(all(&mut mirror).is_empty());
    drop(mirror);
    store.close().unwrap();
    assert!(files(&home).is_empty());
    let store = home.still();
    assert!(matches!(store.reset("nobody", Start::Snapshot), Err(Error::NoSubscription { .. })));
    let within = store.subscribe("other").from(Start::After("11-s1".parse().unwrap())).open();
    assert!(matches!(within, Err(Error::Invalid(_))));
    assert!(matches!(store.events(Start::Snapshot), Err(Error::Invalid(_))));
    let (position, gap) = store.reset_over_gap("mirror", Start::Snapshot).unwrap();
    assert_eq!((position.to_string().as_str(), gap), ("11-s", None));
    assert!(files(&home).len() == 1 && store.subscriptions().unwrap().len() == 1);
}

#[test]
fn a_paused_one_hands_nothing_over_and_goes_on_where_it_was() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = mirror(&store);
    some(&mut mirror, 2);
    store.pause("mirror", None, None).unwrap();
    assert!(all(&mut mirror).is_empty());
    store.resume("mirror").unwrap();
    assert_eq!(all(&mut mirror), numbered(2..10));
}
