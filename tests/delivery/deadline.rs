//! Deadlines: what takes longer has failed, and what it says afterwards counts no more.

use std::time::Duration;

use docbox::{Error, Publisher, RetryPolicy, Start, Store, Subscription, Transaction};

use crate::home::{Home, LONG, emit, eventually, number};
use crate::take_all;

/// A deadline that passes at once, or never as far as a test lives.
fn open(store: &Store, deadline_ms: u64) -> Subscription {
    store.subscribe("ui").from(Start::Beginning).retry(policy(deadline_ms)).open().unwrap()
}

fn policy(deadline_ms: u64) -> RetryPolicy {
    let deadline_ms = Some(deadline_ms);
    RetryPolicy { max_attempts: 3, backoff_ms: vec![0], deadline_ms, ..RetryPolicy::default() }
}

/// Takes the next delivery and lets its deadline pass.
fn late(ui: &mut Subscription) -> docbox::Delivery {
    let delivery = ui.next(LONG).unwrap().expect("there is one more");
    eventually("its deadline passes", || delivery.is_overdue());
    delivery
}

#[test]
fn what_is_said_after_the_deadline_counts_no_more_and_the_attempt_is_used() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = open(&store, 1);
    let error = late(&mut ui).ack().unwrap_err();
    assert!(matches!(&error, Error::Invalid(what) if what.contains("deadline of 1 ms")), "{error}");
    let delivery = late(&mut ui);
    assert_eq!((number(delivery.event()), delivery.attempt()), (1, 2));
    let error = delivery.commit(Transaction::new().put("seen", &1).unwrap()).unwrap_err();
    assert!(error.to_string().contains("deadline"), "{error}");
    assert!(!home.path("seen.json").exists(), "nothing of it was committed");
    let delivery = late(&mut ui);
    assert_eq!(delivery.attempt(), 3);
    assert!(delivery.extend(LONG).is_err(), "too late for that too");
    drop(delivery);
    // Its attempts are used.
    let next = ui.next(LONG).unwrap().expect("the next");
    assert_eq!(number(next.event()), 2);
    let letters = store.dead_letters("ui").unwrap();
    let letter = letters[0].as_ref().unwrap();
    assert!(
        letter.attempts().iter().all(|attempt| attempt.error.contains("deadline")),
        "{letter:?}"
    );
}

#[test]
fn a_consumer_that_holds_a_late_delivery_may_go_on_without_it() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = open(&store, 1);
    let first = late(&mut ui);
    let again = ui.next(LONG).unwrap().expect("the same event");
    assert_eq!((number(again.event()), again.attempt()), (1, 2));
    first.ack().unwrap();
    drop(again);
    assert_eq!(ui.position().to_string(), "0", "the late ack settled nothing");
}

#[test]
fn extend_moves_the_deadline() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = open(&store, 60_000);
    let delivery = ui.next(LONG).unwrap().unwrap();
    delivery.extend(Duration::ZERO).unwrap();
    assert!(delivery.is_overdue());
    drop(delivery);
    let delivery = ui.next(LONG).unwrap().unwrap();
    assert_eq!(delivery.attempt(), 2);
    delivery.extend(Duration::from_hours(1)).unwrap();
    assert!(!delivery.is_overdue());
    delivery.ack().unwrap();
    assert_eq!(take_all(&mut ui), [2]);
}

#[test]
fn without_a_deadline_nothing_is_ever_late() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=1);
    let mut ui = crate::ui(&store);
    let delivery = ui.next(LONG).unwrap().unwrap();
    delivery.extend(Duration::ZERO).unwrap();
    assert!(!delivery.is_overdue());
    delivery.ack().unwrap();
}

#[test]
fn a_handler_that_returns_too_late_has_failed() {
    let home = Home::new();
    let store = home.open();
    emit(&store, 1..=2);
    let builder = store.subscribe("ui").from(Start::Beginning).retry(policy(1));
    let running = Publisher::new(&store)
        .handle(builder, |delivery| {
            if number(delivery.event()) == 1 {
                eventually("it is late", || delivery.is_overdue());
            } else {
                delivery.extend(LONG)?;
            }
            Ok(())
        })
        .start()
        .unwrap();
    eventually("the second is settled", || {
        store.subscriptions().unwrap()[0].position.is_some_and(|it| it.seq >= 2)
    });
    running.stop_within(LONG).unwrap();
    assert_eq!(store.dead_letter_positions("ui").unwrap().len(), 1);
    store.close().unwrap();
}

#[test]
fn a_handler_that_never_returns_is_left_behind_at_stop() {
    let home = Home::new();
    let store = home.open();
    emit(&store, 1..=1);
    let (entered, is_in) = std::sync::mpsc::channel();
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let builder = store.subscribe("ui").from(Start::Beginning).retry(policy(50));
    let start = |builder, never: std::sync::mpsc::Receiver<()>| {
        let entered = entered.clone();
        Publisher::new(&store)
            .handle(builder, move |_| {
                entered.send(()).unwrap();
                let _ = never.recv();
                Ok(())
            })
            .start()
            .unwrap()
    };
    let running = start(builder, never);
    is_in.recv_timeout(LONG).unwrap();
    let error = running.stop().unwrap_err();
    assert!(error.to_string().contains("`ui` did not return"), "{error}");
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let running = start(store.subscribe("other").from(Start::Beginning), never);
    is_in.recv_timeout(LONG).unwrap();
    assert!(!running.stop_within(Duration::from_millis(20)).unwrap());
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let running = start(store.subscribe("third").from(Start::Beginning), never);
    is_in.recv_timeout(LONG).unwrap();
    assert!(!running.drain(Duration::from_millis(20)).unwrap());
}
