//! Where a subscription begins.

use docbox::{Error, Position, Start, Transaction};

use crate::home::{Home, emit, numbered};
use crate::{take_all, ui};

fn position(text: &str) -> Position {
    text.parse().unwrap()
}

#[test]
fn the_beginning_now_and_after_a_position_mean_what_they_say() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=4);
    let starts = [
        ("beginning", Start::Beginning, vec![1, 2, 3, 4, 5]),
        ("now", Start::Now, vec![5]),
        ("after-0", Start::After(position("0")), vec![1, 2, 3, 4, 5]),
        ("after-2", Start::After(position("2")), vec![3, 4, 5]),
        ("after-2-0", Start::After(position("2-0")), vec![3, 4, 5]),
        ("after-head", Start::After(position("4")), vec![5]),
    ];
    let mut opened: Vec<_> = starts
        .into_iter()
        .map(|(name, start, wanted)| (store.subscribe(name).from(start).open().unwrap(), wanted))
        .collect();
    emit(&store, 5..=5);
    for (subscription, wanted) in &mut opened {
        assert_eq!(take_all(subscription), *wanted, "{}", subscription.name());
    }
}

#[test]
fn a_start_in_mid_commit_gets_the_rest_of_that_commit() {
    let home = Home::new();
    let store = home.still();
    let all = (1..=4).fold(Transaction::new(), |all, n| all.emit(numbered(n)));
    store.commit(all).unwrap();
    emit(&store, 5..=5);
    let mut ui = store.subscribe("ui").from(Start::After(position("1-1"))).open().unwrap();
    assert_eq!(take_all(&mut ui), [3, 4, 5]);
}

#[test]
fn the_start_counts_at_the_first_opening_only_and_is_asked_for_there() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let error = store.subscribe("ui").open().unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert!(store.subscriptions().unwrap().is_empty());
    let mut first = store.subscribe("ui").from(Start::After(position("1"))).open().unwrap();
    assert_eq!(crate::take(&mut first, 1), [2]);
    drop(first);
    assert_eq!(take_all(&mut ui(&store)), [3], "not from the beginning");
    assert!(store.subscribe("ui").open().is_ok());
}

#[test]
fn a_start_beyond_the_head_and_a_bad_name_are_refused_and_make_nothing() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let beyond = store.subscribe("ui").from(Start::After(position("4"))).open();
    assert!(matches!(beyond, Err(Error::Invalid(_))));
    for name in ["", "Ui", "-a", "a/b", "..", &"x".repeat(65)] {
        let refused = store.subscribe(name).from(Start::Now).open();
        assert!(matches!(refused, Err(Error::Invalid(_))), "{name}");
    }
    assert!(store.subscriptions().unwrap().is_empty());
    assert!(matches!(store.events(Start::After(position("4"))), Err(Error::Invalid(_))));
}

#[test]
fn a_time_means_the_first_commit_that_is_not_earlier() {
    let home = Home::new();
    let store = home.small();
    emit(&store, 1..=40);
    let times: Vec<jiff::Timestamp> =
        store.events(Start::Beginning).unwrap().map(|event| event.unwrap().time()).collect();
    let first_at = |asked| times.partition_point(|time| *time < asked) as u64 + 1;
    let micro = jiff::SignedDuration::from_micros(1);
    for (number, time) in times.iter().enumerate() {
        for asked in [*time, *time + micro, *time - micro] {
            let found = store.events(Start::At(asked)).unwrap().next();
            let found = found.map_or(41, |event| crate::home::number(&event.unwrap()));
            assert_eq!(found, first_at(asked), "{number}: {asked}");
        }
    }
    let mut late = store.subscribe("late").from(Start::At(jiff::Timestamp::now())).open().unwrap();
    emit(&store, 41..=41);
    assert_eq!(take_all(&mut late), [41]);
    store.reset("late", Start::At(times[37])).unwrap();
    assert_eq!(take_all(&mut late), (first_at(times[37])..=41).collect::<Vec<_>>());
    let empty = Home::new();
    let store = empty.still();
    let mut ui = store.subscribe("ui").from(Start::At(times[0])).open().unwrap();
    emit(&store, 1..=1);
    assert_eq!(take_all(&mut ui), [1]);
}

#[test]
fn a_time_to_come_and_one_that_is_no_longer_kept_are_refused_and_make_nothing() {
    let home = Home::new();
    let limits = docbox::Limits { retain_age: std::time::Duration::ZERO, ..crate::home::small() };
    let options = docbox::Store::options().housekeeping(false).limits(limits);
    let store = options.open(home.root()).unwrap();
    let before = jiff::Timestamp::now();
    emit(&store, 1..=40);
    let early = store.subscribe("early").from(Start::At(before)).open();
    assert_eq!(take_all(&mut early.unwrap()).len(), 40, "all of it is kept");
    let tomorrow = jiff::Timestamp::now() + std::time::Duration::from_hours(24);
    let refused = store.subscribe("ui").from(Start::At(tomorrow)).open();
    assert!(matches!(refused, Err(Error::Invalid(_))));
    assert!(store.checkpoint().unwrap() && store.retain().unwrap() > 0);
    let refused = store.subscribe("ui").from(Start::At(before)).open();
    let oldest = store.status().unwrap().oldest;
    let is_told = |error: &Error| matches!(error, Error::Compacted { oldest: from, .. } if *from == Position::end_of(oldest - 1));
    assert!(refused.as_ref().is_err_and(is_told), "{:?}", refused.err());
    assert_eq!(store.subscriptions().unwrap().len(), 1);
}

#[test]
fn a_look_at_the_events_needs_no_cursor_and_goes_on_where_it_was() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut events = store.events(Start::After(position("1"))).unwrap();
    let mut rest = |count: usize| {
        let numbers: Vec<u64> =
            events.by_ref().map(|event| crate::home::number(&event.unwrap())).collect();
        assert_eq!(numbers.len(), count);
        numbers
    };
    assert_eq!(rest(2), [2, 3]);
    emit(&store, 4..=4);
    assert_eq!(rest(1), [4]);
    assert!(home.names(".docbox/cursors").is_empty());
}
