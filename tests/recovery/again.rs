//! Opening again, after a close, after a drop, and while others have it open.

use std::fs;

use docbox::{Error, Store};
use serde_json::{Value, json};

use crate::home::{Home, emit, put};

#[test]
fn a_store_that_was_dropped_without_a_close_has_everything() {
    for lose_page_cache in [false, true] {
        let home = Home::new();
        let store = home.small();
        for n in 1..=20 {
            put(&store, &format!("k{}", n % 3), &json!(n));
        }
        drop(store);
        if lose_page_cache {
            home.lose_page_cache();
        }
        let store = home.small();
        assert_eq!(store.status().unwrap().head, 20);
        assert_eq!(store.get::<Value>("k2").unwrap().unwrap().value, 20);
        assert!(store.verify().unwrap().is_clean());
        assert_eq!(put(&store, "next", &json!(1)), 21);
    }
}

#[test]
fn a_close_leaves_nothing_to_redo() {
    let home = Home::new();
    let store = home.open();
    put(&store, "a", &json!(1));
    store.close().unwrap();
    assert_eq!(home.register("applied")["seq"], 1);
    home.lose_page_cache();
    fs::remove_file(home.path("a.json")).unwrap();
    drop(home.still());
    assert!(!home.is_there("a.json"), "what was removed by hand since stays removed");
}

#[test]
fn a_later_opener_finds_everything_while_another_has_it_open() {
    let home = Home::new();
    let first = home.still();
    put(&first, "a", &json!(1));
    home.write("a.json", "\"edited\"");
    home.write(".docbox/spool/in-use", "x");
    let second = home.still();
    assert!(home.is_there(".docbox/spool/in-use"), "the spool of the living is not cleared");
    assert_eq!(home.text("a.json"), "\"edited\"", "nor are edits touched");
    assert_eq!(put(&second, "b", &json!(2)), 2);
    first.close().unwrap();
    assert_eq!(put(&second, "c", &json!(3)), 3);
    drop(second);
    drop(home.still());
    assert!(!home.is_there(".docbox/spool/in-use"), "that of the dead is");
}

#[test]
fn many_who_open_at_once_recover_once_and_all_get_in() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    drop(store);
    home.write_behind_head(home.next_line(&crate::write("a", None, "1")));
    home.lose_page_cache();
    std::thread::scope(|scope| {
        for n in 0..6 {
            let home = &home;
            scope.spawn(move || {
                let store = home.still();
                assert_eq!(store.get::<Value>("a").unwrap().unwrap().value, 1);
                put(&store, &format!("n{n}"), &json!(n));
            });
        }
    });
    assert_eq!(home.lines().len(), 12);
    assert!(home.still().verify().unwrap().is_clean());
}

#[test]
fn recovery_that_cannot_put_a_document_in_place_names_it_and_goes_on_once_it_can() {
    let home = Home::new();
    let store = home.still();
    put(&store, "folder/a", &json!(1));
    drop(store);
    fs::remove_dir_all(home.path("folder")).unwrap();
    home.write("folder", "in the way");
    home.lose_page_cache();
    let error = Store::open(home.root()).unwrap_err();
    let Error::Blocked { seq: 1, path, .. } = &error else { panic!("{error}") };
    assert!(path.starts_with(home.root()), "{}", path.display());
    assert_eq!(home.text("folder"), "in the way");
    fs::remove_file(home.path("folder")).unwrap();
    let store = home.still();
    assert_eq!(home.text("folder/a.json"), "1\n");
    assert!(store.verify().unwrap().is_clean());
}
