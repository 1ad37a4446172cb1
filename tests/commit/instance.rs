//! Several open stores on one folder, and a `.docbox` that changes under them.

use std::fs;

use docbox::{Error, Event, Start, Store, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, Line, copy_into, put};

#[test]
fn two_open_stores_on_one_folder_commit_by_turns_in_one_sequence() {
    let home = Home::new();
    let stores = [home.small(), home.small()];
    for n in 0..60 {
        let store = &stores[n % 2];
        let transaction =
            Transaction::new().put("n", &json!(n)).unwrap().emit(Event::bare(format!("E{n}")));
        assert_eq!(store.commit(transaction).unwrap().seq(), n as u64 + 1);
        let seen = stores[(n + 1) % 2].get::<Value>("n").unwrap().unwrap();
        assert_eq!(seen.value, n);
    }
    assert!(home.segments().len() > 2, "both wrote to segments that the other made");
    for store in &stores {
        assert_eq!(store.events(Start::Beginning).unwrap().count(), 60);
        assert!(store.verify().unwrap().is_clean());
        store.close().unwrap();
    }
}

#[test]
fn two_open_stores_on_one_folder_commit_at_once_in_one_sequence() {
    let home = Home::new();
    let stores = [home.small(), home.small()];
    put(&stores[0], "n", &json!(0));
    std::thread::scope(|scope| {
        for store in stores.iter().chain(&stores) {
            scope.spawn(move || {
                for _ in 0..40 {
                    store.update("n", |n: &mut u64| *n += 1).unwrap();
                    put(store, "other", &json!(1));
                }
            });
        }
    });
    assert_eq!(home.text("n.json"), "160\n");
    assert!(stores[0].verify().unwrap().is_clean());
    let seqs: Vec<u64> = home.lines().iter().map(Line::seq).collect();
    assert_eq!(seqs, (1..=321).collect::<Vec<_>>());
}

#[test]
fn a_docbox_that_was_moved_away_takes_no_commit_until_it_is_back() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    fs::rename(home.path(".docbox"), home.path("away")).unwrap();
    let error = store.commit(Transaction::new().put("a", &json!(2)).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    assert_eq!(home.text("a.json"), "1\n");
    fs::rename(home.path("away"), home.path(".docbox")).unwrap();
    assert_eq!(put(&store, "a", &json!(2)), 2);
}

#[test]
fn a_docbox_that_was_replaced_takes_no_commit() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    fs::rename(home.path(".docbox"), home.path("away")).unwrap();
    let other = home.still();
    assert_ne!(store.id(), other.id());
    let before = home.tree();
    for _ in 0..2 {
        let error = store.commit(Transaction::new().put("a", &json!(2)).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error}");
    }
    assert_eq!(home.tree(), before);
    assert!(store.subscribe("ui").from(Start::Beginning).open().is_err());
    assert!(other.subscriptions().unwrap().is_empty());
    put(&other, "b", &json!(1));
}

#[test]
fn a_copy_of_the_same_store_in_its_place_takes_no_commit_either() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let copy = home.copy();
    fs::rename(home.path(".docbox"), home.path("away")).unwrap();
    copy_into(&copy.path(".docbox"), &home.path(".docbox"));
    assert!(store.commit(Transaction::new().put("a", &json!(2)).unwrap()).is_err());
    drop(store);
    assert_eq!(put(&home.still(), "a", &json!(2)), 2);
}

#[test]
fn a_closed_store_refuses_everything_for_all_its_clones() {
    let home = Home::new();
    let store = home.open();
    let clone = store.clone();
    put(&store, "a", &json!(1));
    store.close().unwrap();
    assert!(matches!(clone.get_bytes("a"), Err(Error::Unusable { .. })));
    let refused = clone.commit(Transaction::new().put("a", &json!(2)).unwrap());
    assert!(matches!(refused, Err(Error::Unusable { .. })));
    assert!(matches!(clone.events(Start::Beginning), Err(Error::Unusable { .. })));
    clone.close().unwrap();
    assert_eq!(home.register("applied")["seq"], 1);
}

#[test]
fn a_store_that_only_reads_refuses_every_verb_that_writes() {
    let home = Home::new();
    home.still().close().unwrap();
    let store = Store::open_read_only(home.root()).unwrap();
    assert!(store.is_read_only());
    assert!(store.commit(Transaction::new().emit(Event::bare("E"))).is_err());
    assert!(store.subscribe("ui").from(Start::Now).open().is_err());
    assert!(store.reset("ui", Start::Now).is_err());
    assert!(store.checkpoint().is_err());
    assert_eq!(store.status().unwrap().head, 0);
    store.close().unwrap();
}
