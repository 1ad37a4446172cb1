//! What waits in the spool to be used again has its bounds.

use std::fs;

use docbox::{Store, Transaction};
use serde_json::json;

use crate::home::{Home, put};

/// As src/spool.rs has them.
const SPOOL_FILES: usize = 4096;
const SPOOL_BYTES: u64 = 64 << 20;

/// How many files wait, and their bytes.
fn waiting(home: &Home) -> (usize, u64) {
    let files = fs::read_dir(home.path(".docbox/spool")).expect("the spool");
    let sizes: Vec<u64> =
        files.map(|file| file.expect("a file").metadata().expect("its size").len()).collect();
    (sizes.len(), sizes.iter().sum())
}

fn commit_all(store: &Store, transactions: Vec<Transaction>) {
    for commit in store.commit_all(transactions) {
        commit.expect("a commit");
    }
}

#[test]
fn no_more_files_and_bytes_wait_in_the_spool_than_may() {
    let home = Home::new();
    let store = home.still();
    let keys: Vec<String> = (0..SPOOL_FILES + 100).map(|number| format!("many/{number}")).collect();
    let puts = keys.iter().map(|key| Transaction::new().put(key, &1).expect("a transaction"));
    commit_all(&store, puts.collect());
    let removals = keys.iter().map(|key| Transaction::new().remove(key).expect("a transaction"));
    commit_all(&store, removals.collect());
    assert_eq!(waiting(&home).0, SPOOL_FILES, "what is deleted waits, and the oldest went");
    let large = "x".repeat(12 << 20);
    for round in ["one", "two"] {
        for number in 0..6 {
            put(&store, &format!("large/{number}"), &json!(format!("{round}{large}")));
        }
    }
    let (files, bytes) = waiting(&home);
    assert!(bytes <= SPOOL_BYTES, "{bytes} bytes in {files} files");
    assert!(bytes > SPOOL_BYTES / 2, "large ones wait too: {bytes} bytes in {files} files");
    assert!(store.verify().expect("verify reads").is_clean());
}
