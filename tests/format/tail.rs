//! What stands behind the head: fill, torn tails, and what only looks like one.

use std::fs;

use docbox::{Error, Store};

use crate::corrupt;
use crate::home::{Home, emit, number};

/// A store whose five commits are acknowledged, left as by a kill.
fn five() -> Home {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    drop(store);
    home
}

/// Asserts that `torn` behind the head is kept aside, or nothing when `kept` is empty, and that the
/// store goes on.
fn assert_cleared(torn: &[u8], kept: &[u8]) {
    for lose_page_cache in [false, true] {
        let home = five();
        home.write_behind_head(torn);
        if lose_page_cache {
            home.lose_page_cache();
        }
        let store = home.still();
        let aside = home.recovered();
        assert_eq!(aside, if kept.is_empty() { vec![] } else { vec![kept.to_vec()] });
        if !kept.is_empty() {
            let names = home.names(".docbox/recovered");
            assert!(names[0].starts_with("torn-tail-6."), "{names:?}");
        }
        emit(&store, 6..=7);
        let events = store.events(docbox::Start::Beginning).unwrap();
        let numbers: Vec<u64> = events.map(|event| number(&event.unwrap())).collect();
        assert_eq!(numbers, (1..=7).collect::<Vec<_>>());
        assert!(store.verify().unwrap().is_clean());
        assert_eq!(home.recovered().len(), aside.len());
    }
}

fn next_line() -> String {
    five().next_line(r#""events":[{"type":"Torn"}],"writes":[]"#)
}

#[test]
fn a_line_that_was_cut() {
    let line = next_line();
    for len in [1, 17, 18, line.len() / 2, line.len() - 2] {
        assert_cleared(&line.as_bytes()[..len], &line.as_bytes()[..len]);
    }
}

#[test]
fn garbage() {
    assert_cleared(b"\x00\x01garbage", b"\x00\x01garbage");
    assert_cleared(b"garbage\n\nmore of it\n", b"garbage\n\nmore of it");
}

#[test]
fn nul_bytes_are_fill() {
    assert_cleared(&[0; 300], b"");
}

#[test]
fn a_stale_line_that_does_not_continue_the_last() {
    let line = five().lines()[2].text.clone();
    assert_cleared(line.as_bytes(), line.as_bytes());
    let other = next_line().replace("\"prev\":\"", "\"prev\":\"f");
    assert_cleared(other.trim_end().as_bytes(), other.trim_end().as_bytes());
    let covered = next_line()[18..].trim_end_matches("}\n").to_owned();
    let prev = covered.find("\"prev\":\"").unwrap() + 8;
    let forged = format!("{}00000000{}", &covered[..prev], &covered[prev + 8..]);
    let forged = crate::home::sealed(&forged);
    assert_cleared(forged.trim_end().as_bytes(), forged.trim_end().as_bytes());
}

#[test]
fn a_later_line_of_a_later_batch_proves_that_the_one_before_it_had_been_durable() {
    for lose_page_cache in [false, true] {
        let home = five();
        let later = crate::home::sealed(
            r#""prev":"00000000","seq":7,"batch":7,"time":"2026-01-01T00:00:00.000000Z","events":[],"writes":[]"#,
        );
        home.write_behind_head(format!("{{\"crc\":\"damaged\n{later}"));
        if lose_page_cache {
            home.lose_page_cache();
        }
        let before = fs::read(&home.segments()[0]).unwrap();
        let error = Store::open(home.root()).unwrap_err();
        assert_eq!(corrupt(error).2, Some(6));
        assert_eq!(fs::read(&home.segments()[0]).unwrap(), before);
    }
}

#[test]
fn a_torn_tail_that_appears_under_an_open_store_is_kept_aside_by_the_next_commit() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    home.write_behind_head("garbage");
    emit(&store, 6..=6);
    assert_eq!(home.recovered(), [b"garbage"]);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_store_that_only_reads_leaves_a_torn_tail_where_it_is() {
    let home = five();
    home.write_behind_head("garbage");
    let before = home.tree();
    let store = Store::open_read_only(home.root()).unwrap();
    assert_eq!(store.events(docbox::Start::Beginning).unwrap().count(), 5);
    assert!(store.verify().unwrap().is_clean());
    assert_eq!(home.tree(), before);
}

#[test]
fn an_empty_active_segment_after_the_last_is_filled_and_used() {
    let home = five();
    home.write(".docbox/journal/0000000000000006.jsonl", "");
    let store = home.still();
    emit(&store, 6..=7);
    let lines = home.lines();
    assert!(lines[5].segment.ends_with("0000000000000006.jsonl"));
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_segment_named_far_above_the_head_is_damage_and_not_a_jump() {
    let home = five();
    home.write(".docbox/journal/0000000000000009.jsonl", "");
    home.lose_page_cache();
    let error = Store::open(home.root()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { seq: Some(6), .. }), "{error}");
}
