//! What lies in the way of a document fails its transaction alone, and leaves nothing.

use std::fs;
use std::os::unix::fs::symlink;

use docbox::{Error, Event, Store, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, put};

/// Commits `key` together with another document; it must be refused for the obstacle at `key`.
fn assert_refused(home: &Home, key: &str) {
    let store = home.still();
    let before = home.lines().len();
    let transaction = Transaction::new()
        .put("new/folder/first", &json!(1))
        .unwrap()
        .put(key, &json!("never"))
        .unwrap()
        .emit(Event::bare("Never"));
    let error = store.commit(transaction).unwrap_err();
    assert!(matches!(&error, Error::Invalid(what) if what.contains(key)), "{error}");
    assert!(!home.is_there("new"), "the folders that were made for it are gone");
    assert!(home.left_in_spool().is_empty());
    assert_eq!(home.lines().len(), before);
    // The store goes on as if nothing had been, without a gap.
    assert_eq!(put(&store, "fine", &json!(before)), before as u64 + 1);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_file_where_a_folder_must_be() {
    let home = Home::new();
    home.write("agents", "mine");
    assert_refused(&home, "agents/a");
    assert_eq!(home.text("agents"), "mine");
}

#[test]
fn a_folder_where_the_document_must_be() {
    let home = Home::new();
    fs::create_dir_all(home.path("a.json/mine")).unwrap();
    assert_refused(&home, "a");
    assert!(home.is_there("a.json/mine"));
}

#[test]
fn a_link_where_a_folder_must_be_even_one_that_leads_to_a_folder() {
    let home = Home::new();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), home.path("agents")).unwrap();
    assert_refused(&home, "agents/a");
    assert_refused(&home, "agents/deep/a");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn a_link_where_the_document_must_be_even_one_that_leads_to_a_file() {
    let home = Home::new();
    home.write("target.txt", "mine");
    symlink("target.txt", home.path("a.json")).unwrap();
    symlink("nowhere", home.path("b.json")).unwrap();
    assert_refused(&home, "a");
    assert_refused(&home, "b");
    assert_eq!(home.text("target.txt"), "mine");
    assert!(home.still().get::<Value>("a").unwrap().is_none());
}

#[test]
fn an_obstacle_fails_its_transaction_alone_among_many_at_once() {
    let home = Home::new();
    home.write("agents", "a file");
    let store = &home.still();
    std::thread::scope(|scope| {
        for n in 0..16 {
            let key = if n % 4 == 0 { format!("agents/{n}") } else { format!("good/{n}") };
            let transaction = Transaction::new().put(key, &json!(1)).unwrap();
            scope.spawn(move || assert_eq!(store.commit(transaction).is_err(), n % 4 == 0));
        }
    });
    assert_eq!((home.lines().len(), home.names("good").len()), (12, 12));
    assert!(home.left_in_spool().is_empty());
}

#[test]
fn removing_a_document_behind_an_obstacle_touches_nothing() {
    let home = Home::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("a.json");
    fs::write(&target, "1\n").unwrap();
    symlink(elsewhere.path(), home.path("linked")).unwrap();
    home.write("file", "mine");
    let store = home.still();
    let transaction = Transaction::new().remove("linked/a").unwrap().remove("file/a").unwrap();
    store.commit(transaction).unwrap();
    assert_eq!(fs::read(target).unwrap(), b"1\n");
    assert_eq!(home.text("file"), "mine");
}

#[test]
fn the_root_itself_may_be_a_link() {
    let home = Home::new();
    fs::create_dir(home.path("real")).unwrap();
    symlink("real", home.path("link")).unwrap();
    let store = Store::open(home.path("link")).unwrap();
    put(&store, "a/b", &json!(1));
    assert_eq!(home.text("real/a/b.json"), "1\n");
    store.close().unwrap();
}
