//! Documents that are read again and again: whatever becomes of their files is seen at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use docbox::{Error, Store, Transaction};
use serde_json::json;

use crate::home::{Home, put};

const FILE: &str = "agents/a.json";
const EVERY: Duration = Duration::from_millis(25);

/// A document that was read so often that it may have been kept.
fn read_often(home: &Home, store: &Store) {
    home.write(FILE, "11\n");
    read_so_often(store);
}

fn read_so_often(store: &Store) {
    // Until its times are old enough to tell of a change.
    thread::sleep(2 * EVERY);
    for _ in 0..3 {
        assert_eq!(store.get::<u64>("agents/a").unwrap().unwrap().value, 11);
    }
}

fn times(home: &Home) -> fs::FileTimes {
    let metadata = fs::metadata(home.path(FILE)).unwrap();
    fs::FileTimes::new()
        .set_modified(metadata.modified().unwrap())
        .set_accessed(metadata.accessed().unwrap())
}

fn set_times(home: &Home, relative: &str, times: fs::FileTimes) {
    fs::OpenOptions::new().write(true).open(home.path(relative)).unwrap().set_times(times).unwrap();
}

fn write_as_if_nothing_had_happened(home: &Home) {
    let before = times(home);
    home.write(FILE, "22\n");
    set_times(home, FILE, before);
}

fn replace_by_one_that_looks_the_same(home: &Home) {
    home.write("other", "22\n");
    set_times(home, "other", times(home));
    fs::rename(home.path("other"), home.path(FILE)).unwrap();
}

fn swap_folders(home: &Home) {
    fs::create_dir(home.path("others")).unwrap();
    home.write("others/a.json", "22\n");
    fs::rename(home.path("agents"), home.path("gone")).unwrap();
    fs::rename(home.path("others"), home.path("agents")).unwrap();
}

fn move_behind_a_link(home: &Home) {
    fs::rename(home.path(FILE), home.path("moved")).unwrap();
    symlink(home.path("moved"), home.path(FILE)).unwrap();
}

fn move_the_folder_behind_a_link(home: &Home) {
    fs::rename(home.path("agents"), home.path("moved")).unwrap();
    symlink(home.path("moved"), home.path("agents")).unwrap();
}

#[test]
fn a_document_that_was_kept_is_read_as_whoever_changed_its_file_left_it() {
    type Change = fn(&Home);
    let changes: [(&str, Change, Option<u64>); 7] = [
        ("written in place", |home| home.write(FILE, "22\n"), Some(22)),
        ("written, its time put back", write_as_if_nothing_had_happened, Some(22)),
        ("replaced", replace_by_one_that_looks_the_same, Some(22)),
        ("in another folder of that name", swap_folders, Some(22)),
        ("removed", |home| fs::remove_file(home.path(FILE)).unwrap(), None),
        ("behind a link", move_behind_a_link, None),
        ("in a folder behind a link", move_the_folder_behind_a_link, None),
    ];
    for (what, change, expected) in changes {
        let home = Home::new();
        let store = home.still();
        put(&store, "agents/a", &json!(10));
        read_often(&home, &store);
        change(&home);
        for _ in 0..3 {
            let found = store.get::<u64>("agents/a").unwrap();
            assert_eq!(found.map(|found| found.value), expected, "{what}");
        }
    }
}

#[test]
fn a_document_that_was_kept_is_no_json_any_more_once_its_file_is_not() {
    let home = Home::new();
    let store = home.still();
    put(&store, "agents/a", &json!(10));
    read_often(&home, &store);
    let Err(Error::Json { what, .. }) = store.get::<String>("agents/a") else { panic!("no text") };
    assert!(what.contains(FILE), "{what}");
    home.write(FILE, "1,\n");
    let Err(Error::Json { what, .. }) = store.get::<u64>("agents/a") else { panic!("no JSON") };
    assert!(what.contains(FILE), "{what}");
}

#[test]
fn a_document_that_was_kept_is_read_as_another_store_or_this_one_committed_it() {
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    put(&store, "agents/a", &json!(10));
    read_often(&home, &store);
    put(&other, "agents/a", &json!(20));
    assert_eq!(store.get::<u64>("agents/a").unwrap().unwrap().value, 20);
    read_often(&home, &store);
    put(&store, "agents/a", &json!(30));
    let found = store.get::<u64>("agents/a").unwrap().unwrap();
    assert_eq!(found.value, 30);
    let next = Transaction::new().put_if("agents/a", found.revision, &40).unwrap();
    store.commit(next).expect("it is at the revision that was read");
    store.commit(Transaction::new().remove("agents/a").unwrap()).unwrap();
    assert!(store.get::<u64>("agents/a").unwrap().is_none());
}

/// Maps a document for writing.
#[expect(unsafe_code, reason = "nobody cuts the file while it is mapped")]
fn map(home: &Home) -> memmap2::MmapMut {
    let file = fs::OpenOptions::new().read(true).write(true).open(home.path(FILE)).unwrap();
    // SAFETY: nobody cuts the file while it is mapped.
    unsafe { memmap2::MmapMut::map_mut(&file) }.expect("a mapping")
}

#[test]
fn what_is_stored_into_a_document_through_a_mapping_is_read() {
    let home = Home::new();
    let store = home.still();
    put(&store, "agents/a", &json!(10));
    // By who had it mapped, and written to, before it was read: the next store moves no time of the file.
    home.write(FILE, "10\n");
    let mut before = map(&home);
    before[1] = b'1';
    read_so_often(&store);
    for digit in *b"234" {
        before[1] = digit;
        let expected = u64::from(10 + digit - b'0');
        assert_eq!(store.get::<u64>("agents/a").unwrap().unwrap().value, expected);
    }
    drop(before);
    // By who maps it once it was read, and looks at it first.
    read_often(&home, &store);
    let mut after = map(&home);
    assert_eq!(after[1], b'1');
    for digit in *b"567" {
        after[1] = digit;
        let expected = u64::from(10 + digit - b'0');
        assert_eq!(store.get::<u64>("agents/a").unwrap().unwrap().value, expected);
    }
}

#[test]
fn no_read_shows_less_than_was_committed_before_it() {
    const COMMITS: u64 = 40;
    let home = Home::new();
    let (store, other) = (home.still(), home.still());
    put(&store, "agents/a", &json!(0));
    let (committed, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let least = committed.load(Ordering::SeqCst);
                    let found = store.get::<u64>("agents/a").unwrap().unwrap().value;
                    assert!(found >= least, "{found} after {least}");
                }
            });
        }
        for number in 1..=COMMITS {
            let by = if number % 2 == 0 { &store } else { &other };
            put(by, "agents/a", &json!(number));
            committed.store(number, Ordering::SeqCst);
            // So that it is kept for a while.
            thread::sleep(EVERY);
        }
        is_over.store(true, Ordering::SeqCst);
    });
}
