//! What must hold after any crash and any fault.

mod deliveries;
mod documents;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docbox::{Limits, Sizes, Start, Store, Transaction};

use crate::beginnings::{self, check_own_files};
use crate::history::{Attempt, History, Known, Outcome};
use crate::support::sim::{Disk, ROOT, SimFs, Survival};

/// What the oracle itself commits.
const AFTER: &str = "after/the crash";

/// Small files, so that few commits meet everything: segments change, fill is extended.
pub fn limits() -> Limits {
    Limits {
        sizes: Sizes { segment_bytes: 1536, fill_bytes: 512 },
        retain_age: Duration::ZERO,
        // The simulated disk's clock stands still but for what is done, and no two writes have one time.
        spool_age: Duration::ZERO,
        settled: Duration::ZERO,
        ..Limits::default()
    }
}

/// Opens the store as a process.
pub fn open(process: &Arc<SimFs>) -> docbox::Result<Store> {
    let disk: Arc<dyn docbox::fs::Fs> = process.clone();
    Store::options().disk(disk).limits(limits()).housekeeping(false).open(ROOT)
}

/// A disk with an empty store and files of the user's own, all of it durable.
pub fn disk() -> Disk {
    beginnings::new_store().0
}

/// A disk with files of the user's own.
pub fn empty_disk() -> Disk {
    beginnings::empty().0
}

/// Opens the store on a disk after a crash, which may have been a power cut, and holds everything against
/// what the workload was told.
pub fn check(disk: &Disk, history: &History) {
    let history = history.fork();
    history.note_power_cut();
    check_all(disk, &history);
}

/// The same; every power cut is noted in the history.
pub fn check_all(disk: &Disk, history: &History) {
    let store = open(&disk.process()).unwrap_or_else(|error| panic!("the store opens: {error}"));
    let known = history.known();
    let committed = check_store(disk, &store, &known);
    deliveries::check(&store, &known, &committed);
    let next = store
        .commit(Transaction::new().put(AFTER, &1).expect("a transaction"))
        .unwrap_or_else(|error| panic!("the store goes on: {error}"));
    let expected = committed.keys().next_back().map_or(1, |last| last + 1);
    assert_eq!(next.seq(), expected, "the sequence has no gap");
    check_own_files(disk, |key| key == AFTER || is_document(&known, key));
    store.close().expect("the store closes");
}

/// What was checked on a disk stays so, whatever is lost in one more power cut; and nothing that was
/// settled comes again, for the store was closed.
pub fn check_again(disk: &Disk, history: &History) {
    let disk = disk.fork();
    disk.power_cut_with(Survival::NOTHING);
    let store = open(&disk.process()).unwrap_or_else(|error| panic!("the store opens: {error}"));
    assert!(store.get::<u32>(AFTER).expect("it reads").is_some(), "the last commit is lost");
    let known = history.known();
    check_store(&disk, &store, &known);
    for name in known.delivered.keys() {
        let Some(again) = deliveries::take_again(&store, &known, name) else { continue };
        assert!(again.is_empty(), "{name} settled {again:?} before the store was closed");
    }
}

/// Everything but the deliveries; the commits that are there.
fn check_store<'a>(disk: &Disk, store: &Store, known: &'a Known) -> BTreeMap<u64, &'a Attempt> {
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "verify is clean: {:#?}", report.findings);
    let committed = surviving(store, known);
    for kind in &known.seen {
        let survives = committed.values().any(|attempt| attempt.kind == *kind);
        assert!(survives, "{kind} was seen, and did not survive");
    }
    documents::check(store, known, &committed);
    check_own_files(disk, |key| key == AFTER || is_document(known, key));
    committed
}

fn is_document(known: &Known, key: &str) -> bool {
    known.attempts.iter().flat_map(|attempt| &attempt.writes).any(|(other, _)| other == key)
}

/// The commits that are there: by their place, the attempts that they are. Those whose segments were
/// dropped are taken from what was acknowledged.
fn surviving<'a>(store: &Store, known: &'a Known) -> BTreeMap<u64, &'a Attempt> {
    let mut found = BTreeMap::new();
    let mut events = BTreeMap::<u64, usize>::new();
    for event in store.events(Start::Beginning).expect("events") {
        let event = event.expect("every line up to the head is served");
        let attempt = known.attempts.iter().find(|attempt| attempt.kind == event.kind());
        let attempt = attempt.unwrap_or_else(|| panic!("nobody committed {}", event.kind()));
        let (seq, idx) = (event.position().seq, event.position().idx as usize);
        let count = events.entry(seq).or_default();
        assert_eq!(idx, *count, "the events of commit {seq} are in order");
        *count += 1;
        let before = found.insert(seq, attempt);
        assert!(before.is_none_or(|before| before.kind == attempt.kind), "commit {seq} is mixed");
    }
    for (seq, attempt) in &found {
        assert_eq!(events[seq], attempt.events, "commit {seq} is there whole");
    }
    let kept = store.status().expect("a status").oldest;
    let oldest = found.keys().next().copied().unwrap_or(kept);
    for attempt in &known.attempts {
        let mut there = found.iter().filter(|(_, other)| other.kind == attempt.kind);
        let (there, twice) = (there.next().map(|(seq, _)| *seq), there.next());
        assert!(twice.is_none(), "{} is there twice", attempt.kind);
        match attempt.outcome {
            Outcome::Committed(seq) if seq < oldest && there.is_none() => {
                found.insert(seq, attempt);
            }
            Outcome::Committed(seq) => {
                assert_eq!(there, Some(seq), "{} was acknowledged", attempt.kind);
            }
            Outcome::Refused => assert_eq!(there, None, "{} was refused", attempt.kind),
            Outcome::Nothing | Outcome::InDoubt(_) => {}
        }
    }
    fill_in(&mut found, known, oldest);
    for (place, seq) in found.keys().enumerate() {
        assert_eq!(place as u64 + 1, *seq, "the sequence has no gap");
    }
    found
}

/// Of the commits that were dropped with their segments, those of which nobody heard that they are
/// commits. They were tried in the order in which they are commits.
fn fill_in<'a>(found: &mut BTreeMap<u64, &'a Attempt>, known: &'a Known, oldest: u64) {
    for seq in 1..oldest {
        if found.contains_key(&seq) {
            continue;
        }
        let after = seq.checked_sub(1).and_then(|before| found.get(&before));
        let first = after.map_or(0, |before| before.index + 1);
        let candidate = known.attempts[first..].iter().find(|attempt| match attempt.outcome {
            Outcome::Nothing => true,
            Outcome::InDoubt(in_doubt) => in_doubt == seq,
            Outcome::Committed(_) | Outcome::Refused => false,
        });
        if let Some(candidate) = candidate {
            found.insert(seq, candidate);
        }
    }
}
