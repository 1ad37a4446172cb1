//! `.docbox` replaced by another one while stores are open: a copy restored over it, or a new store.

use std::fs;

use docbox::{Error, Event, Store, Transaction};
use serde_json::json;

use crate::home::{Home, copy_into, emit, put, write};

#[test]
fn a_store_whose_docbox_was_replaced_moves_nothing_in_the_new_one() {
    let home = Home::new();
    let old = home.still();
    emit(&old, 1..=2);
    assert_eq!(old.status().unwrap().head, 2);
    fs::remove_dir_all(home.path(".docbox")).unwrap();
    let new = home.still();
    emit(&new, 1..=5);
    let before = home.tree();
    assert!(matches!(old.checkpoint(), Err(Error::Unusable { .. })));
    assert!(matches!(old.retain(), Ok(0)));
    assert!(matches!(old.close(), Err(Error::Unusable { .. })));
    assert_eq!(home.tree(), before);
    assert!(new.verify().unwrap().is_clean());
    new.close().unwrap();
}

/// A commit, and what is done to the new `.docbox` before.
struct Case {
    name: &'static str,
    transaction: fn() -> Transaction,
    before: fn(&Home),
}

const CASES: [Case; 7] = [
    Case {
        name: "a document that is written often",
        transaction: || of("hot", 100),
        before: |_| {},
    },
    Case { name: "one that was written once", transaction: || of("once", 100), before: |_| {} },
    Case { name: "a new one in a new folder", transaction: || of("new/one", 1), before: |_| {} },
    Case {
        name: "a deletion",
        transaction: || Transaction::new().remove("once").unwrap(),
        before: |_| {},
    },
    Case { name: "an event", transaction: || event(""), before: |_| {} },
    Case { name: "a new segment", transaction: || event(&"x".repeat(1200)), before: |_| {} },
    Case { name: "behind a line of another", transaction: || event(""), before: left_by_another },
];

fn of(key: &str, value: u64) -> Transaction {
    Transaction::new().put(key, &json!(value)).unwrap()
}

fn event(text: &str) -> Transaction {
    Transaction::new().emit(Event::new("E", &json!({ "text": text })).unwrap())
}

/// A writer of the new `.docbox` died when it had begun a segment and not moved the head.
fn left_by_another(home: &Home) {
    let line = home.next_line(&write("of-another", None, "1"));
    let seq = home.lines().len() + 1;
    home.write(&format!(".docbox/journal/{seq:016}.jsonl"), line);
}

#[test]
fn a_store_whose_docbox_was_replaced_by_a_copy_commits_nothing_into_it() {
    for case in &CASES {
        let name = case.name;
        let home = Home::new();
        let store = home.small();
        written(&store);
        let away = Home::new();
        let original = away.path(".docbox");
        let lines = home.lines().len();
        fs::rename(home.path(".docbox"), &original).unwrap();
        copy_into(&original, &home.path(".docbox"));
        (case.before)(&home);
        let before = home.tree();
        let error = store.commit((case.transaction)()).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{name}: {error:?}");
        assert_eq!(home.tree(), before, "{name}");
        assert_eq!(away.lines().len(), lines, "{name}: nor into the one that is away");
        fs::remove_dir_all(home.path(".docbox")).unwrap();
        fs::rename(&original, home.path(".docbox")).unwrap();
        assert_eq!(put(&store, "hot", &json!("again")), lines as u64 + 1, "{name}");
        assert!(store.verify().unwrap().is_clean(), "{name}");
    }
}

#[test]
fn a_store_whose_lock_was_replaced_commits_nothing() {
    for transaction in [|| event(""), || of("hot", 100), || of("new/one", 1)] {
        let home = Home::new();
        let store = home.small();
        written(&store);
        let lock = home.path(".docbox/commit.lock");
        fs::remove_file(&lock).unwrap();
        fs::write(&lock, "").unwrap();
        let lines = home.lines().len();
        let error = store.commit(transaction()).unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
        assert_eq!(home.lines().len(), lines);
        drop(store);
        let store = home.small();
        store.commit(transaction()).unwrap();
        assert!(store.verify().unwrap().is_clean());
    }
}

/// The store knows its register and its segment, and the spool has files for what was written often.
fn written(store: &Store) {
    for number in 0..9 {
        put(store, "hot", &json!(number));
    }
    put(store, "once", &json!(0));
}
