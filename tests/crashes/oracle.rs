//! What must hold after any crash and any fault.

use std::collections::BTreeMap;
use std::sync::Arc;

use docbox::{Limits, Sizes, Start, Store, Transaction, layout};

use crate::history::{Attempt, History, Known, Outcome};
use crate::support::sim::{Disk, ROOT, SimFs};

/// A file of the user's own, which nobody may touch.
pub const NOTES: (&str, &str) = ("/s/notes.txt", "mine");

/// Small files, so that few commits meet everything: segments change, fill is extended.
pub fn limits() -> Limits {
    Limits {
        sizes: Sizes { segment_bytes: 1536, fill_bytes: 512 },
        retain_age: std::time::Duration::ZERO,
        ..Limits::default()
    }
}

/// Opens the store as a process.
pub fn open(process: &Arc<SimFs>) -> docbox::Result<Store> {
    let disk: Arc<dyn docbox::fs::Fs> = process.clone();
    Store::options().disk(disk).limits(limits()).housekeeping(false).open(ROOT)
}

/// A disk with a file of the user's own.
pub fn empty_disk() -> Disk {
    let disk = Disk::new();
    disk.write(NOTES.0, NOTES.1);
    disk.settle();
    disk.fork()
}

/// A disk with an empty store and a file of the user's own, all of it durable.
pub fn disk() -> Disk {
    let disk = empty_disk();
    open(&disk.process()).and_then(|store| store.close()).expect("a store is made");
    disk.settle();
    disk.fork()
}

/// Opens the store on a disk after a crash, and holds everything against what the workload was told.
pub fn check(disk: &Disk, history: &History) {
    let process = disk.process();
    let store = open(&process).unwrap_or_else(|error| panic!("the store opens: {error}"));
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "verify is clean: {:#?}", report.findings);
    let known = history.known();
    let committed = surviving(&store, &known);
    check_documents(&store, &known, &committed);
    check_deliveries(&store, &known, &committed);
    assert_eq!(disk.read(NOTES.0).as_deref(), Some(NOTES.1.as_bytes()), "the user's own file");
    let next = store
        .commit(Transaction::new().put("after/the crash", &1).expect("a transaction"))
        .unwrap_or_else(|error| panic!("the store goes on: {error}"));
    let expected = committed.keys().next_back().map_or(1, |last| last + 1);
    assert_eq!(next.seq(), expected, "the sequence has no gap");
    drop(known);
    store.close().expect("the store closes");
}

/// The commits that are there: by their place, the attempts that they are. Those whose segments were
/// dropped are taken from what was acknowledged.
fn surviving<'a>(store: &Store, known: &'a Known) -> BTreeMap<u64, &'a Attempt> {
    let mut found = BTreeMap::new();
    for event in store.events(Start::Beginning).expect("events") {
        let event = event.expect("every line up to the head is served");
        let attempt = known.attempts.iter().find(|attempt| attempt.kind == event.kind());
        let attempt = attempt.unwrap_or_else(|| panic!("nobody committed {}", event.kind()));
        let before = found.insert(event.position().seq, attempt);
        assert!(before.is_none(), "commit {} is there twice", event.position().seq);
    }
    let oldest = found.keys().next().copied().unwrap_or(u64::MAX);
    for attempt in &known.attempts {
        let there = found.iter().find(|(_, other)| other.kind == attempt.kind).map(|(seq, _)| *seq);
        match attempt.outcome {
            Outcome::Committed(seq) if seq < oldest && there.is_none() => {
                found.insert(seq, attempt);
            }
            Outcome::Committed(seq) => {
                assert_eq!(there, Some(seq), "{} was acknowledged", attempt.kind);
            }
            Outcome::Refused => assert_eq!(there, None, "{} was refused", attempt.kind),
            Outcome::Nothing | Outcome::InDoubt => {}
        }
    }
    for (place, seq) in found.keys().enumerate() {
        assert_eq!(place as u64 + 1, *seq, "the sequence has no gap");
    }
    found
}

fn check_documents(store: &Store, known: &Known, committed: &BTreeMap<u64, &Attempt>) {
    let mut model: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for (key, _) in known.attempts.iter().flat_map(|attempt| &attempt.writes) {
        model.insert(key, None);
    }
    for (key, text) in committed.values().flat_map(|attempt| &attempt.writes) {
        model.insert(key, text.as_deref());
    }
    for (key, text) in model {
        let found = store.get_bytes(key).expect("a document is read");
        assert_eq!(found, text.map(layout::pretty), "document {key}");
    }
}

fn check_deliveries(store: &Store, known: &Known, committed: &BTreeMap<u64, &Attempt>) {
    for (name, delivered) in &known.delivered {
        for (position, kind) in delivered {
            let survives =
                committed.get(&position.seq).is_some_and(|attempt| attempt.kind == *kind);
            assert!(survives, "{name} was given {kind} at {position}, which did not survive");
        }
        let mut subscription = store
            .subscribe(name)
            .from(Start::Beginning)
            .open()
            .unwrap_or_else(|error| panic!("{name} goes on: {error}"));
        let mut seen: Vec<u64> = Vec::new();
        for delivery in subscription.catch_up() {
            let delivery = delivery.unwrap_or_else(|error| panic!("{name} goes on: {error}"));
            seen.push(delivery.event().position().seq);
            delivery.ack().expect("an ack");
        }
        let sorted = seen.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(sorted, "{name} gets events in order: {seen:?}");
        for (seq, attempt) in committed {
            let got = seen.contains(seq) || delivered.values().any(|kind| *kind == attempt.kind);
            assert!(got, "{name} never got {} (commit {seq})", attempt.kind);
        }
    }
}
