//! What is kept of the journal, and where the rest goes.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use docbox::{Error, Limits, Retain, Start, Store};
use serde_json::Value;

use crate::home::{Home, emit, eventually, number, small};
use crate::{take_all, ui};

/// A store with small segments, told what to keep.
fn told(home: &Home, retain: Retain) -> Store {
    let limits = Limits { checkpoint_bytes: 1000, ..small() };
    let options = Store::options().housekeeping(false).limits(limits).retain(retain);
    options.open(home.root()).unwrap()
}

/// The files of an archive, with what is in them.
fn archived(folder: &std::path::Path) -> Vec<(String, Vec<Value>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|store| fs::read_dir(store.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let mut text = String::new();
        let file = fs::File::open(path).unwrap();
        if path.extension().is_some_and(|it| it == "gz") {
            flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        } else {
            fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
        }
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (path.file_name().unwrap().to_str().unwrap().to_owned(), lines.collect())
    };
    files.iter().map(read).collect()
}

fn drop_all(store: &Store) -> usize {
    assert!(store.checkpoint().unwrap());
    store.retain().unwrap()
}

#[test]
fn every_commit_is_in_the_archive_or_in_the_journal_compressed_or_not() {
    for gzip in [false, true] {
        let (home, archive) = (Home::new(), tempfile::tempdir().unwrap());
        let retain = Retain::new().age(Duration::ZERO).archive(archive.path().to_str().unwrap());
        let store = told(&home, if gzip { retain.gzip() } else { retain });
        emit(&store, 1..=60);
        let dropped = drop_all(&store);
        assert!(dropped > 2);
        emit(&store, 61..=90);
        let dropped = dropped + drop_all(&store);
        let files = archived(archive.path());
        assert_eq!(files.len(), dropped);
        let end = if gzip { ".jsonl.gz" } else { ".jsonl" };
        assert!(files.iter().all(|(name, _)| name.ends_with(end) && name.len() == 16 + end.len()));
        let seq = |line: &Value| line["seq"].as_u64().unwrap();
        let old = files.iter().flat_map(|(_, lines)| lines.iter().map(seq));
        let all: Vec<u64> = old.chain(home.lines().iter().map(crate::home::Line::seq)).collect();
        assert_eq!(all, (1..=90).collect::<Vec<_>>(), "each once, and nothing void");
    }
}

#[test]
fn two_stores_share_an_archive_and_keep_apart() {
    let archive = tempfile::tempdir().unwrap();
    let retain = Retain::new().age(Duration::ZERO).archive(archive.path().to_str().unwrap());
    let mut count = 0;
    for _ in 0..2 {
        let home = Home::new();
        let store = told(&home, retain.clone());
        emit(&store, 1..=40);
        count += drop_all(&store);
    }
    assert_eq!(archived(archive.path()).len(), count);
}

#[test]
fn an_archive_that_is_not_there_keeps_the_segments_and_a_relative_one_lies_in_the_store() {
    let home = Home::new();
    let store = told(&home, Retain::new().age(Duration::ZERO).archive("old events"));
    emit(&store, 1..=40);
    assert!(store.checkpoint().unwrap());
    let error = store.retain().unwrap_err();
    assert!(error.to_string().contains("old events"), "{error}");
    assert_eq!(home.lines().len(), 40, "nothing is gone");
    fs::create_dir(home.path("old events")).unwrap();
    assert!(store.retain().unwrap() > 0);
    assert!(!archived(&home.path("old events")).is_empty());
}

#[test]
fn what_a_store_was_told_holds_for_every_process_until_it_is_told_something_else() {
    let home = Home::new();
    let store = told(&home, Retain::new().keep_all());
    emit(&store, 1..=40);
    let limits = Limits { retain_age: Duration::ZERO, ..small() };
    let other = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    assert_eq!(drop_all(&other), 0);
    assert_eq!(other.retained().unwrap(), Retain::new().keep_all());
    drop(told(&home, Retain::new().age(Duration::ZERO)));
    assert!(other.retain().unwrap() > 0, "a store that is open hears of it");
    drop(told(&home, Retain::new().bytes(1)));
    emit(&store, 1..=40);
    assert!(drop_all(&store) > 0, "too many bytes");
    assert!(home.text(".docbox/store.json").contains("\"bytes\": 1"));
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn what_cannot_be_kept_so_is_refused_and_changes_nothing() {
    let home = Home::new();
    for wrong in [Retain::new().gzip(), Retain::new().archive("")] {
        let refused = Store::options().retain(wrong).open(home.root());
        assert!(matches!(refused, Err(Error::Invalid(_))));
    }
    assert!(!home.is_there(".docbox"));
}

#[test]
fn under_constant_load_with_a_consumer_that_keeps_up_the_disk_is_bounded() {
    let home = Home::new();
    let bytes = 20_000;
    let store = told(&home, Retain::new().bytes(bytes));
    let mut ui = ui(&store);
    let mut most = 0;
    for round in 0..40 {
        emit(&store, round * 50 + 1..=(round + 1) * 50);
        assert_eq!(take_all(&mut ui).len(), 50);
        ui.sync().unwrap();
        store.checkpoint().unwrap();
        store.retain().unwrap();
        most = most.max(store.status().unwrap().journal_bytes);
    }
    let written: usize = 40 * 50 * 200;
    // What is over the limit goes at the next look: one more segment is begun meanwhile, and it is filled ahead.
    assert!(most <= bytes + 2 * 1500 + 512, "{most} bytes of about {written}");
    let oldest = store.events(Start::Beginning).unwrap().next().unwrap().unwrap();
    assert!(number(&oldest) > 1800);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn housekeeping_bounds_it_of_itself_and_a_dead_subscription_holds_it_until_it_is_removed() {
    let home = Home::new();
    let limits = Limits { checkpoint_bytes: 1000, ..small() };
    let options = Store::options().limits(limits).retain(Retain::new().bytes(5000));
    let store = options.open(home.root()).unwrap();
    drop(store.subscribe("dead").from(Start::Now).open().unwrap());
    emit(&store, 1..=100);
    let mut looks = 0;
    eventually("housekeeping has looked", || {
        emit(&store, [1]);
        looks += 1;
        store.status().unwrap().applied > Some(100)
    });
    let status = store.status().unwrap();
    assert_eq!(status.oldest, 1, "after {looks} looks");
    assert!(status.subscriptions[0].held_bytes > 5000, "{status:?}");
    store.remove("dead").unwrap();
    eventually("what it held is dropped", || {
        emit(&store, [1]);
        store.status().unwrap().journal_bytes <= 5000 + 2 * 1500 + 512
    });
}
