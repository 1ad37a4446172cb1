//! Stories of subscriptions and retention.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use docbox::{Error, Start, Store, Transaction};

use crate::history::History;
use crate::oracle::{check, disk, limits, open};
use crate::support::sim::{Answer, Op, ROOT, Survival};

#[test]
fn story_09_retention_believes_only_registers_that_survive_a_power_cut() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.deliver(&store, "ui").expect("a subscription");
    for _ in 0..12 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    history.deliver(&store, "ui").expect("all is acked, in the page cache");
    store.checkpoint().expect("a checkpoint");
    assert!(store.retain().expect("retention") > 0, "segments were dropped");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

#[test]
fn story_10_a_subscription_from_the_beginning_never_finds_it_gone() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    let other = open(&disk.process()).expect("opens");
    for _ in 0..12 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    store.checkpoint().expect("a checkpoint");
    // At every call of the opening, the other process drops what it may.
    let outside = other.clone();
    let inside = AtomicBool::new(false);
    let held = disk.clone();
    disk.hook(move |_, call| {
        use std::sync::atomic::Ordering::SeqCst;
        let waits = matches!(call.op, Op::Lock | Op::TryLock(_) | Op::Unlock);
        if waits || inside.swap(true, SeqCst) {
            return Answer::Go;
        }
        // While the opener holds the lock, the other would wait for it for ever: it is one thread.
        if !is_locked(&held) {
            outside.retain().expect("retention");
        }
        inside.store(false, SeqCst);
        Answer::Go
    });
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("opens");
    let first = ui.catch_up().next().transpose().expect("no error");
    disk.unhook();
    if first.is_none() {
        // The other was first, and dropped all there was: what is kept begins with what comes next.
        history.commit(&store, &[]).expect("a commit");
        assert_eq!(ui.catch_up().next().expect("it").expect("no error").event().position().seq, 13);
    }
}

/// Whether anybody holds `commit.lock`.
pub fn is_locked(disk: &crate::support::sim::Disk) -> bool {
    let taken = |op| {
        disk.trace()
            .iter()
            .filter(|call| call.path.ends_with("commit.lock") && call.op == op)
            .count()
    };
    taken(Op::Lock) > taken(Op::Unlock)
}

#[test]
fn story_11_segments_are_dropped_so_that_no_power_cut_leaves_a_hole() {
    for seed in 0..64 {
        let (disk, history) = (disk(), History::default());
        let store = open(&disk.process()).expect("opens");
        for _ in 0..16 {
            history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
        }
        store.checkpoint().expect("a checkpoint");
        let removals = AtomicU64::new(0);
        disk.hook(move |_, call| {
            let removes = call.op == Op::RemoveFile && call.path.starts_with("/s/.docbox/journal");
            let count = removals.fetch_add(removes.into(), Ordering::SeqCst);
            if removes && count == seed % 4 + 1 { Answer::Crash } else { Answer::Go }
        });
        let _ = store.retain();
        disk.unhook();
        drop(store);
        disk.power_cut(seed);
        check(&disk, &history);
    }
}

#[test]
fn story_16_what_a_dead_writer_left_behind_the_head_is_delivered_without_another_commit() {
    let (disk, history) = (disk(), History::default());
    let writer = disk.process();
    let store = open(&writer).expect("opens");
    let options = Store::options().disk(disk.process()).limits(limits());
    let living = options.open(ROOT).expect("a process with only a subscription");
    let mut ui = living.subscribe("ui").from(Start::Beginning).open().expect("opens");
    let pid = writer.id();
    disk.hook(move |_, call| {
        let head = call.op == Op::WriteAt && call.path.ends_with(".docbox/head");
        if head && call.process == pid { Answer::Crash } else { Answer::Go }
    });
    let _ = history.commit(&store, &[("agents/a", Some("one"))]);
    let delivery = ui.next(std::time::Duration::from_mins(1)).expect("no error").expect("an event");
    assert_eq!(delivery.event().kind(), "T0");
    delivery.ack().expect("an ack");
    drop(ui);
    living.close().expect("closes");
}

#[test]
fn story_19_no_power_cut_takes_a_cursor_that_was_synced_once() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..7 {
        history.commit(&store, &[]).expect("a commit");
    }
    // Many writes of the register after its last sync, in all slots that may be written.
    history.deliver(&store, "ui").expect("all is acked");
    drop(store);
    for seed in 0..400 {
        let disk = disk.fork();
        disk.power_cut(seed);
        check(&disk, &history);
    }
}

#[test]
fn a_subscription_that_was_opened_is_not_forgotten_in_a_power_cut() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    drop(store.subscribe("ui").from(Start::Now).open().expect("opens"));
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    let store = open(&disk.process()).expect("opens");
    let mut ui = store.subscribe("ui").open().expect("it is there: no start is asked for");
    let delivery = ui.catch_up().next().expect("an event").expect("no error");
    assert_eq!(delivery.event().kind(), "T0", "what came after its opening");
    drop(delivery);
}

#[test]
fn a_reset_is_not_forgotten_in_a_power_cut() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[]).expect("a commit");
    history.commit(&store, &[]).expect("a commit");
    history.deliver(&store, "ui").expect("all is acked");
    let held = store.subscribe("ui").open().expect("a consumer that is busy elsewhere");
    store.reset("ui", Start::Beginning).expect("a request");
    drop((held, store));
    disk.power_cut_with(Survival::NOTHING);
    let store = open(&disk.process()).expect("opens");
    let mut ui = store.subscribe("ui").open().expect("opens");
    let delivery = ui.catch_up().next().expect("an event").expect("no error");
    assert_eq!(delivery.event().kind(), "T0", "from the beginning");
    drop(delivery);
}

#[test]
fn a_clean_close_keeps_the_place_of_a_subscription_that_was_dropped_before_it() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..3 {
        history.commit(&store, &[]).expect("a commit");
    }
    history.deliver(&store, "ui").expect("all is acked, and the subscription dropped");
    store.close().expect("closes");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    let store = open(&disk.process()).expect("opens");
    let mut ui = store.subscribe("ui").open().expect("opens");
    assert!(ui.catch_up().next().is_none(), "nothing that was settled comes again");
}

#[test]
fn a_look_at_the_whole_store_bears_that_segments_are_dropped_at_any_call() {
    let (base, history) = (disk(), History::default());
    let store = open(&base.process()).expect("opens");
    for _ in 0..12 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    store.close().expect("closes");
    drop(store);
    base.settle();
    for k in 0.. {
        let disk = base.fork();
        let store = open(&disk.process()).expect("opens");
        let other = open(&disk.process()).expect("opens");
        let calls = Arc::new(AtomicU64::new(0));
        let (counted, outside, held) = (Arc::clone(&calls), other.clone(), disk.clone());
        disk.hook(move |_, call| {
            let waits = matches!(call.op, Op::Lock | Op::TryLock(_) | Op::Unlock);
            // Verify looks at the documents under the lock; nobody drops anything then.
            if counted.fetch_add(1, Ordering::SeqCst) == k && !waits && !is_locked(&held) {
                assert!(outside.retain().expect("retention") > 0, "segments were dropped");
            }
            Answer::Go
        });
        let status = store.status().expect("a status");
        let report = store.verify().expect("verify reads");
        disk.unhook();
        assert_eq!(status.head, 12);
        assert!(report.is_clean(), "at call {k}: {:#?}", report.findings);
        if calls.load(Ordering::SeqCst) <= k {
            break;
        }
    }
}

#[test]
fn verify_bears_that_all_it_has_read_is_replaced_and_dropped_at_any_call() {
    let (base, history) = (disk(), History::default());
    let store = open(&base.process()).expect("opens");
    for key in ["agents/a", "agents/b"].repeat(3) {
        history.commit(&store, &[(key, Some("a text that fills"))]).expect("a commit");
    }
    store.close().expect("closes");
    drop(store);
    base.settle();
    for k in 0.. {
        let disk = base.fork();
        let store = open(&disk.process()).expect("opens");
        let other = open(&disk.process()).expect("opens");
        let calls = Arc::new(AtomicU64::new(0));
        let inside = AtomicBool::new(false);
        let (counted, outside, held) = (Arc::clone(&calls), other.clone(), disk.clone());
        disk.hook(move |_, call| {
            let waits = matches!(call.op, Op::Lock | Op::TryLock(_) | Op::Unlock);
            if inside.load(Ordering::SeqCst) {
                return Answer::Go;
            }
            if counted.fetch_add(1, Ordering::SeqCst) == k && !waits && !is_locked(&held) {
                inside.store(true, Ordering::SeqCst);
                replace_and_drop(&outside);
                inside.store(false, Ordering::SeqCst);
            }
            Answer::Go
        });
        let report = store.verify().expect("verify reads");
        disk.unhook();
        assert!(report.is_clean(), "at call {k}: {:#?}", report.findings);
        if calls.load(Ordering::SeqCst) <= k {
            break;
        }
    }
}

/// The newest version of `agents/b` is in a segment that is dropped.
fn replace_and_drop(store: &Store) {
    let keys = ["agents/b"].into_iter().chain(["agents/a"; 12]);
    for (number, key) in keys.enumerate() {
        let text = format!("another text that fills, {number}");
        let transaction = Transaction::new().put(key, &text).expect("a text");
        store.commit(transaction).expect("a commit");
    }
    store.checkpoint().expect("a checkpoint");
    assert!(store.retain().expect("retention") > 0, "segments were dropped");
}

#[test]
fn a_segment_that_is_dropped_with_its_successor_while_it_is_read_is_no_damage() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..30 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    store.checkpoint().expect("a checkpoint");
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|it| it == "jsonl");
    let mut segments: Vec<PathBuf> =
        disk.tree().into_iter().map(|(path, _)| path).filter(is_segment).collect();
    segments.sort();
    segments.truncate(segments.len() - 1);
    assert!(segments.len() > 2, "{segments:?}");
    let mut met = 0;
    for look in 0..6 {
        let disk = disk.fork();
        let store = open(&disk.process()).expect("opens");
        let events = store.events(Start::Beginning).expect("events");
        // Before one of the looks at the names of the segments all but the last are dropped, oldest first.
        let (looks, outside, dropped) = (AtomicU64::new(0), disk.clone(), segments.clone());
        disk.hook(move |_, call| {
            if call.is(Op::ReadDir, "/s/.docbox/journal")
                && looks.fetch_add(1, Ordering::SeqCst) == look
            {
                for segment in &dropped {
                    outside.remove(segment);
                }
            }
            Answer::Go
        });
        let events: Result<Vec<_>, _> = events.collect();
        disk.unhook();
        if let Err(error) = events {
            assert!(matches!(error, Error::Compacted { .. }), "look {look}: {error}");
            met += 1;
        }
    }
    assert!(met > 1, "it was met");
}
