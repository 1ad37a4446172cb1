//! Stories of segments that are archived: in the archive, durably, before they go from the journal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use docbox::{Result, Retain, Store};

use crate::history::History;
use crate::oracle::{check, disk, limits, open};
use crate::support::sim::{Answer, Call, Disk, Fate, Op, ROOT, SimFs, Survival, crash_at};

use super::delivery::is_locked;
use super::{Mishap, at_each_change};

const COMMITS: u64 = 30;

/// A store with an archive and more in its journal than it keeps, all of it durable.
fn filled() -> (Disk, History) {
    let (disk, history) = (disk(), History::default());
    disk.create_dirs("/archives/now");
    let retain = Retain::new().age(Duration::ZERO).archive("/archives/now");
    let options = Store::options().disk(disk.process()).limits(limits()).housekeeping(false);
    let store = options.retain(retain).open(ROOT).expect("opens");
    for _ in 0..COMMITS {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    store.checkpoint().expect("a checkpoint");
    drop(store);
    disk.settle();
    (disk.fork(), history)
}

fn retain(process: &Arc<SimFs>) -> Result<usize> {
    open(process)?.retain()
}

/// The commits that are whole in a file of one of these folders.
fn commits(disk: &Disk) -> BTreeSet<u64> {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|it| it == "jsonl");
    let files = disk.tree().into_iter().map(|(path, _)| path).filter(is_segment);
    let mut found = BTreeSet::new();
    for path in files {
        let bytes = disk.read(&path).unwrap_or_default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| line.len() > 18) {
            let crc = format!("{{\"crc\":\"{:08x}\",", crc32fast::hash(&line[18..]));
            if line.starts_with(crc.as_bytes()) {
                let line: serde_json::Value = serde_json::from_slice(line).expect("a record");
                found.insert(line["seq"].as_u64().expect("a seq"));
            }
        }
    }
    found
}

fn is_all_there(disk: &Disk, what: &str) {
    assert_eq!(commits(disk), (1..=COMMITS).collect(), "{what}");
}

/// Everything that may be left, and what the next to open it makes of that.
fn look(disk: &Disk, history: &History, what: &str) {
    is_all_there(disk, what);
    let again = disk.fork();
    retain(&again.process()).expect("it is done now");
    again.power_cut_with(Survival::NOTHING);
    is_all_there(&again, &format!("{what}, done by another process, power cut"));
    let corners = [Survival::NOTHING, Survival::EVERYTHING];
    let dice = (0..6).map(|seed| Survival { entries: Fate::Dice, ..Survival::dice(seed) });
    for (number, survival) in corners.into_iter().chain(dice).enumerate() {
        let disk = disk.fork();
        disk.power_cut_with(survival);
        let what = format!("{what}, power cut {number}");
        is_all_there(&disk, &what);
        check(&disk.fork(), history);
        let store = open(&disk.process()).expect("opens");
        store.retain().expect("it is done now");
        is_all_there(&disk, &what);
    }
}

/// Retention meets something at each call that changes anything.
fn look_at_each_change(mishap: Mishap) {
    let (base, history) = filled();
    assert!(retain(&base.fork().process()).expect("as it is") > 2);
    at_each_change(&base, mishap, retain, |disk, what| look(disk, &history, what));
}

#[test]
fn a_segment_is_in_the_archive_before_it_goes_wherever_it_is_cut() {
    look_at_each_change(Mishap::Killed);
}

#[test]
fn a_segment_is_in_the_archive_before_it_goes_whatever_fails() {
    look_at_each_change(Mishap::Failed);
}

#[test]
fn an_archive_that_is_gone_holds_nobody_up_and_loses_nothing() {
    let (base, history) = filled();
    let dry = base.fork();
    retain(&dry.process()).expect("without a crash");
    // Killed when the first was to be removed: it is decided, and in the archive.
    let calls = dry.trace();
    let is_removal =
        |call: &&Call| call.op == Op::RemoveFile && call.path.starts_with("/s/.docbox/journal");
    let at = calls.iter().position(|call| is_removal(&call)).expect("a removal") as u64;
    base.hook(crash_at(at));
    retain(&base.process()).expect_err("it dies");
    base.unhook();
    for (path, _) in base.tree() {
        if path.starts_with("/archives/now") && path.extension().is_some() {
            base.remove(&path);
        }
    }
    base.rename("/archives/now", "/archives/then");
    let disk = base.fork();
    disk.power_cut_with(Survival::EVERYTHING);
    check(&disk.fork(), &history);
    open(&disk.process()).expect("opens");
    let kept = disk.tree().into_iter().filter(|(path, _)| path.starts_with("/s/.docbox/recovered"));
    assert!(kept.count() > 1, "what could not be archived was kept aside");
}

#[test]
fn nobody_waits_for_a_segment_to_be_archived_or_removed() {
    let (base, history) = filled();
    let store = open(&base.process()).expect("opens");
    let other = open(&base.process()).expect("opens");
    let (made, inside) = (Arc::new(AtomicU64::new(0)), AtomicBool::new(false));
    let (held, noted) = (base.clone(), history.fork());
    let (outside, counted) = (other.clone(), Arc::clone(&made));
    // Whenever something is written to the archive, or removed from the journal, another process commits.
    base.hook(move |_, call| {
        let is_dropping = call.path.starts_with("/archives/now") && call.op.changes()
            || call.op == Op::RemoveFile && call.path.starts_with("/s/.docbox/journal");
        if is_dropping && !inside.swap(true, SeqCst) {
            assert!(!is_locked(&held), "commits wait at {call}");
            noted.commit(&outside, &[("agents/b", Some("b"))]).expect("a commit");
            counted.fetch_add(1, SeqCst);
            inside.store(false, SeqCst);
        }
        Answer::Go
    });
    assert!(store.retain().expect("retention") > 2);
    base.unhook();
    let committed = made.load(SeqCst);
    drop(other);
    assert!(committed > 10, "{committed}");
    assert_eq!(commits(&base), (1..=COMMITS + committed).collect());
}
