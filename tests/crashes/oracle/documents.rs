//! Documents: those of the last commits, and no others.

use std::collections::{BTreeMap, BTreeSet};

use docbox::{Store, layout};

use crate::history::{Attempt, Known};

/// The documents as they are at the end of a commit, and their texts.
pub fn as_of<'a>(committed: &BTreeMap<u64, &'a Attempt>, seq: u64) -> BTreeMap<&'a str, &'a str> {
    let mut documents = BTreeMap::new();
    for (key, text) in committed.range(..=seq).flat_map(|(_, attempt)| &attempt.writes) {
        match text {
            Some(text) => documents.insert(&**key, &**text),
            None => documents.remove(&**key),
        };
    }
    documents
}

/// Every document that a workload ever wrote is as the surviving commits say.
pub fn check(store: &Store, known: &Known, committed: &BTreeMap<u64, &Attempt>) {
    let documents = as_of(committed, u64::MAX);
    let tried = known.attempts.iter().flat_map(|attempt| &attempt.writes);
    // What is the user's own is no document; a transaction on it was refused.
    let tried: BTreeSet<&String> =
        tried.map(|(key, _)| key).filter(|key| *key != "agents/link").collect();
    for key in tried {
        let found = store.get_bytes(key).expect("a document is read");
        let expected = documents.get(&**key).map(|text| layout::pretty(text));
        assert_eq!(found, expected, "document {key}");
    }
    let there: BTreeSet<String> = documents.into_keys().map(str::to_owned).collect();
    let listed = store.list("").expect("documents are listed");
    let listed: BTreeSet<String> = listed
        .iter()
        .map(|key| key.as_str().to_owned())
        .filter(|key| !key.starts_with("after/"))
        .collect();
    assert_eq!(listed, there, "the documents that are listed");
}
