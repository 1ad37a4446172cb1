//! Stories of documents that are edited by hand while they are committed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use docbox::fs::{Fs, Kind, Open};
use docbox::{Store, Transaction};

use super::puts_in_place;
use super::spool::{displaced, twice};
use crate::history::History;
use crate::oracle::{check, disk, open};
use crate::support::sim::{Answer, Call, Disk, Op, crash_at};

const DOCUMENT: &str = "/s/agents/a.json";
const SPOOL: &str = "/s/.docbox/spool";
const MINE: &[u8] = b"\"mine\"\n";

/// As most editors do it: a new file, renamed over.
fn edit_by_rename(disk: &Disk) {
    disk.write("/s/.new", MINE);
    disk.rename("/s/.new", DOCUMENT);
}

/// As a shell does it: the same file, written anew.
fn edit_in_place(disk: &Disk) {
    disk.write(DOCUMENT, MINE);
}

/// Whether the edit lies anywhere but in the spool, where it may be written over, or a line says that it
/// replaced it: then whoever committed saw it.
fn is_kept(disk: &Disk) -> bool {
    let revision = docbox::Revision::of(MINE).to_string();
    let segment = disk.read(super::segment(1)).expect("the segment");
    let is_mine = |path: &PathBuf| disk.read(path).is_some_and(|bytes| bytes == MINE);
    String::from_utf8_lossy(&segment).contains(&format!("\"was\":\"{revision}\""))
        || disk.tree().iter().any(|(path, _)| !path.starts_with(SPOOL) && is_mine(path))
}

/// Commits, with an edit at the `at`th call of it; whether there were so many.
fn commit_with_edit_at(
    at: u64,
    (disk, history, store): (&Disk, &History, &Store),
    text: Option<&str>,
    edit: fn(&Disk),
) -> bool {
    let (outside, begun) = (disk.clone(), disk.calls());
    let edited = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&edited);
    disk.hook(move |index, _| {
        // Nobody can open a file in whose making the store is; then it is edited a moment later.
        let is_due = index >= begun + at && !outside.is_leased(DOCUMENT);
        if is_due && !note.swap(true, Ordering::SeqCst) {
            edit(&outside);
        }
        Answer::Go
    });
    history.commit(store, &[("agents/a", text)]).expect("a commit");
    disk.unhook();
    edited.load(Ordering::SeqCst)
}

#[test]
fn story_23_an_edit_at_any_call_of_a_commit_is_kept() {
    let (base, history, store) = twice();
    drop(store);
    for text in [Some("three"), None] {
        let mut at = 0;
        loop {
            let (disk, history) = (base.fork(), history.fork());
            let store = open(&disk.process()).expect("opens");
            if !commit_with_edit_at(at, (&disk, &history, &store), text, edit_by_rename) {
                break;
            }
            drop(store);
            assert!(is_kept(&disk), "call {at}, {text:?}");
            at += 1;
        }
        assert!(at > 10, "{at} calls");
    }
}

#[test]
fn an_edit_in_place_at_any_call_of_a_commit_is_kept_or_read() {
    let (base, history, store) = twice();
    drop(store);
    // A document that this process has put in place before need not be read by it.
    for is_known in [false, true] {
        for text in [Some("three"), None] {
            let mut at = 0;
            loop {
                let (disk, history) = (base.fork(), history.fork());
                let store = open(&disk.process()).expect("opens");
                if is_known {
                    history.commit(&store, &[("agents/a", Some("known"))]).expect("a commit");
                }
                if !commit_with_edit_at(at, (&disk, &history, &store), text, edit_in_place) {
                    break;
                }
                assert!(is_kept(&disk), "call {at}, {text:?}, known: {is_known}");
                history.commit(&store, &[("agents/a", Some("four"))]).expect("a commit");
                assert!(is_kept(&disk), "and the next commit: call {at}, {text:?}, {is_known}");
                at += 1;
            }
            assert!(at > 10, "{at} calls");
        }
    }
}

/// Commits to a document that is edited at the last moment, and dies once names have changed places.
fn die_once_exchanged(disk: &Disk, history: &History, text: &str) {
    let outside = disk.clone();
    let exchanged = AtomicBool::new(false);
    let store = open(&disk.process()).expect("opens");
    disk.hook(move |_, call| {
        if exchanged.load(Ordering::SeqCst) {
            return Answer::Crash;
        }
        if puts_in_place(call) {
            assert_eq!(call.op, Op::Exchange, "it is replaced by exchange");
            edit_by_rename(&outside);
            exchanged.store(true, Ordering::SeqCst);
        }
        Answer::Go
    });
    history.commit(&store, &[("agents/a", Some(text))]).expect_err("it dies");
    disk.unhook();
}

fn recovered(disk: &Disk) -> Vec<Vec<u8>> {
    let kept = disk.tree().into_iter().filter_map(|(path, _): (PathBuf, Kind)| {
        path.starts_with("/s/.docbox/recovered").then(|| disk.read(path)).flatten()
    });
    kept.collect()
}

/// Whoever comes next keeps the edit that the dead writer displaced.
fn assert_kept_by_the_next(disk: &Disk, history: &History) {
    assert_ne!(disk.read(DOCUMENT).expect("the document"), MINE, "it is displaced");
    let next = open(&disk.process()).expect("opens");
    history.commit(&next, &[("agents/a", Some("last"))]).expect("a commit");
    assert_eq!(recovered(disk), [MINE]);
    drop(next);
    check(&disk.fork(), history);
}

#[test]
fn an_edit_that_a_dead_writer_displaced_and_did_not_look_at_is_kept() {
    for is_alone in [false, true] {
        let (disk, history, store) = twice();
        let others = (!is_alone).then_some(store);
        die_once_exchanged(&disk, &history, "three");
        assert_kept_by_the_next(&disk, &history);
        drop(others);
    }
}

#[test]
fn an_edit_that_a_new_file_displaced_as_its_writer_died_is_kept() {
    for is_alone in [false, true] {
        let (disk, history, store) = twice();
        // Somebody reads the file that was displaced, so that it cannot be used again.
        let reader = disk.process();
        let held = reader.open(&displaced(&disk), Open::Read).expect("opens");
        let others = (!is_alone).then_some(store);
        disk.take_trace();
        die_once_exchanged(&disk, &history, "three");
        let is_new = |call: &Call| call.op == Op::CreateTemp && call.path.starts_with(SPOOL);
        assert!(disk.trace().iter().any(is_new), "a new file is put in place");
        assert_kept_by_the_next(&disk, &history);
        drop((others, held));
    }
}

/// Whether a call is the very one that puts `agents/a` in place by a rename, or removes it: of the instant
/// before it docs/guarantees.md speaks.
fn is_the_instant(call: &Call) -> bool {
    let is_document = |path: &Path| path == Path::new(DOCUMENT);
    match call.op {
        Op::Rename => call.to.as_deref().is_some_and(is_document),
        Op::RemoveFile => is_document(&call.path),
        _ => false,
    }
}

/// At each call of whatever is done the document is edited. Nowhere is the edit lost but in that instant, of which
/// there may be so many.
fn edit_at_any_call(base: &Disk, what: &str, most: usize, act: impl Fn(&Disk)) {
    let (mut at, mut lost) = (0, 0);
    loop {
        let disk = base.fork();
        let outside = disk.clone();
        let edited = Arc::new(AtomicBool::new(false));
        let note = Arc::clone(&edited);
        disk.hook(move |index, _| {
            if index == at {
                edit_by_rename(&outside);
                note.store(true, Ordering::SeqCst);
            }
            Answer::Go
        });
        act(&disk);
        disk.unhook();
        if !edited.load(Ordering::SeqCst) {
            break;
        }
        let call = disk.trace()[usize::try_from(at).expect("small")].clone();
        if !is_kept(&disk) {
            assert!(is_the_instant(&call), "{what}, call {at}: {call}");
            lost += 1;
        }
        at += 1;
    }
    assert!(at > 10 && lost <= most, "{what}: {at} calls, {lost} edits lost");
}

#[test]
fn story_23_an_edit_at_any_call_but_the_rename_is_kept_where_documents_are_renamed() {
    let (base, history, store) = twice();
    drop(store);
    base.leave_only_renames();
    for text in [Some("three"), None] {
        edit_at_any_call(&base, &format!("{text:?}"), 1, |disk| {
            let store = open(&disk.process()).expect("opens");
            history.fork().commit(&store, &[("agents/a", text)]).expect("a commit");
        });
    }
}

/// A commit that its writer, who died, did not put in place.
fn left_behind(text: Option<&str>) -> Disk {
    let (disk, history, store) = twice();
    super::kill_at(&disk, puts_in_place);
    history.commit(&store, &[("agents/a", text)]).expect_err("it dies");
    disk.unhook();
    disk.fork()
}

fn cut_power(disk: &Disk) {
    disk.settle();
    disk.power_cut(1);
}

/// The document is edited at any call of whoever rolls forward what was left behind.
fn edit_as_it_is_rolled_forward(most: usize, prepare: fn(&Disk)) {
    for text in [Some("three"), None] {
        let base = left_behind(text);
        prepare(&base);
        edit_at_any_call(&base, &format!("{text:?}"), most, |disk| {
            drop(open(&disk.process()).expect("opens, and rolls forward"));
        });
    }
}

#[test]
fn an_edit_at_any_call_of_a_roll_forward_is_kept() {
    edit_as_it_is_rolled_forward(0, |_| {});
}

#[test]
fn an_edit_at_any_call_of_a_redo_after_a_power_cut_is_kept() {
    edit_as_it_is_rolled_forward(0, cut_power);
}

#[test]
fn an_edit_at_any_call_of_a_roll_forward_but_the_rename_is_kept_where_documents_are_renamed() {
    edit_as_it_is_rolled_forward(1, Disk::leave_only_renames);
}

/// Documents that nobody has written before are edited as they are committed, or put in place by recovery.
fn edit_new_documents(most: usize, prepare: fn(&Disk)) {
    let (base, history) = (disk(), History::default());
    let store = open(&base.process()).expect("opens");
    history.commit(&store, &[("agents/b", Some("beside it"))]).expect("a commit");
    drop(store);
    prepare(&base);
    edit_at_any_call(&base.fork(), "committed", most, |disk| {
        let store = open(&disk.process()).expect("opens");
        history.fork().commit(&store, &[("agents/a", Some("new"))]).expect("a commit");
    });
    let store = open(&base.process()).expect("opens");
    super::kill_at(&base, puts_in_place);
    history.commit(&store, &[("agents/a", Some("new"))]).expect_err("it dies");
    base.unhook();
    edit_at_any_call(&base.fork(), "rolled forward", most, |disk| {
        drop(open(&disk.process()).expect("opens, and rolls forward"));
    });
}

#[test]
fn an_edit_at_any_call_of_putting_a_new_document_in_place_is_kept() {
    edit_new_documents(0, |_| {});
}

#[test]
fn an_edit_at_any_call_of_a_new_document_but_the_rename_is_kept_where_documents_are_renamed() {
    edit_new_documents(1, Disk::leave_only_renames);
}

#[test]
fn what_recovery_displaces_is_not_used_again() {
    for is_cut in [false, true] {
        for text in [Some("three"), None] {
            let disk = left_behind(text);
            // Only what recovery itself displaces.
            disk.remove(displaced(&disk));
            if is_cut {
                cut_power(&disk);
            }
            let store = open(&disk.process()).expect("opens, and puts it in place");
            assert_eq!(disk.read(DOCUMENT).is_some(), text.is_some());
            let spooled = |(path, _): &(PathBuf, Kind)| path.parent() == Some(Path::new(SPOOL));
            assert_eq!(disk.tree().into_iter().find(spooled), None, "{text:?}, cut: {is_cut}");
            drop(store);
        }
    }
}

/// Whoever commits the last is killed at each call, and whoever rolls that forward at each call: nothing was edited,
/// so nothing is kept.
fn kill_twice(what: &str, texts: &[Option<&str>]) {
    let (last, before) = texts.split_last().expect("a commit");
    let commit = |store: &Store, text: Option<&str>| {
        let transaction = Transaction::new();
        store.commit(match text {
            Some(text) => transaction.put("agents/a", text).expect("a document"),
            None => transaction.remove("agents/a").expect("a document"),
        })
    };
    let (mut first, mut states) = (0, 0);
    loop {
        let disk = disk();
        let store = open(&disk.process()).expect("opens");
        for text in before {
            commit(&store, *text).expect("a commit");
        }
        disk.hook(crash_at(disk.calls() + first));
        let is_whole = commit(&store, *last).is_ok();
        disk.unhook();
        drop(store);
        let mut second = 0;
        loop {
            let disk = disk.fork();
            disk.hook(crash_at(disk.calls() + second));
            let is_open = open(&disk.process()).is_ok();
            disk.unhook();
            drop(open(&disk.process()).expect("opens"));
            assert_eq!(recovered(&disk), [b""; 0], "{what}: killed at calls {first} and {second}");
            states += 1;
            second += 1;
            if is_open {
                break;
            }
        }
        if is_whole {
            break;
        }
        first += 1;
    }
    assert!(states > 100, "{what}: {states} states");
}

#[test]
fn nothing_but_edits_is_kept_aside_however_often_somebody_is_killed() {
    kill_twice("a new version", &[Some("one"), Some("two"), Some("three")]);
    kill_twice("the same version", &[Some("one"), Some("two"), Some("two")]);
    kill_twice("made anew", &[Some("one"), Some("two"), None, Some("three")]);
    kill_twice("deleted again", &[Some("one"), Some("two"), None, None]);
    kill_twice("deleted", &[Some("one"), Some("two"), None]);
}
