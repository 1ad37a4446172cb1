//! A sync that failed once proves nothing later: names and bytes that were not made durable must be made
//! anew, or counted as lost. All of these were found by the loops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use docbox::{Start, Store, Subscription, Transaction};

use super::{appends, fail, kill_at, syncs_journal};
use crate::beginnings;
use crate::history::History;
use crate::oracle::{check, disk, empty_disk, open};
use crate::session::subscribe;
use crate::support::sim::{Answer, Call, Disk, Op, Survival};

fn syncs_folder(call: &Call, folder: &str) -> bool {
    call.is(Op::SyncDir, folder)
}

/// Only what is durable is left, and no process.
fn after_power_cut(disk: &Disk) -> Disk {
    let disk = disk.fork();
    disk.power_cut_with(Survival::NOTHING);
    disk.fork()
}

#[test]
fn a_store_whose_name_could_not_be_synced_is_not_lost_with_the_commits_that_follow() {
    let (disk, history) = (empty_disk(), History::default());
    fail(&disk, |call| syncs_folder(call, "/s"));
    open(&disk.process()).expect_err("its name is not durable");
    disk.unhook();
    let store = open(&disk.process()).expect("it is tried again");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    check(&after_power_cut(&disk), &history);
}

#[test]
fn names_in_the_root_survive_though_a_sync_of_it_failed_while_opening() {
    let (disk, history) = beginnings::before_the_head();
    fail(&disk, |call| syncs_folder(call, "/s"));
    drop(open(&disk.process()));
    disk.unhook();
    open(&disk.process()).and_then(|store| store.close()).expect("all goes well");
    check(&after_power_cut(&disk), &history);
}

#[test]
fn after_a_failed_sync_of_a_folder_applied_stays_until_the_next_mount() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("x/y/z", Some("one"))]).expect("a commit");
    store.checkpoint().expect("all goes well");
    history.commit(&store, &[("x/y/z", None)]).expect("a commit");
    fail(&disk, |call| syncs_folder(call, "/s/x/y"));
    store.checkpoint().expect_err("the name may be there still");
    disk.unhook();
    assert!(!store.checkpoint().expect("no error"), "nothing makes it durable");
    let another = open(&disk.process()).expect("opens");
    assert!(!another.checkpoint().expect("no error"), "for nobody");
    let disk = after_power_cut(&disk);
    check(&disk, &history);
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("x/y/z", Some("two"))]).expect("a commit");
    assert!(store.checkpoint().expect("no error"), "what was mounted anew is as it is");
}

#[test]
fn a_failed_sync_of_a_document_is_known_though_the_disk_takes_nothing_after_it() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    let is_broken = AtomicBool::new(false);
    disk.hook(move |_, call| {
        if call.is(Op::SyncData, "/s/agents/a.json") {
            is_broken.store(true, Ordering::Relaxed);
        }
        if is_broken.load(Ordering::Relaxed) { Answer::FailOs(5) } else { Answer::Go }
    });
    store.checkpoint().expect_err("the disk is broken");
    disk.unhook();
    let another = open(&disk.process()).expect("opens");
    another.checkpoint().expect("all goes well");
    check(&after_power_cut(&disk), &history);
}

#[test]
fn a_checkpoint_that_was_cut_leaves_edits_by_hand_to_the_next_as_they_are() {
    let (disk, history) = (disk(), History::default());
    let first = disk.process();
    let store = open(&first).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    kill_at(&disk, |call| call.is(Op::SyncData, "/s/agents/a.json"));
    store.checkpoint().expect_err("it dies");
    disk.unhook();
    disk.write("/s/agents/a.json", "\"by hand\"\n");
    let another = open(&disk.process()).expect("opens");
    another.checkpoint().expect("all goes well");
    assert_eq!(disk.read("/s/agents/a.json").as_deref(), Some(b"\"by hand\"\n".as_slice()));
    let report = another.verify().expect("verify reads");
    assert_eq!(report.worst(), Some(docbox::Severity::Drift), "{:?}", report.findings);
}

#[test]
fn a_close_says_so_when_a_cursor_is_not_durable() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[]).expect("a commit");
    let mut subscription = subscribe(&store, "ui").expect("opens");
    subscription.catch_up().for_each(|delivery| delivery.unwrap().ack().expect("an ack"));
    fail(&disk, |call| call.is(Op::SyncData, "/s/.docbox/cursors/ui"));
    subscription.sync().expect_err("it is not durable");
    disk.unhook();
    drop(subscription);
    store.close().expect_err("nor does a second sync make it so");
    let store = open(&after_power_cut(&disk).process()).expect("opens");
    let mut subscription = subscribe(&store, "ui").expect("opens");
    assert!(subscription.next(Duration::ZERO).expect("no error").is_some(), "it comes again");
}

#[test]
fn a_close_says_so_when_the_next_consumer_could_not_make_the_cursor_durable() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[]).expect("a commit");
    let mut subscription = subscribe(&store, "ui").expect("opens");
    subscription.catch_up().for_each(|delivery| delivery.unwrap().ack().expect("an ack"));
    drop(subscription);
    fail(&disk, |call| call.is(Op::SyncData, "/s/.docbox/cursors/ui"));
    subscribe(&store, "ui").expect_err("it cannot be made durable");
    disk.unhook();
    store.close().expect_err("nor does a sync that follows make it so");
    let store = open(&after_power_cut(&disk).process()).expect("opens");
    let mut subscription = subscribe(&store, "ui").expect("opens");
    assert!(subscription.next(Duration::ZERO).expect("no error").is_some(), "it comes again");
}

#[test]
fn verify_bears_a_journal_without_a_line() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    store.checkpoint().expect("all goes well");
    // Only the sync of the line fails; that of the segment that revokes it does not.
    let (is_written, is_done) = (AtomicBool::new(false), AtomicBool::new(false));
    disk.hook(move |_, call| {
        if appends(call) {
            is_written.store(true, Ordering::Relaxed);
        }
        let is_line = syncs_journal(call) && is_written.load(Ordering::Relaxed);
        let fails = is_line && !is_done.swap(is_line, Ordering::Relaxed);
        if fails { Answer::FailOs(5) } else { Answer::Go }
    });
    history.commit(&store, &[("agents/a", Some("refused"))]).expect_err("the sync fails");
    disk.unhook();
    assert_eq!(store.retain().expect("all goes well"), 1, "what holds the only line");
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "{:?}", report.findings);
    let next = store.commit(Transaction::new().put("agents/a", &2).expect("a transaction"));
    assert_eq!(next.expect("it goes on").seq(), 2);
}

#[test]
fn what_a_creation_that_was_cut_leaves_beside_is_cleared_by_the_next() {
    let base = empty_disk();
    let dry = base.fork();
    open(&dry.process()).expect("opens");
    for call in 0..dry.calls() {
        let crashed = base.fork();
        crashed.hook(move |index, _| if index >= call { Answer::Crash } else { Answer::Go });
        drop(open(&crashed.process()));
        crashed.unhook();
        for seed in 0..16 {
            let disk = crashed.fork();
            disk.power_cut(seed);
            open(&disk.process()).expect("it is made, or was");
            let left = |path: &std::path::Path| path.to_string_lossy().contains(".docbox-new-");
            let tree = disk.tree();
            let left: Vec<_> = tree.iter().filter(|(path, _)| left(path)).collect();
            assert!(left.is_empty(), "call {call}, seed {seed}: {left:?}");
        }
    }
}

/// Commits in several segments, all of them acked by an open subscription.
fn acked(disk: &Disk, history: &History) -> (Store, Subscription) {
    let store = open(&disk.process()).expect("opens");
    for _ in 0..30 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    store.checkpoint().expect("a checkpoint");
    let mut subscription = subscribe(&store, "ui").expect("opens");
    subscription.catch_up().for_each(|delivery| delivery.unwrap().ack().expect("an ack"));
    (store, subscription)
}

fn syncs_cursor(call: &Call) -> bool {
    call.is(Op::SyncData, "/s/.docbox/cursors/ui")
}

#[test]
fn retention_believes_no_sync_of_a_cursor_that_follows_one_that_failed() {
    for is_consumed in [true, false] {
        let (disk, history) = (disk(), History::default());
        let (store, mut subscription) = acked(&disk, &history);
        fail(&disk, syncs_cursor);
        subscription.sync().expect_err("it is not durable");
        disk.unhook();
        // The consumer may have died since; another process drops segments.
        let consumer = is_consumed.then_some(subscription);
        let other = open(&disk.process()).expect("opens");
        other.retain().expect("retention");
        drop((store, consumer, other));
        check(&after_power_cut(&disk), &history);
    }
}

#[test]
fn retention_drops_what_a_cursor_passed_once_that_is_durable() {
    for is_consumed in [true, false] {
        let (disk, history) = (disk(), History::default());
        let (store, mut subscription) = acked(&disk, &history);
        assert_eq!(store.retain().expect("retention"), 0, "it is in the page cache only");
        if is_consumed {
            subscription.sync().expect("it is durable");
        }
        let consumer = is_consumed.then_some(subscription);
        let dropped = store.retain().expect("retention");
        assert!(dropped > 0, "consumed: {is_consumed}");
        drop((store, consumer));
        check(&after_power_cut(&disk), &history);
    }
}

#[test]
fn retention_keeps_what_a_reset_asks_for_that_nobody_has_obeyed_yet() {
    let (disk, history) = (disk(), History::default());
    let (store, mut subscription) = acked(&disk, &history);
    subscription.sync().expect("it is durable");
    store.reset("ui", Start::Beginning).expect("a reset");
    store.retain().expect("retention");
    let delivery = subscription.next(Duration::ZERO).expect("no error").expect("an event");
    assert_eq!(delivery.event().position().seq, 1);
}

#[test]
fn a_subscription_whose_name_could_not_be_made_durable_is_not_forgotten_once_it_is_opened() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[]).expect("a commit");
    // What was made is not removed either.
    let is_made = AtomicBool::new(false);
    disk.hook(move |_, call| {
        let fails =
            is_made.load(Ordering::Relaxed) && matches!(call.op, Op::SyncDir | Op::RemoveFile);
        let makes = call.to.as_deref().is_some_and(|to| to.ends_with("cursors/ui"));
        is_made.fetch_or(makes, Ordering::Relaxed);
        if fails { Answer::FailOs(5) } else { Answer::Go }
    });
    subscribe(&store, "ui").expect_err("its name is not durable");
    disk.unhook();
    history.deliver(&store, "ui").expect("it is tried again");
    store.close().expect("all is durable");
    history.note_synced("ui");
    let disk = after_power_cut(&disk);
    let store = open(&disk.process()).expect("opens");
    let mut subscription = subscribe(&store, "ui").expect("opens");
    assert!(subscription.next(Duration::ZERO).expect("no error").is_none(), "it was settled");
    drop((subscription, store));
    check(&disk, &history);
}

#[test]
fn a_segment_whose_name_could_not_be_made_durable_is_no_reason_to_drop_the_one_before() {
    let (disk, history) = (disk(), History::default());
    let (store, mut subscription) = acked(&disk, &history);
    subscription.sync().expect("it is durable");
    let refused = (0..8).find_map(|_| {
        fail(&disk, |call| syncs_folder(call, "/s/.docbox/journal"));
        let text = "a text that fills".repeat(20);
        let result = history.commit(&store, &[("agents/a", Some(&text))]);
        disk.unhook();
        result.err()
    });
    refused.expect("a new segment was begun, and its name is not durable");
    history.deliver(&store, "ui").expect_err("the other consumer has it");
    subscription.catch_up().for_each(|delivery| delivery.unwrap().ack().expect("an ack"));
    subscription.sync().expect("it is durable");
    store.checkpoint().expect("a checkpoint");
    store.retain().expect("retention");
    drop((subscription, store));
    check(&after_power_cut(&disk), &history);
}

#[test]
fn segments_are_dropped_without_a_hole_though_the_sync_of_a_removal_failed() {
    let (disk, history) = (disk(), History::default());
    let (store, mut subscription) = acked(&disk, &history);
    subscription.sync().expect("it is durable");
    fail(&disk, |call| syncs_folder(call, "/s/.docbox/journal"));
    store.retain().expect_err("it is not durable that a segment is gone");
    disk.unhook();
    assert!(store.retain().expect("it is tried again") > 1, "more segments are dropped");
    drop((subscription, store));
    check(&after_power_cut(&disk), &history);
}
