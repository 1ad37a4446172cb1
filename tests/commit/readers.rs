//! Readers of files that are replaced, and used again, all the time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use crate::home::{Home, put};

const DOCUMENTS: usize = 4;
const READERS: usize = 4;
/// How often all documents are written; `DOCBOX_REWRITES` says otherwise.
const REWRITES: usize = 600;
/// Longer than a page, so that a version in the making would show.
const LETTERS: usize = 6000;

/// A document that shows in each place which version of which document it is.
fn content(document: usize, version: usize) -> serde_json::Value {
    let mark = format!("{document}.{version};");
    // Of another length each time: files are cut, and grow.
    json!({ "text": mark.repeat((LETTERS + version % 7 * 500) / mark.len()) })
}

/// Whether it is one whole version of this document.
fn assert_whole(document: usize, text: &str) {
    let found: serde_json::Value = serde_json::from_str(text).expect("whole JSON");
    let marks = found["text"].as_str().expect("a text");
    let version = marks.split([';', '.']).nth(1).expect("a version").parse().expect("a number");
    assert!(
        found == content(document, version),
        "document {document}: more than version {version}"
    );
}

/// Opens a document, and reads on while it is replaced.
fn read_slowly(path: &Path, written: &AtomicU64) -> String {
    let mut file = File::open(path).expect("the document is there");
    let mut begin = [0; 100];
    file.read_exact(&mut begin).expect("its beginning");
    let seen = written.load(Ordering::Relaxed);
    for _ in 0..10_000 {
        if written.load(Ordering::Relaxed) > seen + 2 * DOCUMENTS as u64 {
            break;
        }
        thread::yield_now();
    }
    let mut text = String::from_utf8(begin.to_vec()).expect("UTF-8");
    file.read_to_string(&mut text).expect("the rest");
    text
}

#[test]
fn a_reader_with_a_file_open_sees_one_whole_version_however_often_it_is_replaced() {
    let rewrites = std::env::var("DOCBOX_REWRITES").ok().and_then(|text| text.parse().ok());
    let home = Home::new();
    let store = home.still();
    let key = |document: usize| format!("hot/{document}");
    for document in 0..DOCUMENTS {
        put(&store, &key(document), &content(document, 0));
    }
    let (written, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (home, written, is_over) = (&home, &written, &is_over);
                scope.spawn(move || {
                    let mut looks = 0;
                    while looks == 0 || !is_over.load(Ordering::Relaxed) {
                        let document = (reader + looks) % DOCUMENTS;
                        let path = home.path(&format!("hot/{document}.json"));
                        assert_whole(document, &read_slowly(&path, written));
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        for version in 1..=rewrites.unwrap_or(REWRITES) {
            for document in 0..DOCUMENTS {
                put(&store, &key(document), &content(document, version));
                written.fetch_add(1, Ordering::Relaxed);
            }
            if readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let looks: usize = readers.into_iter().map(|reader| reader.join().expect("whole")).sum();
        println!("{looks} looks");
    });
    assert!(store.verify().unwrap().is_clean());
}
