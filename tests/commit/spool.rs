//! What waits in the spool to be used again has its bounds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use docbox::{Limits, Store};
use serde_json::json;

use crate::home::{Home, eventually, make_and_delete, put};

/// As src/spool/shelf.rs has them.
const SPOOL_FILES: usize = 4096;
const SPOOL_BYTES: u64 = 64 << 20;

/// How many files wait, and their bytes.
fn waiting(home: &Home) -> (usize, u64) {
    let files = fs::read_dir(home.path(".docbox/spool")).expect("the spool");
    // One may go while it is looked at.
    let size = |file: fs::DirEntry| Some(file.metadata().ok()?.len());
    let sizes: Vec<u64> = files.filter_map(|file| size(file.expect("a file"))).collect();
    (sizes.len(), sizes.iter().sum())
}

/// A store in which a file serves any document once it has waited for so long.
fn with_age(home: &Home, spool_age: Duration, housekeeping: bool) -> Store {
    let limits = Limits { spool_age, ..Limits::default() };
    let options = Store::options().limits(limits).housekeeping(housekeeping);
    options.open(home.root()).expect("opens")
}

/// Whether some thread of this process gives space back.
fn gives_space_back() -> bool {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return false };
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm"));
    threads.flatten().any(|thread| name(thread).is_ok_and(|name| name.trim() == "docbox-disposal"))
}

#[test]
fn no_more_files_and_bytes_wait_in_the_spool_than_may() {
    let home = Home::new();
    let store = with_age(&home, Duration::ZERO, false);
    make_and_delete(&store, SPOOL_FILES + 100);
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
    assert_eq!(gives_space_back(), cfg!(target_os = "linux"));
    drop(store);
    eventually("the thread ends with the store", || !gives_space_back());
}

#[test]
fn more_files_wait_as_long_as_they_may_serve_no_other_document_and_go_when_nobody_needs_them() {
    let home = Home::new();
    let store = with_age(&home, Duration::from_hours(1), false);
    make_and_delete(&store, SPOOL_FILES + 1000);
    assert_eq!(waiting(&home).0, SPOOL_FILES + 1000, "all of them came just now");
    drop(store);
    // Nobody commits any more.
    let store = with_age(&home, Duration::ZERO, true);
    eventually("what waits for nobody is removed", || waiting(&home).0 == SPOOL_FILES);
    assert!(store.verify().expect("verify reads").is_clean());
}

#[test]
fn what_others_left_in_the_spool_is_seen_after_their_commits() {
    let home = Home::new();
    let limits = Limits {
        spool_age: Duration::ZERO,
        checkpoint_idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let one = Store::options().limits(limits).open(home.root()).expect("opens");
    let other = with_age(&home, Duration::from_hours(1), false);
    for round in 0..2 {
        // From here on it knows what waits, and believes nothing else does.
        put(&one, "known", &json!(round));
    }
    make_and_delete(&other, SPOOL_FILES + 500);
    put(&one, "known", &json!("again"));
    eventually("what the other left is removed", || waiting(&home).0 == SPOOL_FILES);
}

#[test]
fn a_file_that_another_process_displaced_is_used_again_by_one_that_does_not_know_of_it() {
    let home = Home::new();
    let (one, other) = (home.still(), home.still());
    let is_exchanged = one.status().expect("a status").path == Some("exchange");
    for round in 0..2 {
        // From here on it knows what waits, and believes nothing else does.
        put(&one, "known", &json!(round));
    }
    put(&other, "a", &json!("one"));
    let first = fs::metadata(home.path("a.json")).expect("a document").ino();
    put(&other, "a", &json!("two"));
    put(&one, "a", &json!("three"));
    let third = fs::metadata(home.path("a.json")).expect("a document").ino();
    assert_eq!(first == third, is_exchanged, "the file that it was before");
    assert_eq!(home.text("a.json").trim(), "\"three\"");
    assert!(one.verify().expect("verify reads").is_clean());
}
