//! Subscriptions that hand nothing over for a while.

use std::fs;
use std::time::Duration;

use docbox::{Error, Publisher, Start};

use crate::home::{Home, LONG, emit, eventually, in_time, number};
use crate::{take, take_all, ui};

#[test]
fn a_paused_subscription_hands_nothing_over_and_loses_nothing() {
    let home = Home::new();
    let store = home.still();
    let mut ui = ui(&store);
    emit(&store, 1..=2);
    take(&mut ui, 1);
    store.pause("ui", Some("the relay is down"), None).unwrap();
    assert!(take_all(&mut ui).is_empty());
    assert!(ui.next(Duration::ZERO).unwrap().is_none());
    assert_eq!(ui.pause().unwrap().reason.as_deref(), Some("the relay is down"));
    let listed = &store.subscriptions().unwrap()[0];
    assert_eq!((listed.lag_events, listed.paused.as_ref()), (1, ui.pause()));
    emit(&store, 3..=3);
    store.resume("ui").unwrap();
    assert_eq!(take_all(&mut ui), [2, 3]);
    assert!(ui.pause().is_none() && store.subscriptions().unwrap()[0].paused.is_none());
}

#[test]
fn what_is_in_hand_when_it_is_paused_may_be_settled() {
    let home = Home::new();
    let store = home.still();
    let mut ui = ui(&store);
    emit(&store, 1..=2);
    let held = ui.next(LONG).unwrap().unwrap();
    store.pause("ui", None, None).unwrap();
    held.ack().unwrap();
    assert!(take_all(&mut ui).is_empty());
    assert_eq!(store.subscriptions().unwrap()[0].lag_events, 1);
    store.resume("ui").unwrap();
    assert_eq!(take_all(&mut ui), [2]);
}

#[test]
fn a_consumer_that_waits_in_another_open_store_obeys_both_at_once() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    let mut subscription = ui(&store);
    emit(&store, 1..=1);
    other.pause("ui", None, None).unwrap();
    let consumer = std::thread::spawn(move || take(&mut subscription, 1));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!consumer.is_finished(), "nothing was handed over");
    other.resume("ui").unwrap();
    assert_eq!(consumer.join().unwrap(), [1]);
}

#[test]
fn a_consumer_in_the_middle_of_a_backlog_obeys_with_its_next_event() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    emit(&store, 1..=5);
    let mut ui = ui(&store);
    for round in 1..=2 {
        assert_eq!(take(&mut ui, 2), [2 * round - 1, 2 * round]);
        other.pause("ui", None, None).unwrap();
        assert!(ui.next(Duration::ZERO).unwrap().is_none());
        other.resume("ui").unwrap();
    }
    assert_eq!(take_all(&mut ui), [5]);
}

#[test]
fn a_pause_whose_maker_died_before_it_told_anybody_is_seen_by_who_has_nothing_to_do() {
    let home = Home::new();
    let store = home.still();
    let mut ui = ui(&store);
    store.pause("ui", None, None).unwrap();
    let paused = home.read(".docbox/cursors/ui.json");
    store.resume("ui").unwrap();
    assert!(ui.next(Duration::ZERO).unwrap().is_none() && ui.pause().is_none());
    // Replaced, as whoever pauses it does first; then it would write `head`.
    home.write(".docbox/cursors/new", &paused);
    fs::rename(home.path(".docbox/cursors/new"), home.path(".docbox/cursors/ui.json")).unwrap();
    assert!(ui.next(Duration::ZERO).unwrap().is_none() && ui.pause().is_some());
    emit(&store, 1..=1);
    assert!(ui.next(Duration::ZERO).unwrap().is_none());
}

#[test]
fn a_pause_with_an_end_ends_of_itself_and_wakes_who_waits() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=1);
    let mut ui = ui(&store);
    let until = jiff::Timestamp::now() + Duration::from_millis(300);
    store.pause("ui", None, Some(until)).unwrap();
    assert!(ui.next(Duration::ZERO).unwrap().is_none());
    let delivery = in_time(move || ui.next(LONG).unwrap().map(|it| number(it.event())));
    assert_eq!(delivery, Some(1));
    assert!(jiff::Timestamp::now() >= until);
    assert!(store.subscriptions().unwrap()[0].paused.is_none());
}

#[test]
fn a_pause_holds_for_the_next_consumer_and_for_handlers() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    drop(ui(&store));
    store.pause("ui", None, None).unwrap();
    assert!(take_all(&mut ui(&store)).is_empty());
    let (sender, handled) = std::sync::mpsc::channel();
    let publisher = Publisher::new(&store)
        .handler("ui", Start::Beginning, move |delivery| Ok(sender.send(number(delivery.event()))?))
        .start()
        .unwrap();
    assert!(handled.recv_timeout(Duration::from_millis(50)).is_err());
    store.resume("ui").unwrap();
    assert!(publisher.drain(LONG).unwrap());
    assert_eq!(handled.iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_reset_of_a_paused_subscription_is_obeyed_and_it_stays_paused() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    take_all(&mut ui);
    store.pause("ui", None, None).unwrap();
    store.reset("ui", Start::Beginning).unwrap();
    assert!(take_all(&mut ui).is_empty());
    eventually("it is obeyed", || {
        let _ = ui.next(Duration::ZERO).unwrap();
        store.subscriptions().unwrap()[0].lag_events == 3
    });
    store.resume("ui").unwrap();
    assert_eq!(take_all(&mut ui), [1, 2, 3]);
}

#[test]
fn a_pause_of_nothing_or_until_yesterday_is_refused() {
    let home = Home::new();
    let store = home.still();
    assert!(matches!(store.pause("ui", None, None), Err(Error::NoSubscription { .. })));
    assert!(matches!(store.resume("ui"), Err(Error::NoSubscription { .. })));
    assert!(matches!(store.pause("a/b", None, None), Err(Error::Invalid(_))));
    drop(ui(&store));
    let yesterday = jiff::Timestamp::now() - Duration::from_hours(24);
    assert!(matches!(store.pause("ui", None, Some(yesterday)), Err(Error::Invalid(_))));
    assert!(matches!(store.pause("ui", Some("\u{7}"), None), Err(Error::Invalid(_))));
    assert!(store.subscriptions().unwrap()[0].paused.is_none());
    store.resume("ui").unwrap();
}
