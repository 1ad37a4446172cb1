//! `.docbox` removed with `rm -rf` while stores are open and commits never pause.

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use docbox::{Error, Severity, Start, Store, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, emit, eventually, in_time, put};
use crate::program::{Running, program, run};

const THREADS: u64 = 3;

#[test]
fn after_an_rm_in_mid_work_every_call_fails_and_ends_and_the_documents_stay() {
    let home = Home::new();
    let stores = [home.open(), home.open()];
    let mut other = Running::start(&mut program(home.root(), &["commit", "--lines"]));
    other.give("{\"writes\":[{\"key\":\"of-another\",\"doc\":1}]}\n");
    assert!(other.line().contains("\"seq\":1"));
    let acknowledged = AtomicU64::new(0);
    let errors = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (number, store) in (0..THREADS * 2).zip(stores.iter().cycle()) {
            let (acknowledged, errors) = (&acknowledged, &errors);
            scope.spawn(move || {
                for round in 0.. {
                    let key = format!("by-{number}/{}", round % 5);
                    let value = json!({ "round": round });
                    match store.commit(Transaction::new().put(&key, &value).unwrap()) {
                        Ok(_) => acknowledged.fetch_add(1, Ordering::SeqCst),
                        Err(error) => return errors.lock().unwrap().push((key, error)),
                    };
                }
            });
        }
        let (acknowledged, home) = (&acknowledged, &home);
        scope.spawn(move || {
            eventually("all are at work", || acknowledged.load(Ordering::SeqCst) > 100);
            // What is made in a folder just as it is emptied keeps `rm` from removing it.
            eventually("it is gone", || {
                let _ = Command::new("rm").arg("-rf").arg(home.path(".docbox")).output();
                !home.is_there(".docbox")
            });
        });
    });
    let errors = errors.into_inner().unwrap();
    assert_eq!(errors.len() as u64, THREADS * 2);
    for (key, error) in errors {
        let is_typed = match &error {
            Error::Unusable { path, .. } => *path == home.root().canonicalize().unwrap(),
            Error::Io { path, .. } | Error::Corrupt { path, .. } | Error::Blocked { path, .. } => {
                path.is_absolute()
            }
            Error::InDoubt { seq, .. } => *seq > 0,
            _ => false,
        };
        assert!(is_typed, "{key}: {error:?}");
    }
    all_is_refused(&home, &stores, other);
    a_new_store_is_made(&home, stores);
}

/// Calls of those who had it open: each ends, with an error.
fn all_is_refused(home: &Home, stores: &[Store; 2], mut other: Running) {
    let before = home.tree();
    for store in stores {
        let store = store.clone();
        in_time(move || {
            let event = || Transaction::new().emit(docbox::Event::bare("E"));
            let error = store.commit(event()).unwrap_err();
            assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
            assert!(error.to_string().contains("open the store anew"), "{error}");
            assert!(store.subscribe("ui").from(Start::Now).open().is_err());
            assert!(store.checkpoint().is_err());
            assert_eq!(store.get::<Value>("of-another").unwrap().unwrap().value, 1);
        });
    }
    other.give("{\"writes\":[{\"key\":\"of-another\",\"doc\":2}]}\n");
    let ended = other.end();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("was removed or replaced while it was open"), "{ended:?}");
    assert_eq!(home.tree(), before, "nothing was written");
    let said = run(&mut program(home.root(), &["status"]), b"").fails(3);
    assert!(said.contains("docbox init"), "{said}");
    assert!(Store::options().create(false).open(home.root()).is_err());
}

/// Whoever opens it and may make one gets a new store: the documents are there, and nothing is known of them.
fn a_new_store_is_made(home: &Home, stores: [Store; 2]) {
    let new = home.open();
    assert_ne!(new.id(), stores[0].id());
    assert!(stores[0].commit(Transaction::new().emit(docbox::Event::bare("E"))).is_err());
    for store in stores {
        in_time(move || store.close().unwrap_err());
    }
    let report = new.verify().unwrap();
    assert_eq!((report.worst(), report.commits), (Some(Severity::Note), 0), "{report:?}");
    assert_eq!(report.documents, new.list("").unwrap().len() as u64);
    // A document that nobody committed here is known by its revision all the same.
    let there = new.get::<Value>("of-another").unwrap().unwrap();
    let change = Transaction::new().put_if("of-another", there.revision, &json!(3)).unwrap();
    assert_eq!(new.commit(change).unwrap().seq(), 1);
    assert!(new.verify().unwrap().is_clean());
    new.close().unwrap();
}

#[test]
fn a_journal_that_was_removed_takes_no_commit() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    fs::remove_dir_all(home.path(".docbox/journal")).unwrap();
    for _ in 0..2 {
        let error = store.commit(Transaction::new().put("a", &json!(2)).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
        assert!(error.to_string().contains("0000000000000001.jsonl was removed"), "{error}");
    }
    assert!(!home.is_there("a.json"));
}

#[test]
fn a_segment_that_was_replaced_takes_no_commit_until_the_store_is_opened_anew() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let (segment, copy) = (home.segments().remove(0), home.path("copy"));
    fs::copy(&segment, &copy).unwrap();
    fs::rename(&copy, &segment).unwrap();
    for _ in 0..2 {
        let error = store.commit(Transaction::new().put("a", &json!(2)).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    }
    assert_eq!(home.lines().len(), 3, "and nothing goes into the one that has no name any more");
    drop(store);
    let store = home.still();
    assert_eq!(put(&store, "a", &json!(2)), 4);
    assert!(store.verify().unwrap().is_clean());
}
