//! Stories of the documents in the folder.

use std::sync::Arc;

use docbox::fs::{Fs, Open};
use docbox::{Error, Store};

use super::{fail, puts_in_place, syncs_journal};
use crate::history::History;
use crate::oracle::{check, disk, limits, open};
use crate::support::other::Other;
use crate::support::sim::{Answer, Op, ROOT, Survival};

#[test]
fn a_document_is_read_by_three_calls_and_what_is_none_is_found_out_by_more() {
    let disk = disk();
    let process = disk.process();
    let store = open(&process).expect("opens");
    store
        .commit(docbox::Transaction::new().put("agents/a", &1).expect("a transaction"))
        .expect("a commit");
    let read = |key: &str| {
        disk.take_trace();
        let found = store.get_bytes(key).expect("it reads").is_some();
        (found, disk.take_trace().into_iter().map(|call| call.op).collect::<Vec<_>>())
    };
    assert_eq!(read("agents/a"), (true, vec![Op::Open(Open::Read), Op::ReadAt, Op::Stat]));
    assert_eq!(read("agents/nothing"), (false, vec![Op::Open(Open::Read)]));
    assert_eq!(read("nobody/nothing"), (false, vec![Op::Open(Open::Read)]));
    assert_eq!(read("agents/a.json/b"), (false, vec![Op::Open(Open::Read)]));
    disk.symlink("agents", "/s/linked");
    assert!(!read("linked/a").0 && !read("agents/link").0, "nothing is read through a link");
}

#[test]
fn story_08_a_commit_that_cannot_be_put_in_place_is_in_doubt_until_it_can() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    fail(&disk, puts_in_place);
    let error = history.commit(&store, &[("agents/a", Some("two"))]).expect_err("it fails");
    assert!(matches!(error, Error::InDoubt { seq: 2, .. }), "{error}");
    let error = history.commit(&store, &[("agents/b", Some("three"))]).expect_err("refused");
    let Error::Blocked { seq, path, .. } = &error else { panic!("{error}") };
    assert_eq!((*seq, path.to_str()), (2, Some("/s/agents/a.json")));
    history.deliver(&store, "ui").expect_err("opening one takes the lock, and finds the same");
    assert_eq!(store.status().expect("a status").head, 1, "nothing beyond the head is served");
    disk.unhook();
    let seq = history.commit(&store, &[("agents/b", Some("four"))]).expect("mended");
    assert_eq!(seq, 3);
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn story_12_all_folders_up_to_the_root_are_durable_before_applied_moves() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("projects/p1/agents/7c", Some("deep"))]).expect("a commit");
    assert!(store.checkpoint().expect("a checkpoint"));
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    assert!(disk.read("/s/projects/p1/agents/7c.json").is_some(), "durable without a redo");
    check(&disk, &history);
}

#[test]
fn story_13_after_a_failed_sync_of_a_document_it_is_written_anew() {
    for other_process in [false, true] {
        let (disk, history) = (disk(), History::default());
        let store = open(&disk.process()).expect("opens");
        let other = open(&disk.process()).expect("opens");
        history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
        fail(&disk, |call| call.is(Op::SyncData, "/s/agents/a.json"));
        store.checkpoint().expect_err("the sync fails");
        disk.unhook();
        let next = if other_process { &other } else { &store };
        assert!(next.checkpoint().expect("the next one succeeds"));
        drop((store, other));
        disk.power_cut_with(Survival::NOTHING);
        assert_eq!(disk.read("/s/agents/a.json").as_deref(), Some(b"\"one of T0\"\n".as_slice()));
        check(&disk, &history);
    }
}

#[test]
fn story_23_an_edit_by_hand_in_mid_commit_is_kept_aside() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    let outside = disk.clone();
    disk.hook(move |_, call| {
        if syncs_journal(call) {
            outside.write("/s/agents/a.json", "\"mine\"\n");
        }
        Answer::Go
    });
    history.commit(&store, &[("agents/a", Some("two"))]).expect("a commit");
    disk.unhook();
    assert_eq!(disk.read("/s/agents/a.json").as_deref(), Some(b"\"two of T1\"\n".as_slice()));
    let kept = disk.tree().into_iter().filter_map(|(path, _)| {
        path.starts_with("/s/.docbox/recovered").then(|| disk.read(path)).flatten()
    });
    assert_eq!(kept.collect::<Vec<_>>(), [b"\"mine\"\n"]);
}

#[test]
fn a_head_that_cannot_be_moved_leaves_the_commit_in_doubt_until_somebody_moves_it() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    fail(&disk, |call| call.op == Op::WriteAt && call.path.ends_with(".docbox/head"));
    let error = history.commit(&store, &[("agents/a", Some("one"))]).expect_err("it fails");
    assert!(matches!(error, Error::InDoubt { seq: 1, .. }), "{error}");
    disk.unhook();
    history.deliver(&store, "ui").expect("whoever comes next moves it");
    assert_eq!(history.known().acked["ui"], ["T0"]);
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn many_documents_that_are_synced_with_their_filesystem_are_durable_before_applied_moves() {
    let (disk, history) = (disk(), History::default());
    let door: Arc<dyn Fs> = Arc::new(Other::syncing(&disk));
    let options = Store::options().disk(door).limits(limits()).housekeeping(false);
    let store = options.open(ROOT).expect("opens");
    // More than are synced one by one.
    let keys: Vec<String> = (0..40).map(|number| format!("agents/{number}")).collect();
    for key in &keys {
        history.commit(&store, &[(key, Some("one"))]).expect("a commit");
    }
    let before = disk.calls();
    assert!(store.checkpoint().expect("a checkpoint"));
    let synced = disk.trace()[usize::try_from(before).expect("few")..]
        .iter()
        .filter(|call| call.op == Op::SyncData && call.path.starts_with("/s/agents"))
        .count();
    assert_eq!(synced, 0, "none was synced alone");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    assert!(keys.iter().all(|key| disk.read(format!("/s/{key}.json")).is_some()), "without a redo");
    check(&disk, &history);
}
