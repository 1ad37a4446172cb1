//! Telling a subscription where to go on.

use std::fs;

use docbox::{Error, Position, Start};

use crate::home::{Home, LONG, emit, number};
use crate::{take, take_all, ui};

#[test]
fn with_nobody_there_the_next_consumer_goes_on_where_it_says() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    take_all(&mut ui(&store));
    let resets = [
        (Start::Beginning, Position::BEGINNING, vec![1, 2, 3, 4, 5]),
        (Start::After("3".parse().unwrap()), Position::end_of(3), vec![4, 5]),
        (Start::Now, Position::end_of(5), vec![]),
    ];
    for (to, settled, wanted) in resets {
        assert_eq!(store.reset("ui", to).unwrap(), settled);
        assert_eq!(store.subscriptions().unwrap()[0].position, Some(settled));
        assert_eq!(take_all(&mut ui(&store)), wanted, "{to:?}");
        assert!(take_all(&mut ui(&store)).is_empty(), "it is obeyed once");
    }
}

#[test]
fn a_consumer_of_the_same_process_goes_there_at_once() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    take_all(&mut ui);
    store.reset("ui", Start::Beginning).unwrap();
    assert_eq!(take_all(&mut ui), [1, 2, 3]);
    assert!(take_all(&mut ui).is_empty());
}

#[test]
fn a_reset_is_obeyed_though_the_definition_forgot_the_one_before() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    take_all(&mut ui(&store));
    store.reset("ui", Start::Beginning).unwrap();
    take_all(&mut ui(&store));
    // It is written anew at the next opening, and knows of no reset; the cursor has obeyed one.
    fs::remove_file(home.path(".docbox/cursors/ui.json")).unwrap();
    let mut ui = ui(&store);
    assert!(take_all(&mut ui).is_empty());
    store.reset("ui", Start::Beginning).unwrap();
    assert_eq!(take_all(&mut ui), [1, 2, 3]);
}

#[test]
fn a_consumer_that_waits_in_another_open_store_goes_there_at_once() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    take_all(&mut ui);
    let consumer = std::thread::spawn(move || take(&mut ui, 2));
    home.still().reset("ui", Start::After(Position::end_of(1))).unwrap();
    assert_eq!(consumer.join().unwrap(), [2, 3]);
}

#[test]
fn a_consumer_in_the_middle_of_a_backlog_goes_where_another_open_store_says_with_its_next_event() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=9);
    let other = home.still();
    let mut ui = ui(&store);
    for taken in 1..=4 {
        assert_eq!(take(&mut ui, taken), (1..=taken as u64).collect::<Vec<_>>());
        other.reset("ui", Start::Beginning).unwrap();
    }
    let held = ui.next(LONG).unwrap().unwrap();
    other.reset("ui", Start::After(Position::end_of(7))).unwrap();
    held.ack().unwrap();
    assert_eq!(take_all(&mut ui), [8, 9]);
}

#[test]
fn what_is_said_of_a_delivery_from_before_the_reset_counts_no_more() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    take(&mut ui, 2);
    let before = ui.next(LONG).unwrap().unwrap();
    store.reset("ui", Start::Beginning).unwrap();
    let again = ui.next(LONG).unwrap().unwrap();
    assert_eq!((number(again.event()), again.attempt()), (1, 1));
    before.ack().unwrap();
    assert_eq!(home.register("cursors/ui")["next"], "1-0");
    again.ack().unwrap();
    assert_eq!(take_all(&mut ui), [2, 3]);
}

#[test]
fn a_failing_event_may_be_passed_over() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    ui.next(LONG).unwrap().unwrap().nack("for an hour");
    store.reset("ui", Start::After("1-0".parse().unwrap())).unwrap();
    assert_eq!(take_all(&mut ui), [2, 3]);
}

#[test]
fn a_reset_of_nothing_or_to_nowhere_is_refused() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    assert!(matches!(store.reset("ui", Start::Now), Err(Error::NoSubscription { .. })));
    assert!(matches!(store.reset("No Name", Start::Now), Err(Error::Invalid(_))));
    take(&mut ui(&store), 1);
    let beyond = store.reset("ui", Start::After(Position::end_of(4)));
    assert!(matches!(beyond, Err(Error::Invalid(_))));
    assert_eq!(take_all(&mut ui(&store)), [2, 3], "and changes nothing");
}
