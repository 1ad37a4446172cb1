//! What is past `applied` is put in place again, unless the page cache that wrote it still stands.

use std::fs;

use docbox::Transaction;
use serde_json::json;

use crate::home::{Home, emit, put};

/// Three documents past `applied`, one before, left as by a kill.
fn left() -> Home {
    let home = Home::new();
    let store = home.small();
    put(&store, "before", &json!(0));
    store.checkpoint().unwrap();
    emit(&store, 1..=20);
    put(&store, "projects/p1/a", &json!(1));
    put(&store, "projects/p1/a", &json!(2));
    put(&store, "b", &json!(3));
    put(&store, "c", &json!(4));
    store.commit(Transaction::new().remove("c").unwrap()).unwrap();
    drop(store);
    home
}

#[test]
fn documents_that_are_gone_or_damaged_are_mended_and_the_damage_kept_aside() {
    let home = left();
    fs::remove_dir_all(home.path("projects")).unwrap();
    home.write("b.json", "\0\0\0");
    home.write("c.json", "back");
    home.lose_page_cache();
    let store = home.small();
    assert_eq!(home.text("projects/p1/a.json"), "2\n");
    assert_eq!(home.text("b.json"), "3\n");
    assert!(!home.is_there("c.json"));
    let mut kept = home.recovered();
    kept.sort();
    assert_eq!(kept, [b"\0\0\0".to_vec(), b"back".to_vec()]);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn what_is_before_applied_is_left_alone() {
    let home = left();
    home.write("before.json", "\"edited\"");
    home.lose_page_cache();
    drop(home.small());
    assert_eq!(home.text("before.json"), "\"edited\"");
    assert!(home.recovered().is_empty());
}

#[test]
fn while_the_page_cache_stands_no_edit_is_touched() {
    let home = left();
    home.write("b.json", "\"edited\"");
    fs::remove_file(home.path("projects/p1/a.json")).unwrap();
    let store = home.small();
    assert_eq!(home.text("b.json"), "\"edited\"");
    assert!(!home.is_there("projects/p1/a.json"));
    assert!(home.recovered().is_empty());
    assert_eq!(store.status().unwrap().drift, 2);
}

#[test]
fn a_redo_may_be_done_again_and_changes_nothing() {
    let home = left();
    home.lose_page_cache();
    drop(home.small());
    let once = home.tree();
    home.lose_page_cache();
    drop(home.small());
    let twice = home.tree();
    assert!(once.keys().eq(twice.keys()));
    for (path, (bytes, written)) in &once {
        let is_own = path.starts_with(home.path(".docbox"));
        assert!(
            is_own || (&twice[path].0, &twice[path].1) == (bytes, written),
            "{}",
            path.display()
        );
    }
}

#[test]
fn what_the_dead_left_in_the_spool_is_cleared() {
    for lose_page_cache in [false, true] {
        let home = left();
        home.write(".docbox/spool/0123456789abcdef-left", "x");
        if lose_page_cache {
            home.lose_page_cache();
        }
        drop(home.small());
        // Displaced files are used again, unless nothing is known of who displaced what.
        assert!(home.left_in_spool().is_empty());
        assert_eq!(home.names(".docbox/spool").is_empty(), lose_page_cache);
    }
}

#[test]
fn a_redo_follows_no_link_out_of_the_store() {
    let home = left();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::remove_dir_all(home.path("projects")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), home.path("projects")).unwrap();
    home.lose_page_cache();
    let opened = docbox::Store::open(home.root());
    assert!(matches!(opened, Err(docbox::Error::Blocked { .. })), "{opened:?}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
