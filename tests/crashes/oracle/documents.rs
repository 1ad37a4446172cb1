//! Documents: those of the last commits, and no others.

use std::collections::{BTreeMap, BTreeSet};

use docbox::{Store, layout};

use crate::history::{Attempt, Known};

/// Every document that a workload ever wrote is as the surviving commits say.
pub fn check(store: &Store, known: &Known, committed: &BTreeMap<u64, &Attempt>) {
    let mut model: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for (key, _) in known.attempts.iter().flat_map(|attempt| &attempt.writes) {
        // What is the user's own is no document; a transaction on it was refused.
        if key != "agents/link" {
            model.insert(key, None);
        }
    }
    for (key, text) in committed.values().flat_map(|attempt| &attempt.writes) {
        model.insert(key, text.as_deref());
    }
    let mut there = BTreeSet::new();
    for (key, text) in model {
        let found = store.get_bytes(key).expect("a document is read");
        assert_eq!(found, text.map(layout::pretty), "document {key}");
        there.extend(text.map(|_| key.to_owned()));
    }
    let listed = store.list("").expect("documents are listed");
    let listed: BTreeSet<String> = listed
        .iter()
        .map(|key| key.as_str().to_owned())
        .filter(|key| !key.starts_with("after/"))
        .collect();
    assert_eq!(listed, there, "the documents that are listed");
}
