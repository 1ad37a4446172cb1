//! Stories of opening and recovery.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use docbox::fs::{Fs, Kind};
use docbox::{Event, RecordedEvent, Severity, Start, Store, Transaction};

use super::{kill_at, syncs_journal};
use crate::history::History;
use crate::oracle::{check, disk, empty_disk, limits, open};
use crate::support::other::Other;
use crate::support::sim::{Answer, Disk, Op, ROOT, Survival};

#[test]
fn story_06_who_waited_for_a_recovery_that_was_killed_recovers_itself() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    assert!(disk.read("/s/agents/a.json").is_none(), "the document was not durable");
    let waiting = std::thread::scope(|scope| {
        let (one, two) = (disk.process(), disk.process());
        let pid = one.id();
        let outside = disk.clone();
        let second = two.clone();
        // The first dies in mid-recovery, while the second waits for it.
        disk.hook(move |_, call| {
            let place = call.op == Op::Rename && call.path.starts_with("/s/.docbox/spool");
            if !(place && call.process == pid) {
                return Answer::Go;
            }
            while outside.waiting() == 0 {
                std::thread::yield_now();
            }
            Answer::Crash
        });
        let first = scope.spawn(move || open(&one).map(|_| ()));
        while !disk.trace().iter().any(|call| call.process == pid && call.op == Op::Lock) {
            std::thread::yield_now();
        }
        let store = open(&second);
        assert!(first.join().expect("no panic").is_err(), "the first was killed");
        store
    });
    let store = waiting.expect("the second opens");
    assert!(store.get_bytes("agents/a").expect("reads").is_some(), "it recovered");
    disk.unhook();
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn story_07_a_reader_that_is_first_after_a_power_cut_keeps_no_writer_from_recovering() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    let reader = disk.process();
    let tree = disk.tree();
    let options = Store::options().disk(reader).limits(limits());
    let reading = options.open_read_only(ROOT).expect("opens for reading");
    let text = reading.get_bytes("agents/a").expect("reads").expect("served from the journal");
    assert_eq!(text, b"\"one of T0\"\n");
    assert_eq!(disk.tree(), tree, "a reader writes nothing");
    let store = open(&disk.process()).expect("a writer opens");
    assert!(disk.read("/s/agents/a.json").is_some(), "and recovers");
    drop((store, reading));
    check(&disk.fork(), &history);
}

#[test]
fn story_14_of_two_checkpoints_the_slower_never_moves_applied_back() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    let other = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    let slow = {
        let (outside, other) = (disk.clone(), other.clone());
        let done = std::sync::atomic::AtomicBool::new(false);
        move |_: u64, call: &crate::support::sim::Call| {
            // In mid-checkpoint of the one, the other tries too.
            let first = !done.swap(true, Ordering::SeqCst);
            if first && call.is(Op::SyncData, "/s/agents/a.json") {
                assert!(!other.checkpoint().expect("it is busy"), "one at a time");
            } else if first {
                done.store(false, Ordering::SeqCst);
            }
            let _ = &outside;
            Answer::Go
        }
    };
    disk.hook(slow);
    assert!(store.checkpoint().expect("a checkpoint"));
    disk.unhook();
    history.commit(&store, &[("agents/a", Some("two"))]).expect("a commit");
    assert!(other.checkpoint().expect("a checkpoint"));
    assert!(!store.checkpoint().expect("nothing to do"));
    assert_eq!(store.status().expect("a status").applied, Some(2));
    drop((store, other));
    check(&disk.fork(), &history);
}

#[test]
fn story_21_a_forked_child_cannot_commit() {
    let disk = disk();
    let process = disk.process();
    let forked = Arc::new(Other::forking(process));
    let door: Arc<dyn Fs> = forked.clone();
    let options = Store::options().disk(door).limits(limits()).housekeeping(false);
    let store = options.open(ROOT).expect("opens");
    store.commit(Transaction::new().put("a", &1).expect("a document")).expect("the parent commits");
    forked.be_the_child();
    let error = store
        .commit(Transaction::new().put("a", &2).expect("a document"))
        .expect_err("the child does not");
    assert!(error.to_string().contains("fork"), "{error}");
    assert_eq!(disk.read("/s/a.json").expect("there"), b"1\n");
}

#[test]
fn story_24_after_a_kill_without_a_power_cut_no_edit_by_hand_is_undone() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    disk.write("/s/agents/a.json", "\"mine\"\n");
    // Killed: no close, no checkpoint; `applied` is far behind.
    let disk = disk.fork();
    let store = open(&disk.process()).expect("opens");
    assert_eq!(store.get_bytes("agents/a").expect("reads").expect("there"), b"\"mine\"\n");
}

#[test]
fn where_the_page_cache_cannot_be_known_again_all_that_is_found_is_made_durable() {
    // The second is too long for what is left of the segment: a new one is made, and synced, before.
    for (text, syncs_before) in [("two".to_owned(), 0), ("x".repeat(1400), 1)] {
        let (disk, history) = (disk(), History::default());
        let unknowing = || -> Store {
            let door: Arc<dyn Fs> = Arc::new(Other::unknowing(disk.process()));
            let options = Store::options().disk(door).limits(limits()).housekeeping(false);
            options.open(ROOT).expect("opens")
        };
        let store = unknowing();
        history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
        // The sync of the line fails, and its writer dies.
        let syncs = AtomicU64::new(0);
        disk.hook(move |_, call| {
            match syncs.fetch_add(syncs_journal(call).into(), Ordering::SeqCst) {
                before if before > syncs_before => Answer::Crash,
                before if before == syncs_before && syncs_journal(call) => Answer::FailOs(5),
                _ => Answer::Go,
            }
        });
        let _ = history.commit(&store, &[("agents/a", Some(&text))]);
        disk.unhook();
        let store = unknowing();
        history.deliver(&store, "ui").expect("it delivers");
        assert_eq!(history.known().acked["ui"], ["T0", "T1"], "what was found counts");
        disk.power_cut_with(Survival::NOTHING);
        check(&disk, &history);
    }
}

#[test]
fn an_edit_that_a_redo_after_a_power_cut_replaces_is_kept_aside() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    disk.write("/s/agents/a.json", "\"mine\"\n");
    disk.power_cut_with(Survival::EVERYTHING);
    let store = open(&disk.process()).expect("opens");
    assert_eq!(store.get_bytes("agents/a").expect("reads").expect("there"), b"\"one of T0\"\n");
    let kept = disk.tree().into_iter().filter_map(|(path, _)| {
        path.starts_with("/s/.docbox/recovered").then(|| disk.read(path)).flatten()
    });
    assert_eq!(kept.collect::<Vec<_>>(), [b"\"mine\"\n"]);
}

#[test]
fn a_store_whose_maker_died_before_its_name_was_durable_is_made_so_by_the_next() {
    let disk = empty_disk();
    let history = History::default();
    let renamed = std::sync::atomic::AtomicBool::new(false);
    kill_at(&disk, move |call| {
        let put =
            call.op == Op::Rename && call.to.as_deref().is_some_and(|to| to.ends_with(".docbox"));
        renamed.fetch_or(put, Ordering::SeqCst);
        !put && renamed.load(Ordering::SeqCst)
    });
    assert!(open(&disk.process()).is_err(), "its maker died");
    disk.unhook();
    let store = open(&disk.process()).expect("the next one finds it");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

#[test]
fn another_line_than_the_registers_name_is_corruption() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    store.close().expect("closes");
    // The journal of a store whose first commit was another.
    let other = crate::oracle::disk();
    let another = open(&other.process()).expect("opens");
    History::default().commit(&another, &[("agents/b", Some("two"))]).expect("a commit");
    let segment = super::segment(1);
    disk.write(&segment, other.read(&segment).expect("the segment"));
    for survival in [None, Some(Survival::EVERYTHING)] {
        let disk = disk.fork();
        if let Some(survival) = survival {
            disk.power_cut_with(survival);
        }
        let error = open(&disk.process()).expect_err("damage");
        assert!(error.to_string().contains("another one"), "{error}");
    }
}

#[test]
fn a_journal_that_was_restored_from_an_older_copy_is_gone_on_with() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    let segment = super::segment(1);
    let older = disk.read(&segment).expect("the segment");
    history.commit(&store, &[("agents/a", Some("two"))]).expect("a commit");
    store.close().expect("closes");
    disk.write(&segment, older);
    let store = open(&disk.process()).expect("opens, and says what it found");
    assert_eq!(store.status().expect("a status").head, 1);
    let seq = history.commit(&store, &[("agents/b", Some("three"))]).expect("goes on");
    assert_eq!(seq, 2);
}

#[test]
fn a_journal_whose_newest_segment_was_emptied_is_gone_on_with_as_one_chain() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..12 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    store.close().expect("closes");
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|it| it == "jsonl");
    let newest = disk.tree().into_iter().map(|(path, _)| path).filter(is_segment).max();
    disk.write(newest.expect("a segment"), "");
    let store = open(&disk.process()).expect("opens, and says what it found");
    let end = store.status().expect("a status").head;
    assert!(end > 0 && end < 12, "{end}");
    let commit = store.commit(Transaction::new().emit(Event::bare("After"))).expect("goes on");
    assert_eq!(commit.seq(), end + 1);
    let events: Result<Vec<_>, _> = store.events(Start::Beginning).expect("events").collect();
    let events = events.expect("each line continues the one before");
    assert_eq!(events.len() as u64, end + 1);
    assert!(events.is_sorted_by_key(RecordedEvent::time), "time never goes back");
    let worst = store.verify().expect("verify reads").worst();
    assert!(worst < Some(Severity::Damage), "{worst:?}");
}

#[test]
fn a_filesystem_whose_locks_let_everybody_in_is_refused() {
    let made = disk();
    made.let_everybody_lock();
    let error = open(&made.process()).expect_err("two holders have one lock");
    assert!(error.to_string().contains("put the store on a local filesystem"), "{error}");
    let empty = empty_disk();
    empty.let_everybody_lock();
    open(&empty.process()).expect_err("no store is made there either");
}

#[test]
fn empty_folders_that_a_backup_left_out_are_made_again() {
    let (disk, history) = (disk(), History::default());
    for folder in ["spool", "recovered", "dead", "cursors"] {
        disk.remove(format!("/s/.docbox/{folder}"));
    }
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn a_store_that_was_copied_here_is_as_durable_as_what_is_committed_to_it() {
    let (original, history) = (disk(), History::default());
    let store = open(&original.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one")), ("agents/b", Some("one"))]).expect("one");
    store.checkpoint().expect("a checkpoint: nothing of this is to be redone");
    history.commit(&store, &[("agents/a", Some("two"))]).expect("two");
    drop(store);
    let disk = copy(&original);
    let door: Arc<dyn Fs> = Arc::new(Other::syncing(&disk));
    let options = Store::options().disk(door).limits(limits()).housekeeping(false);
    let store = options.open(ROOT).expect("the copy opens");
    history.commit(&store, &[("agents/c", Some("three"))]).expect("a commit");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

/// What `cp -r` leaves: everything is there, and nothing is durable.
fn copy(original: &Disk) -> Disk {
    let disk = Disk::new();
    for (path, kind) in original.tree() {
        match kind {
            Kind::Dir => disk.create_dirs(path),
            Kind::Other => disk.symlink("../notes.txt", path),
            Kind::File => disk.write(&path, original.read(&path).expect("a file")),
        }
    }
    disk
}
