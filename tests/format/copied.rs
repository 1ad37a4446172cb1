//! Copies of a store: other inodes, perhaps not all of the same moment.

use std::fs;

use docbox::{Severity, Start};
use serde_json::json;

use crate::home::{Home, copy_into, emit, put};

#[test]
fn a_copy_of_a_store_in_use_is_redone_and_edits_are_kept_aside() {
    let home = Home::new();
    let store = home.still();
    put(&store, "edited", &json!(1));
    put(&store, "edited", &json!(2));
    put(&store, "removed", &json!(3));
    put(&store, "whole", &json!(4));
    put(&store, "deleted", &json!(5));
    store.commit(docbox::Transaction::new().remove("deleted").unwrap()).unwrap();
    let copy = home.copy();
    copy.write("edited.json", "an honest edit");
    copy.write("deleted.json", "made by hand");
    copy.write("own.json", "6");
    fs::remove_file(copy.path("removed.json")).unwrap();
    let store = copy.still();
    assert_eq!(copy.text("edited.json"), "2\n");
    assert_eq!(copy.text("removed.json"), "3\n");
    assert!(!copy.is_there("deleted.json"));
    assert_eq!(copy.text("own.json"), "6", "what was never committed is nobody's business");
    let mut kept = copy.recovered();
    kept.sort();
    assert_eq!(kept, [b"an honest edit".to_vec(), b"made by hand".to_vec()]);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_version_that_the_journal_knows_is_replaced_without_a_trace() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    put(&store, "a", &json!(2));
    let copy = home.copy();
    copy.write("a.json", "1\n");
    drop(copy.still());
    assert_eq!(copy.text("a.json"), "2\n");
    assert!(copy.recovered().is_empty());
}

#[test]
fn a_copy_of_a_closed_store_has_nothing_to_redo_and_edits_stay_as_drift() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    store.close().unwrap();
    let copy = home.copy();
    copy.write("a.json", "\"edited\"");
    let store = copy.still();
    assert_eq!(copy.text("a.json"), "\"edited\"");
    assert_eq!(store.verify().unwrap().worst(), Some(Severity::Drift));
    assert!(copy.recovered().is_empty());
}

#[test]
fn a_journal_that_is_older_than_its_registers_goes_on_from_where_it_ends() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    emit(&store, 2..=3);
    let older = home.copy();
    put(&store, "a", &json!(2));
    emit(&store, 5..=6);
    store.close().unwrap();
    let copy = home.copy();
    copy_into(&older.path(".docbox/journal"), &copy.path(".docbox/journal"));
    let store = copy.still();
    let status = store.status().unwrap();
    assert_eq!((status.head, status.oldest), (3, 1));
    assert!(status.applied <= Some(3), "{:?}", status.applied);
    assert_eq!(put(&store, "b", &json!(4)), 4);
    assert_eq!(store.events(Start::Beginning).unwrap().count(), 2);
    store.close().unwrap();
    assert_eq!(copy.register("applied")["seq"], 4);
}

#[test]
fn a_store_that_was_moved_is_the_same_store() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let id = store.id().to_owned();
    drop(store);
    let other = Home::new();
    fs::rename(home.root(), other.path("moved")).unwrap();
    let store = docbox::Store::open(other.path("moved")).unwrap();
    assert_eq!((store.id(), put(&store, "a", &json!(2))), (id.as_str(), 2));
    store.close().unwrap();
    fs::create_dir(home.root()).unwrap();
}
