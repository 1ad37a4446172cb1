//! Waiting until somebody has settled something.

use std::thread;
use std::time::Duration;

use docbox::{Error, Position, Start};

use crate::home::{Home, LONG, emit, in_time};
use crate::{take, take_all, ui};

#[test]
fn whoever_waits_for_a_position_hears_of_it_from_a_consumer_elsewhere() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    let position = Position::new(2, 0);
    assert!(!other.wait_for("ui", position, Duration::ZERO).unwrap());
    take(&mut ui, 1);
    assert!(!other.wait_for("ui", position, Duration::ZERO).unwrap());
    let waiting = thread::spawn(move || other.wait_for("ui", position, LONG).unwrap());
    take(&mut ui, 1);
    assert!(waiting.join().unwrap());
    assert!(!store.wait_for("ui", "3".parse().unwrap(), Duration::ZERO).unwrap());
}

#[test]
fn a_position_that_is_yet_to_come_is_waited_for() {
    let home = Home::new();
    let store = home.still();
    let mut ui = ui(&store);
    assert!(!store.wait_for("ui", Position::end_of(1), Duration::ZERO).unwrap());
    let waiting = {
        let store = store.clone();
        thread::spawn(move || store.wait_for("ui", Position::end_of(1), LONG).unwrap())
    };
    emit(&store, 1..=1);
    take(&mut ui, 1);
    assert!(waiting.join().unwrap());
}

#[test]
fn what_a_subscription_does_not_want_nobody_need_settle() {
    let home = Home::new();
    let store = home.still();
    drop(store.subscribe("ui").from(Start::Beginning).subjects(["n/2"]).open().unwrap());
    emit(&store, 1..=3);
    assert!(store.wait_for("ui", Position::end_of(1), Duration::ZERO).unwrap());
    assert!(!store.wait_for("ui", Position::end_of(2), Duration::ZERO).unwrap());
    let mut ui = store.subscribe("ui").subjects(["n/2"]).open().unwrap();
    take(&mut ui, 1);
    drop(ui);
    assert!(store.drain(&["ui"], Duration::ZERO).unwrap(), "3 is not wanted");
}

#[test]
fn drain_waits_for_all_that_is_committed_by_now_and_for_nothing_more() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    let (mut ui, mut mail) =
        (ui(&store), store.subscribe("mail").from(Start::Beginning).open().unwrap());
    emit(&store, 1..=2);
    assert!(!other.drain(&["ui", "mail"], Duration::ZERO).unwrap());
    take_all(&mut ui);
    assert!(!other.drain(&["ui", "mail"], Duration::ZERO).unwrap());
    assert!(other.drain(&["ui"], Duration::ZERO).unwrap());
    let waiting = thread::spawn(move || other.drain(&["ui", "mail"], LONG).unwrap());
    take_all(&mut mail);
    assert!(waiting.join().unwrap());
}

#[test]
fn waiting_for_what_is_removed_ends() {
    let home = Home::new();
    let store = home.still();
    assert!(matches!(
        store.wait_for("ui", Position::end_of(1), LONG),
        Err(Error::NoSubscription { .. })
    ));
    assert!(matches!(store.drain(&["ui"], LONG), Err(Error::NoSubscription { .. })));
    assert!(matches!(store.drain(&["a/b"], LONG), Err(Error::Invalid(_))));
    drop(ui(&store));
    let waiting = {
        let store = store.clone();
        thread::spawn(move || store.wait_for("ui", Position::end_of(1), LONG))
    };
    thread::sleep(Duration::from_millis(50));
    store.remove("ui").unwrap();
    let ended = in_time(move || waiting.join().unwrap());
    assert!(matches!(ended, Err(Error::NoSubscription { .. })), "{ended:?}");
}

#[test]
fn a_store_that_is_closed_is_waited_for_by_nobody() {
    let home = Home::new();
    let store = home.still();
    drop(ui(&store));
    let waiting = {
        let store = store.clone();
        thread::spawn(move || store.wait_for("ui", Position::end_of(1), LONG))
    };
    thread::sleep(Duration::from_millis(50));
    store.close().unwrap();
    assert!(in_time(move || waiting.join().unwrap()).is_err());
}
