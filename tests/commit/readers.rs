//! Readers of files that are replaced, and used again, all the time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

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

/// A way to read a document while it is replaced; the counter tells how often documents were written.
type Look = fn(&Path, &AtomicU64) -> String;

/// Waits until every document was written twice again.
fn wait_for_rewrites(written: &AtomicU64) {
    let seen = written.load(Ordering::Relaxed);
    for _ in 0..1_000 {
        if written.load(Ordering::Relaxed) > seen + 2 * DOCUMENTS as u64 {
            break;
        }
        thread::sleep(Duration::from_micros(100));
    }
}

/// Opens a document, and reads on while it is replaced.
fn read_slowly(path: &Path, written: &AtomicU64) -> String {
    let mut file = File::open(path).expect("the document is there");
    let mut begin = [0; 100];
    file.read_exact(&mut begin).expect("its beginning");
    wait_for_rewrites(written);
    let mut text = String::from_utf8(begin.to_vec()).expect("UTF-8");
    file.read_to_string(&mut text).expect("the rest");
    text
}

/// Maps a document, closes it, and looks at the mapping again once it was replaced.
#[expect(unsafe_code, reason = "a file is mapped; that nobody writes into it is what is tested")]
fn map_and_wait(path: &Path, written: &AtomicU64) -> String {
    let file = File::open(path).expect("the document is there");
    // SAFETY: the bytes would only change if a document in use were written into, which must not happen; then
    // this test fails, or the process ends by SIGBUS.
    let mapping = unsafe { memmap2::Mmap::map(&file) }.expect("a mapping");
    drop(file);
    let seen = mapping[..].to_vec();
    wait_for_rewrites(written);
    assert!(seen == mapping[..], "what is mapped stays as it was");
    String::from_utf8(seen).expect("UTF-8")
}

#[test]
fn a_reader_with_a_file_open_or_mapped_sees_one_whole_version_however_often_it_is_replaced() {
    const WAYS: [Look; 2] = [read_slowly, map_and_wait];
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
                let look = WAYS[reader % WAYS.len()];
                scope.spawn(move || {
                    let mut looks = 0;
                    while looks == 0 || !is_over.load(Ordering::Relaxed) {
                        let document = (reader + looks) % DOCUMENTS;
                        let path = home.path(&format!("hot/{document}.json"));
                        assert_whole(document, &look(&path, written));
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
