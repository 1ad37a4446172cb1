//! Stories of documents that are read again and again, while others commit and edit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use docbox::Store;
use docbox::fs::Open;

use crate::oracle::{disk, open};
use crate::support::sim::{Answer, Disk, Op};

const FILE: &str = "/s/agents/a.json";

fn put(store: &Store, value: u64) {
    let transaction = docbox::Transaction::new().put("agents/a", &value).expect("a transaction");
    store.commit(transaction).expect("a commit");
}

fn get(store: &Store) -> u64 {
    store.get("agents/a").expect("it reads").expect("a document").value
}

/// What is read, and by which calls.
fn calls(disk: &Disk, store: &Store) -> (u64, Vec<Op>) {
    disk.take_trace();
    let value = get(store);
    (value, disk.take_trace().into_iter().map(|call| call.op).collect())
}

#[test]
fn a_document_that_is_read_often_is_read_by_one_call_as_long_as_its_file_is_as_it_was() {
    const READ: Op = Op::Open(Open::Read);
    let disk = disk();
    let (store, other) = (open(&disk.process()).expect("opens"), open(&disk.process()));
    let other = other.expect("opens");
    put(&store, 1);
    assert_eq!(
        calls(&disk, &store),
        (1, vec![READ, Op::ReadAt, Op::Stat]),
        "it may be the last time"
    );
    assert_eq!(calls(&disk, &store), (1, vec![READ, Op::HasNoWriter, Op::ReadAt, Op::Stat]));
    assert_eq!(calls(&disk, &store), (1, vec![Op::StatStrict]));
    put(&other, 2);
    let again = vec![Op::StatStrict, READ, Op::HasNoWriter, Op::ReadAt, Op::Stat];
    assert_eq!(calls(&disk, &store), (2, again.clone()));
    assert_eq!(calls(&disk, &store), (2, vec![Op::StatStrict]));
    disk.write(FILE, b"3\n");
    assert_eq!(calls(&disk, &store), (3, again));
    assert_eq!(calls(&disk, &store), (3, vec![Op::StatStrict]));
    // Somebody has it open for writing: it is read each time.
    let writing = docbox::fs::Fs::open(&*disk.process(), FILE.as_ref(), Open::Write);
    disk.write(FILE, b"4\n");
    assert_eq!(get(&store), 4);
    assert_eq!(calls(&disk, &store), (4, vec![READ, Op::HasNoWriter, Op::ReadAt, Op::Stat]));
    drop(writing);
}

#[test]
fn a_document_that_was_kept_is_as_its_file_at_any_call_of_a_commit_of_another() {
    for by_hand in [false, true] {
        let (disk, looks) = (disk(), Arc::new(AtomicU64::new(0)));
        let [reading, committing] = [disk.process(), disk.process()];
        let (store, other) = (open(&reading).expect("opens"), open(&committing).expect("opens"));
        for value in 1..=3 {
            put(&other, 10 * value);
            let _ = (get(&store), get(&store));
            let (outside, counted, reader) = (disk.clone(), Arc::clone(&looks), store.clone());
            let process = committing.id();
            disk.hook(move |index, call| {
                // What nobody else can open just now is not looked at.
                if call.process == process && !outside.is_leased(FILE) {
                    if by_hand && index % 3 == 0 {
                        outside.write(FILE, format!("{index}\n").as_bytes());
                    }
                    let text = outside.read(FILE).expect("a file");
                    let text = String::from_utf8(text).expect("a number");
                    assert_eq!(get(&reader).to_string(), text.trim(), "before {call}");
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                Answer::Go
            });
            put(&other, 10 * value + 1);
            disk.unhook();
        }
        assert!(looks.load(Ordering::SeqCst) > 30, "{looks:?} looks");
    }
}
