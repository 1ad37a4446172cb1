//! Subscriptions that were given another name, or removed.

use std::time::Duration;

use docbox::{Error, Limits, Position, Publisher, Start, Store, Transaction};

use crate::home::{Home, LONG, emit, eventually, in_time, number, small};
use crate::{take, take_all, ui};

fn names(store: &Store) -> Vec<String> {
    store.subscriptions().unwrap().into_iter().map(|one| one.name).collect()
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::NoSubscription { name } if name == "ui")
}

#[test]
fn under_another_name_it_goes_on_where_it_was_with_all_that_it_is() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    let mut first = store.subscribe("ui").from(Start::Beginning).types(["Count*"]).open().unwrap();
    take(&mut first, 2);
    drop(first);
    store.pause("ui", Some("while it moves"), None).unwrap();
    store.rename("ui", "screen").unwrap();
    assert_eq!(names(&store), ["screen"]);
    let listed = &store.subscriptions().unwrap()[0];
    assert_eq!((listed.position, listed.lag_events), (Some(Position::end_of(2)), 3));
    assert_eq!(listed.types, ["Count*"]);
    assert_eq!(listed.paused.as_ref().unwrap().reason.as_deref(), Some("while it moves"));
    store.resume("screen").unwrap();
    let mut screen = store.subscribe("screen").open().unwrap();
    assert_eq!(take_all(&mut screen), [3, 4, 5]);
    let error = store.subscribe("ui").open().unwrap_err();
    assert!(error.to_string().contains("opened for the first time"), "{error}");
    assert!(store.verify().unwrap().is_clean());
    assert_eq!(
        home.names(".docbox/cursors"),
        ["screen", "screen.json", "screen.lock", "ui.lock"],
        "nothing but the lock is left of the old one"
    );
}

#[test]
fn the_old_name_may_be_used_again_and_is_another_subscription() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    take(&mut ui(&store), 1);
    store.reset("ui", Start::After(Position::end_of(2))).unwrap();
    store.rename("ui", "screen").unwrap();
    assert_eq!(take_all(&mut ui(&store)), [1, 2, 3]);
    assert_eq!(names(&store), ["screen", "ui"]);
    store.remove("ui").unwrap();
    assert_eq!(take_all(&mut ui(&store)), [1, 2, 3]);
    store.remove("ui").unwrap();
    store.rename("screen", "ui").unwrap();
    assert_eq!(take_all(&mut ui(&store)), [3], "and the name may come back");
}

#[test]
fn a_consumer_elsewhere_settles_what_it_has_in_hand_and_ends() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    let held = ui.next(LONG).unwrap().unwrap();
    let version = || home.register("head")["version"].as_u64();
    let before = version();
    let renaming = std::thread::spawn(move || other.rename("ui", "screen"));
    eventually("it was asked to end", || version() > before);
    assert!(home.text(".docbox/cursors/ui.json").contains("renaming"));
    assert!(!renaming.is_finished());
    held.ack().unwrap();
    let error = ui.next(LONG).map(|it| it.is_some()).unwrap_err();
    assert!(is_gone(&error), "{error}");
    drop(ui);
    renaming.join().unwrap().unwrap();
    let mut screen = store.subscribe("screen").open().unwrap();
    assert_eq!(take_all(&mut screen), [2, 3], "what was settled does not come again");
}

#[test]
fn what_was_settled_by_commits_under_the_old_name_is_settled_under_the_new_one() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut first = ui(&store);
    let before = home.read(".docbox/cursors/ui");
    let delivery = first.next(LONG).unwrap().unwrap();
    delivery.commit(Transaction::new().put("seen", &1).unwrap()).unwrap();
    drop(first);
    // As if the consumer had died before its cursor followed.
    home.write(".docbox/cursors/ui", before);
    store.rename("ui", "screen").unwrap();
    assert_eq!(take_all(&mut store.subscribe("screen").open().unwrap()), [2, 3]);
}

#[test]
fn a_consumer_that_was_waited_for_in_vain_goes_on() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    let held = ui.next(LONG).unwrap().unwrap();
    let renamed = in_time(move || other.rename("ui", "screen"));
    assert!(matches!(renamed, Err(Error::Busy { .. })), "{renamed:?}");
    held.ack().unwrap();
    assert_eq!(take_all(&mut ui), [2, 3]);
    assert_eq!(names(&store), ["ui"]);
}

#[test]
fn a_name_that_is_taken_or_none_is_refused_and_changes_nothing() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    take(&mut ui(&store), 1);
    drop(store.subscribe("mail").from(Start::Now).open().unwrap());
    for name in ["mail", "ui", "a/b", "", "Ui", "..", "ui.json"] {
        let refused = store.rename("ui", name);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{name}: {refused:?}");
    }
    assert!(matches!(store.rename("nobody", "x"), Err(Error::NoSubscription { .. })));
    assert!(matches!(store.remove("nobody"), Err(Error::NoSubscription { .. })));
    assert!(matches!(store.remove("a/b"), Err(Error::Invalid(_))));
    assert_eq!(names(&store), ["mail", "ui"]);
    assert_eq!(take_all(&mut ui(&store)), [2, 3]);
}

#[test]
fn dead_letters_are_never_left_to_nobody() {
    let home = Home::new();
    let store = home.still();
    drop(ui(&store));
    std::fs::create_dir(home.path(".docbox/dead/ui")).unwrap();
    home.write(".docbox/dead/ui/0000000000000001-00000.json", "{}\n");
    for refused in [store.remove("ui"), store.rename("ui", "screen")] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("1 dead letters"), "{error}");
    }
    std::fs::remove_file(home.path(".docbox/dead/ui/0000000000000001-00000.json")).unwrap();
    store.remove("ui").unwrap();
}

#[test]
fn a_consumer_of_a_removed_subscription_ends_at_once_and_settles_nothing() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    let held = ui.next(LONG).unwrap().unwrap();
    other.remove("ui").unwrap();
    assert!(names(&store).is_empty());
    let refused = held.commit(Transaction::new().put("seen", &1).unwrap()).unwrap_err();
    assert!(is_gone(&refused), "{refused}");
    assert!(store.get::<u32>("seen").unwrap().is_none());
    assert!(is_gone(&ui.next(LONG).map(|it| it.is_some()).unwrap_err()));
    let busy = other.subscribe("ui").from(Start::Now).open().unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }), "until the old one lets go: {busy}");
    drop(ui);
    assert!(other.subscribe("ui").from(Start::Now).open().is_ok());
    assert_eq!(names(&store), ["ui"]);
}

#[test]
fn a_consumer_that_waits_in_another_open_store_hears_of_a_removal_at_once() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    let mut ui = ui(&store);
    let consumer = std::thread::spawn(move || ui.next(LONG).map(|it| it.is_some()).unwrap_err());
    other.remove("ui").unwrap();
    assert!(is_gone(&consumer.join().unwrap()));
}

#[test]
fn who_stands_by_for_a_subscription_that_is_removed_does_not_begin_it_anew() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    emit(&store, 1..=3);
    let mut first = ui(&store);
    let standby = std::thread::spawn(move || {
        other.subscribe("ui").from(Start::Beginning).wait(true).open().map(drop)
    });
    std::thread::sleep(Duration::from_millis(50));
    store.remove("ui").unwrap();
    assert!(is_gone(&first.next(LONG).map(|it| it.is_some()).unwrap_err()));
    drop(first);
    let ended = standby.join().unwrap();
    assert!(ended.as_ref().is_err_and(is_gone), "{ended:?}");
    assert!(names(&store).is_empty());
}

#[test]
fn a_handler_whose_subscription_is_renamed_ends_and_says_so() {
    let home = Home::new();
    let store = home.still();
    let publisher =
        Publisher::new(&store).handler("ui", Start::Beginning, |_| Ok(())).start().unwrap();
    home.still().rename("ui", "screen").unwrap();
    let ended = publisher.stop();
    assert!(ended.as_ref().is_err_and(is_gone), "{ended:?}");
}

#[test]
fn a_subscription_that_was_removed_keeps_no_segments() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::ZERO, ..small() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    drop(ui(&store));
    emit(&store, 1..=50);
    assert!(store.checkpoint().unwrap());
    assert_eq!(store.retain().unwrap(), 0);
    store.remove("ui").unwrap();
    assert!(store.retain().unwrap() > 0);
}

#[test]
fn a_definition_from_before_its_end_is_not_obeyed_by_a_later_one_of_the_same_name() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    drop(ui(&store));
    store.reset("ui", Start::Now).unwrap();
    store.pause("ui", None, None).unwrap();
    let definition = home.read(".docbox/cursors/ui.json");
    store.remove("ui").unwrap();
    // As if a power cut had brought it back.
    home.write(".docbox/cursors/ui.json", definition);
    let mut ui = ui(&store);
    assert_eq!(ui.next(LONG).unwrap().map(|it| number(it.event())), Some(1));
}
