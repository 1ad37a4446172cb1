//! Stories of what takes a document's place while it is committed, and of documents that go.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use docbox::fs::{Fs, Kind};
use docbox::{Error, Store};

use super::puts_in_place;
use super::spool::twice;
use crate::history::History;
use crate::oracle::{check, disk, open};
use crate::support::sim::{Answer, Disk, Op};

const DOCUMENT: &str = "/s/agents/a.json";

/// What is in a document's place stays there; once it is moved away the commit is put in place.
fn assert_there_until_moved_away(
    (disk, history, store): (&Disk, &History, Store),
    kind: Kind,
    what: &str,
) {
    let there = disk.process().stat(Path::new(DOCUMENT)).expect("it is there").kind;
    assert_eq!(there, kind, "{what}");
    disk.remove(DOCUMENT);
    drop(store);
    check(&disk.fork(), history);
}

#[test]
fn what_is_no_file_and_takes_a_document_s_place_in_mid_commit_is_put_back() {
    type Plant = fn(&Disk);
    let folder: Plant = |disk| disk.create_dirs(DOCUMENT);
    let link: Plant = |disk| disk.symlink("../notes.txt", DOCUMENT);
    for (plant, kind) in [(folder, Kind::Dir), (link, Kind::Other)] {
        for text in [Some("three"), None] {
            let (disk, history, store) = twice();
            let (outside, is_planted) = (disk.clone(), AtomicBool::new(false));
            disk.hook(move |_, call| {
                if puts_in_place(call) && !is_planted.swap(true, Ordering::SeqCst) {
                    outside.remove(DOCUMENT);
                    plant(&outside);
                }
                Answer::Go
            });
            let committed = history.commit(&store, &[("agents/a", text)]);
            // A folder in the place of what is to be deleted: then there is no document.
            let is_done = (kind, text) == (Kind::Dir, None);
            match committed {
                Ok(_) => assert!(is_done, "{kind:?}, {text:?}"),
                Err(error) => {
                    assert!(matches!(error, Error::InDoubt { .. }) && !is_done, "{error}");
                }
            }
            disk.unhook();
            assert_there_until_moved_away((&disk, &history, store), kind, &format!("{text:?}"));
        }
    }
}

#[test]
fn what_is_no_file_and_takes_the_place_of_a_new_document_stays_there() {
    for is_renamed in [false, true] {
        let (disk, history) = (disk(), History::default());
        let store = open(&disk.process()).expect("opens");
        history.commit(&store, &[("agents/b", Some("beside it"))]).expect("a commit");
        if is_renamed {
            disk.leave_only_renames();
        }
        let (outside, is_planted) = (disk.clone(), AtomicBool::new(false));
        disk.hook(move |_, call| {
            if call.op == Op::SyncData && !is_planted.swap(true, Ordering::SeqCst) {
                outside.symlink("../notes.txt", DOCUMENT);
            }
            Answer::Go
        });
        let committed = history.commit(&store, &[("agents/a", Some("new"))]);
        assert!(matches!(committed, Err(Error::InDoubt { .. })), "{committed:?}");
        disk.unhook();
        let what = format!("renamed: {is_renamed}");
        assert_there_until_moved_away((&disk, &history, store), Kind::Other, &what);
    }
}

#[test]
fn what_is_removed_by_hand_in_mid_commit_is_put_in_place_all_the_same() {
    for with_folder in [false, true] {
        let (disk, history) = (disk(), History::default());
        let store = open(&disk.process()).expect("opens");
        history.commit(&store, &[("x/y", Some("one"))]).expect("a commit");
        let (outside, is_removed) = (disk.clone(), AtomicBool::new(false));
        disk.hook(move |_, call| {
            if puts_in_place(call) && !is_removed.swap(true, Ordering::SeqCst) {
                outside.remove("/s/x/y.json");
                if with_folder {
                    outside.remove("/s/x");
                }
            }
            Answer::Go
        });
        history.commit(&store, &[("x/y", Some("two"))]).expect("a commit");
        disk.unhook();
        assert!(disk.read("/s/x/y.json").is_some(), "with its folder: {with_folder}");
        drop(store);
        check(&disk.fork(), &history);
    }
}
