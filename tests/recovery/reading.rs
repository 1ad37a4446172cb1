//! Opening for reading only: nothing is written, recovered or not.

use std::fs;

use docbox::{Error, Start, Store};
use serde_json::{Value, json};

use crate::home::{Home, emit, put};
use crate::write;

/// Nobody recovered it: the folder is behind the journal.
fn unrecovered() -> Home {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    put(&store, "b", &json!(1));
    store.commit(docbox::Transaction::new().remove("b").unwrap()).unwrap();
    drop(store);
    home.write_behind_head(home.next_line(&write("deep/c", None, "[3]")));
    home.write("a.json", "damaged");
    home.write("b.json", "1\n");
    home.lose_page_cache();
    home
}

#[test]
fn a_store_that_nobody_recovered_is_served_from_its_journal_and_nothing_is_written() {
    let home = unrecovered();
    let before = home.tree();
    let store = Store::open_read_only(home.root()).unwrap();
    assert_eq!(store.get_bytes("a").unwrap().unwrap(), b"1\n");
    assert_eq!(store.get::<Value>("b").unwrap(), None);
    assert_eq!(store.get_bytes("deep/c").unwrap().unwrap(), b"[\n  3\n]\n");
    let keys: Vec<String> = store.list("").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["a", "deep/c"]);
    let both = store.read(|view| Ok((view.get::<Value>("a")?, view.get_bytes("b")?))).unwrap();
    assert_eq!((both.0.unwrap().value, both.1), (json!(1), None));
    store.close().unwrap();
    assert_eq!(home.tree(), before);
}

#[test]
fn a_reader_of_an_unrecovered_store_follows_once_somebody_recovers_it() {
    let home = unrecovered();
    let reader = Store::open_read_only(home.root()).unwrap();
    let writer = home.still();
    put(&writer, "a", &json!("newer"));
    assert_eq!(reader.get::<Value>("a").unwrap().unwrap().value, "newer");
    put(&writer, "b", &json!("back"));
    assert_eq!(reader.get::<Value>("b").unwrap().unwrap().value, "back");
    assert_eq!(reader.list("").unwrap().len(), 3);
    assert_eq!(reader.events(Start::Beginning).unwrap().count(), 1);
}

#[test]
fn damage_in_what_nobody_recovered_is_an_error_and_no_older_version() {
    let home = Home::new();
    let store = home.still();
    for n in 1..=4 {
        put(&store, "a", &json!(n));
    }
    drop(store);
    let line = home.lines().remove(2);
    home.overwrite(&line.segment, line.offset + 40, "#");
    home.lose_page_cache();
    let before = home.tree();
    let error =
        Store::open_read_only(home.root()).map(|store| store.get::<Value>("a")).unwrap_err();
    assert!(matches!(error, Error::Corrupt { seq: Some(3), .. }), "{error}");
    assert_eq!(home.tree(), before);
}

#[test]
fn a_reader_sees_what_a_living_writer_commits() {
    let home = Home::new();
    let writer = home.still();
    put(&writer, "a", &json!(1));
    let reader = Store::open_read_only(home.root()).unwrap();
    put(&writer, "a", &json!(2));
    emit(&writer, [1]);
    assert_eq!(reader.get::<Value>("a").unwrap().unwrap().value, 2);
    assert_eq!(reader.events(Start::Beginning).unwrap().count(), 1);
    assert_eq!(reader.status().unwrap().head, 3);
    assert!(reader.verify().unwrap().is_clean());
}

#[test]
fn a_reader_is_in_nobodys_way() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    drop(store);
    let reader = Store::open_read_only(home.root()).unwrap();
    // Were it to count as open, the next writer would not recover.
    fs::remove_file(home.path("a.json")).unwrap();
    home.lose_page_cache();
    drop(home.still());
    assert_eq!(home.text("a.json"), "1\n");
    assert_eq!(reader.get::<Value>("a").unwrap().unwrap().value, 1);
}
