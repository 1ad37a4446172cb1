//! Lines that a dead writer left behind the head.

use docbox::Start;
use serde_json::{Value, json};

use crate::home::{Home, LONG, emit, eventually, put};
use crate::write;

/// A store whose last writer died between journal and head: it was to change `a` and make `deep/b`.
fn left() -> Home {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    drop(store);
    leave(&home);
    home
}

fn leave(home: &Home) {
    let head = home.register("head")["offset"].as_u64().unwrap();
    let first = home.next_line(&write("a", Some("1"), "2"));
    home.write_behind_head(&first);
    let second = home.next_line(&write("deep/b", None, r#"{"n":1.0}"#));
    let segment = home.segments().pop().unwrap();
    home.overwrite(&segment, head + first.len() as u64, second);
}

fn assert_rolled_forward(home: &Home) {
    assert_eq!(home.text("a.json"), "2\n");
    assert_eq!(home.text("deep/b.json"), "{\n  \"n\": 1.0\n}\n");
    assert_eq!(home.register("head")["seq"], 3);
    assert!(home.recovered().is_empty());
}

#[test]
fn the_next_opener_puts_them_in_place_and_delivers_them() {
    for lose_page_cache in [false, true] {
        let home = left();
        if lose_page_cache {
            home.lose_page_cache();
        }
        let store = home.still();
        assert_rolled_forward(&home);
        let events: Vec<_> = store.events(Start::Beginning).unwrap().map(Result::unwrap).collect();
        assert_eq!(events.len(), 2);
        assert_eq!((events[1].id().as_str(), events[1].about()), ("1-3-0", Some("deep/b")));
        assert_eq!(put(&store, "c", &json!(1)), 4);
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn the_next_commit_of_an_open_store_does_too() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    leave(&home);
    assert_eq!(put(&store, "c", &json!(1)), 4);
    home.lines().iter().zip(1..).for_each(|(line, seq)| assert_eq!(line.seq(), seq));
    assert_eq!(home.text("a.json"), "2\n");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_view_does_too_before_it_shows_half_a_commit() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    leave(&home);
    let a = store.read(|view| view.get::<Value>("a")).unwrap().unwrap();
    assert_eq!(a.value, 2);
    assert_rolled_forward(&home);
}

#[test]
fn verify_does_too_before_it_finds_a_commit_half_in_place() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let mut has_died = false;
    let report = store.verify_with(&mut |_| {
        // In mid-verify a writer dies that has put one of its documents in place.
        if !std::mem::replace(&mut has_died, true) {
            leave(&home);
            home.write("a.json", "2\n");
        }
    });
    let report = report.unwrap();
    assert!(has_died && report.is_clean(), "{report:?}");
    assert_rolled_forward(&home);
}

#[test]
fn they_are_delivered_even_where_only_a_subscription_lives() {
    let home = Home::new();
    let store = home.open();
    put(&store, "a", &json!(1));
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().unwrap();
    assert!(ui.catch_up().next().is_none());
    leave(&home);
    for seq in 2..=3 {
        let delivery = ui.next(LONG).unwrap().expect("housekeeping rolls forward");
        assert_eq!(delivery.event().position().seq, seq);
        delivery.ack().unwrap();
    }
    assert_rolled_forward(&home);
}

#[test]
fn documents_are_put_in_place_even_where_nobody_does_anything() {
    let home = Home::new();
    let store = home.open();
    emit(&store, [1]);
    home.write_behind_head(home.next_line(&write("late", None, "1")));
    eventually("housekeeping rolls forward", || home.is_there("late.json"));
}

#[test]
fn an_edit_by_hand_in_the_way_is_kept_aside() {
    for lose_page_cache in [false, true] {
        let home = left();
        home.write("a.json", "an honest edit");
        if lose_page_cache {
            home.lose_page_cache();
        }
        drop(home.still());
        assert_eq!(home.text("a.json"), "2\n");
        assert_eq!(home.recovered(), [b"an honest edit"]);
    }
}

#[test]
fn a_line_with_a_key_that_is_none_stops_recovery() {
    for key in ["../outside", ".docbox/head", "", "a//b", "/etc/x"] {
        let home = Home::new();
        let store = home.still();
        emit(&store, [1]);
        drop(store);
        home.write_behind_head(home.next_line(&write(key, None, "1")));
        let before = home.tree();
        let opened = docbox::Store::open(home.root());
        assert!(
            matches!(opened, Err(docbox::Error::Corrupt { seq: Some(2), .. })),
            "{key}: {opened:?}"
        );
        assert!(before.keys().eq(home.tree().keys()), "{key}");
    }
}
