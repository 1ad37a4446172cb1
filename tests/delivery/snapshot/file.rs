//! The file of a snapshot: how long it stays, and what is wrong with it.

use std::fs::File;

use docbox::{Delivery, Error, Start, Store};
use serde_json::json;

use super::{all, files, mirror, numbered, some, ten};
use crate::home::{Home, emit, eventually, put};
use crate::take_all;

#[test]
fn the_file_is_kept_until_it_is_durable_that_it_was_passed_and_goes_of_itself() {
    let home = Home::new();
    drop(ten(&home));
    let store = home.open();
    let mut mirror = mirror(&store);
    some(&mut mirror, 9);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(files(&home).len(), 1, "one is left");
    some(&mut mirror, 1);
    eventually("it is gone", || files(&home).is_empty());
    assert!(home.register("cursors/mirror").get("snapshot").is_none());
    emit(&store, 1..=1);
    assert_eq!(take_all(&mut mirror), [1]);
}

#[test]
fn renaming_keeps_it_and_removing_takes_it_along() {
    let home = Home::new();
    let store = ten(&home);
    drop(mirror(&store));
    store.rename("mirror", "copy").unwrap();
    let mut copy = store.subscribe("copy").open().unwrap();
    assert_eq!(some(&mut copy, 2), numbered(0..2));
    drop(copy);
    assert_eq!(files(&home).len(), 1);
    store.remove("copy").unwrap();
    assert!(files(&home).is_empty());
}

#[test]
fn the_journal_is_kept_from_the_commit_on_that_follows_it() {
    let home = Home::new();
    let limits = docbox::Limits { retain_age: std::time::Duration::ZERO, ..crate::home::small() };
    let open = || Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    let store = open();
    for number in 0..10 {
        put(&store, &format!("d/{number}"), &json!(number));
    }
    let mut mirror = mirror(&store);
    emit(&store, 1..=40);
    assert!(store.checkpoint().unwrap());
    let dropped = store.retain().unwrap();
    let oldest = store.status().unwrap().oldest;
    assert!(dropped > 0 && (2..=11).contains(&oldest), "{oldest}");
    drop((mirror, store));
    let store = open();
    mirror = super::mirror(&store);
    assert_eq!(all(&mut mirror).len(), 50);
    assert!(store.subscriptions().unwrap()[0].error.is_none());
}

#[test]
fn what_is_wrong_with_its_file_is_said_with_the_line_and_a_new_snapshot_mends_it() {
    type Harm = fn(&Home, &str);
    let harms: [(&str, Harm); 6] = [
        ("missing", |home, file| std::fs::remove_file(home.path(file)).unwrap()),
        ("in line 11, its last", |home, file| {
            let text = home.read(file);
            home.write(file, &text[..text.len() - 1]);
        }),
        ("in line 7, its last", |home, file| {
            let text = home.text(file);
            home.write(
                file,
                text.lines().take(7).flat_map(|line| [line, "\n"]).collect::<String>(),
            );
        }),
        ("damaged in line 5: the line is cut", |home, file| {
            let text = home.text(file);
            home.write(file, text.replace("\"d/4\"", "\"d/X\""));
        }),
        ("damaged in line 5: the line is item 5", |home, file| {
            let text = home.text(file);
            let lines = text.lines().enumerate().filter(|(at, _)| *at != 4);
            home.write(file, lines.flat_map(|(_, line)| [line, "\n"]).collect::<String>());
        }),
        ("is of store", |home, file| {
            let other = Home::new();
            drop(mirror(&ten(&other)));
            let found = format!(".docbox/cursors/{}", files(&other)[0]);
            home.write(file, other.read(&found));
        }),
    ];
    for (wanted, harm) in harms {
        let home = Home::new();
        let store = ten(&home);
        let mut mirror = mirror(&store);
        some(&mut mirror, 2);
        drop(mirror);
        let file = format!(".docbox/cursors/{}", files(&home)[0]);
        harm(&home, &file);
        let mut mirror = store.subscribe("mirror").open().unwrap();
        let error =
            mirror.catch_up().find_map(|it| it.and_then(Delivery::ack).err()).expect(wanted);
        let text = error.to_string();
        assert!(matches!(error, Error::Cursor { .. }), "{text}");
        let path = home.path(&file).display().to_string();
        for part in [wanted, &path, "docbox reset mirror --to snapshot"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let one = store.subscriptions().unwrap().remove(0);
        assert!(one.error.is_some_and(|error| error.contains(wanted)), "{wanted}");
        assert!(!store.verify().unwrap().is_clean(), "{wanted}");
        store.reset("mirror", Start::Snapshot).unwrap();
        assert_eq!(all(&mut mirror), numbered(0..10));
        drop(mirror);
        store.close().unwrap();
        assert!(files(&home).is_empty(), "{wanted}");
    }
}

#[test]
fn a_document_that_is_no_json_is_an_error_that_names_it_and_nothing_is_made() {
    let home = Home::new();
    let store = ten(&home);
    home.write("d/4.json", "{\"half\": ");
    let refused = store.subscribe("mirror").from(Start::Snapshot).open().unwrap_err();
    assert!(matches!(&refused, Error::Json { what, .. } if what.contains("d/4.json")), "{refused}");
    assert!(store.subscriptions().unwrap().is_empty() && files(&home).is_empty());
    // What is no document is not missed.
    home.write("d/4.json", "4");
    home.write("d/%zz.json", "a stray");
    std::os::unix::fs::symlink(home.path("d/4.json"), home.path("d/link.json")).unwrap();
    assert_eq!(all(&mut mirror(&store)), numbered(0..10));
}

#[test]
fn what_the_dead_left_of_one_is_removed_and_what_is_being_taken_is_not() {
    let home = Home::new();
    let store = ten(&home);
    let left = [".new-snapshot-left", "0000000000000003-00000000000000aa.jsonl"];
    let held = [".new-snapshot-held", "0000000000000003-00000000000000bb.jsonl"];
    for name in left.iter().chain(&held) {
        home.write(&format!(".docbox/cursors/{name}"), "{}\n");
    }
    let open = |name: &&str| File::open(home.path(&format!(".docbox/cursors/{name}"))).unwrap();
    let locks: Vec<File> = held.iter().map(open).collect();
    for file in &locks {
        file.lock().unwrap();
    }
    let mirror = mirror(&store);
    store.close().unwrap();
    let there = files(&home);
    assert!(left.iter().all(|name| !there.contains(&(*name).to_owned())), "{there:?}");
    assert!(held.iter().all(|name| there.contains(&(*name).to_owned())), "{there:?}");
    assert_eq!(there.len(), 3);
    drop((locks, mirror));
    home.still().close().unwrap();
    assert_eq!(files(&home).len(), 1);
}

#[test]
fn the_snapshot_that_a_reset_asks_for_is_kept_until_its_consumer_has_obeyed() {
    let home = Home::new();
    let store = ten(&home);
    let mut mirror = store.subscribe("mirror").from(Start::Now).open().unwrap();
    store.reset("mirror", Start::Snapshot).unwrap();
    // Whoever closes removes what nobody needs.
    home.still().close().unwrap();
    assert_eq!(files(&home).len(), 1, "no cursor speaks of it yet");
    assert_eq!(all(&mut mirror), numbered(0..10));
    store.close().unwrap();
    assert!(files(&home).is_empty(), "{:?}", files(&home));
}
