//! What the journal keeps, and what it says of the rest.

use std::fs;
use std::time::Duration;

use docbox::{Error, Limits, Position, Start, Store};

use crate::home::{Home, emit, eventually, number, small};
use crate::{take, take_all, ui};

/// A store that keeps nothing longer than it must, and looks every second.
fn forgetful(home: &Home) -> Store {
    let limits = Limits { checkpoint_idle: Duration::ZERO, retain_age: Duration::ZERO, ..small() };
    Store::options().limits(limits).open(home.root()).unwrap()
}

fn oldest(store: &Store) -> u64 {
    store.status().unwrap().oldest
}

#[test]
fn a_start_that_is_no_longer_kept_is_said_and_never_jumped() {
    let home = Home::new();
    let store = forgetful(&home);
    emit(&store, 1..=50);
    eventually("segments are dropped", || oldest(&store) > 10);
    store.close().unwrap();
    // From here on nothing is dropped.
    let store = home.small();
    let oldest = oldest(&store);
    let asked = Position::end_of(1);
    let compacted = |error: Error| match error {
        Error::Compacted { asked, oldest } => (asked, oldest),
        other => panic!("{other}"),
    };
    let wanted = (asked, Position::end_of(oldest - 1));
    let refused = store.subscribe("ui").from(Start::After(asked)).open();
    assert_eq!(compacted(refused.unwrap_err()), wanted);
    assert_eq!(compacted(store.events(Start::After(asked)).unwrap_err()), wanted);
    assert!(store.subscriptions().unwrap().is_empty());
    let first = store.events(Start::Beginning).unwrap().next().unwrap().unwrap();
    assert_eq!(number(&first), oldest);
    let after = store.events(Start::After(wanted.1)).unwrap().next().unwrap().unwrap();
    assert_eq!(number(&after), oldest, "the oldest position that it names can be had");
    let all: Vec<u64> = (oldest..=50).collect();
    assert_eq!(take_all(&mut ui(&store)), all);
    assert_eq!(compacted(store.reset("ui", Start::After(asked)).unwrap_err()), wanted);
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();
    drop(store);
    home.lose_page_cache();
    assert_eq!(home.still().status().unwrap().head, 50, "recovery needs no dropped segment");
}

#[test]
fn a_subscription_that_lags_keeps_its_segments() {
    let home = Home::new();
    let store = forgetful(&home);
    let mut lagging = ui(&store);
    emit(&store, 1..=50);
    take(&mut lagging, 25);
    // Commits give housekeeping a reason to look.
    eventually("segments are dropped", || {
        emit(&store, [99]);
        oldest(&store) > 10
    });
    assert!(oldest(&store) <= 26);
    drop(lagging);
    let mut lagging = ui(&store);
    assert_eq!(take(&mut lagging, 25), (26..=50).collect::<Vec<_>>());
}

#[test]
fn a_store_that_never_rests_moves_applied_and_drops_segments_all_the_same() {
    let home = Home::new();
    let limits = Limits {
        checkpoint_bytes: 1000,
        checkpoint_idle: Duration::from_hours(1),
        retain_age: Duration::ZERO,
        ..small()
    };
    let store = Store::options().limits(limits).open(home.root()).unwrap();
    // Housekeeping moves it at its first look in any case; what follows is for the bytes.
    eventually("applied moves at the first look", || {
        emit(&store, [1]);
        store.status().unwrap().applied > Some(0)
    });
    let first = store.status().unwrap().head;
    eventually("segments are dropped", || {
        emit(&store, [1]);
        let status = store.status().unwrap();
        status.applied > Some(first) && status.oldest > first
    });
}

#[test]
fn a_cursor_that_cannot_be_read_keeps_the_whole_journal() {
    let home = Home::new();
    let store = forgetful(&home);
    drop(store.subscribe("ui").from(Start::Now).open().unwrap());
    let bytes = home.read(".docbox/cursors/ui");
    home.write(".docbox/cursors/ui", vec![0; bytes.len()]);
    emit(&store, 1..=50);
    eventually("applied moves twice", || {
        emit(&store, [99]);
        store.status().unwrap().applied > Some(51)
    });
    assert_eq!(oldest(&store), 1);
}

#[test]
fn segments_that_were_removed_by_hand_are_said_to_a_subscription_that_needs_them() {
    let home = Home::new();
    let store = home.small();
    emit(&store, 1..=50);
    take(&mut ui(&store), 2);
    fs::remove_file(&home.segments()[0]).unwrap();
    let mut ui = ui(&store);
    let error = ui.next(crate::home::LONG).unwrap_err();
    assert!(matches!(error, Error::Compacted { .. }), "{error}");
    let status = &store.subscriptions().unwrap()[0];
    assert_eq!(status.error, Some(error.to_string()));
    store.reset("ui", Start::Beginning).unwrap();
    assert_eq!(take(&mut ui, 1), [oldest(&store)]);
}

#[test]
fn an_older_slot_of_applied_from_before_the_oldest_segment_is_caught_up_with() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::ZERO, ..small() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    emit(&store, 1..=60);
    assert!(store.checkpoint().unwrap(), "applied moves");
    let older = home.read(".docbox/applied");
    emit(&store, 1..=60);
    assert!(store.checkpoint().unwrap(), "applied moves");
    assert!(store.retain().unwrap() > 0, "segments are dropped");
    let oldest = oldest(&store);
    assert!(oldest > 100, "{oldest}");
    store.close().unwrap();
    drop(store);
    // As if all slots that were written since were damaged.
    home.write(".docbox/applied", older);
    assert!(home.register("applied")["seq"].as_u64().unwrap() < oldest - 1);
    let store = home.still();
    emit(&store, [100]);
    store.close().unwrap();
    assert_eq!(home.register("applied")["seq"], home.register("head")["seq"]);
}

#[test]
fn a_gap_that_is_accepted_is_written_down_and_gone_on_behind() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::ZERO, ..small() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    let mut ui = ui(&store);
    emit(&store, 1..=40);
    take_all(&mut ui);
    ui.sync().unwrap();
    assert!(
        store.reset_over_gap("ui", Start::Beginning).unwrap().1.is_none(),
        "nothing is missing"
    );
    take_all(&mut ui);
    ui.sync().unwrap();
    assert!(store.checkpoint().unwrap() && store.retain().unwrap() > 0);
    let oldest = Position::end_of(oldest(&store) - 1);
    let asked = Position::end_of(3);
    assert!(matches!(store.reset("ui", Start::After(asked)), Err(Error::Compacted { .. })));
    let (position, gap) = store.reset_over_gap("ui", Start::After(asked)).unwrap();
    assert_eq!(position, oldest);
    assert_eq!(gap, Some(docbox::Gap { after: asked, up_to: oldest }));
    let told: Vec<u64> = (oldest.seq + 1..=40).collect();
    assert_eq!(take_all(&mut ui), told, "and nobody gets the event who did not ask for it");
    let event = store.events(Start::After(Position::end_of(40))).unwrap().next().unwrap().unwrap();
    assert_eq!((event.kind(), event.about()), ("docbox.gap", Some("ui")));
    let data: serde_json::Value = event.data().unwrap();
    let wanted = serde_json::json!({"subscription":"ui","after":"3","up_to":oldest.to_string()});
    assert_eq!(data, wanted);
    assert!(store.verify().unwrap().is_clean());
    assert!(store.reset_over_gap("nobody", Start::Now).is_err());
}

#[test]
fn what_was_removed_by_hand_is_a_gap_of_whoever_needs_it() {
    let home = Home::new();
    let store = home.small();
    emit(&store, 1..=40);
    take(&mut ui(&store), 2);
    fs::remove_file(&home.segments()[0]).unwrap();
    let (_, gap) = store.reset_over_gap("ui", Start::Beginning).unwrap();
    let up_to = Position::end_of(oldest(&store) - 1);
    assert_eq!(gap, Some(docbox::Gap { after: Position::end_of(2), up_to }));
    assert_eq!(take(&mut ui(&store), 1), [oldest(&store)]);
}

#[test]
fn a_journal_that_everybody_has_passed_keeps_a_segment_without_lines_and_goes_on_behind_it() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::ZERO, ..small() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    // A process that has the store open all the time, and knows the segment that is going to be dropped.
    let other = home.small();
    emit(&store, 1..=20);
    emit(&other, 21..=44);
    let last = home.lines().last().unwrap().crc().to_owned();
    let mut ui = ui(&store);
    take_all(&mut ui);
    ui.sync().unwrap();
    assert!(store.checkpoint().unwrap() && store.retain().unwrap() > 2);
    assert_eq!(home.segments(), [home.path(".docbox/journal/0000000000000045.jsonl")]);
    assert!(home.lines().is_empty());
    let status = store.status().unwrap();
    assert_eq!((status.head, status.oldest), (44, 45));
    assert!(store.verify().unwrap().is_clean());
    assert_eq!(store.retain().unwrap(), 0, "it would save nothing");
    assert!(ui.catch_up().next().is_none(), "no event comes again");
    assert_eq!(store.events(Start::Beginning).unwrap().count(), 0);
    // Whoever opens it now, with others there or after them, after a crash of the system too.
    drop(home.small());
    let (cut, copy) = (home.copy(), home.copy());
    cut.lose_page_cache();
    for (home, store) in [(&home, other), (&cut, cut.small()), (&copy, copy.small())] {
        emit(&store, [45]);
        let line = &home.lines()[0];
        assert_eq!((line.seq(), line.value["prev"].as_str()), (45, Some(last.as_str())));
        assert!(store.verify().unwrap().is_clean());
    }
    assert_eq!(take_all(&mut ui), [45]);
    emit(&store, [46]);
    assert_eq!(take_all(&mut ui), [46]);
}

#[test]
fn a_segment_that_holds_little_is_not_dropped_for_one_that_holds_nothing() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::ZERO, ..Limits::default() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    emit(&store, 1..=50);
    assert!(store.checkpoint().unwrap());
    assert_eq!(store.retain().unwrap(), 0);
    assert_eq!(home.lines().len(), 50);
}

#[test]
fn a_subscription_that_has_read_all_of_a_dropped_segment_goes_on_with_the_next_one() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::ZERO, ..small() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    let mut ui = ui(&store);
    let mut number = 0;
    while home.segments().len() < 2 {
        assert_eq!(take_all(&mut ui), (number..=number).filter(|it| *it > 0).collect::<Vec<_>>());
        number += 1;
        emit(&store, [number]);
    }
    // It stands at the end of the first segment, and has not looked at the next.
    ui.sync().unwrap();
    assert!(store.checkpoint().unwrap());
    assert_eq!(store.retain().unwrap(), 1);
    assert_eq!(take_all(&mut ui), [number]);
}
