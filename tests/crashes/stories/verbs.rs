//! Stories of subscriptions that are told something: killed before, in and after it, with and without a
//! power cut, and with each call failing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use docbox::{Result, Start, Store};

use super::kill_at;
use crate::history::History;
use crate::oracle::{check, disk, open};
use crate::session::subscribe;
use crate::support::sim::{Answer, Disk, Op, SimFs, Survival, crash_at};

/// A store with a subscription that has settled two of three events, durably.
fn used() -> Disk {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[]).expect("a commit");
    history.commit(&store, &[]).expect("a commit");
    history.deliver(&store, "ui").expect("all is acked");
    history.commit(&store, &[]).expect("a commit");
    store.close().expect("closes");
    disk.settle();
    disk.fork()
}

/// What is there after a crash: each subscription, how many events it still has, whether it is paused.
fn found(disk: &Disk) -> Vec<(String, u64, bool)> {
    let store = open(&disk.process()).expect("opens");
    let all = store.subscriptions().expect("they are listed").into_iter();
    let all: Vec<_> = all.map(|one| (one.name, one.lag_events, one.paused.is_some())).collect();
    assert!(store.verify().expect("verify reads").is_clean());
    all
}

/// Runs a verb, killed at each call that changes anything; then everything that a power cut may leave. Whether
/// the verb had said that it was done goes with what is found.
fn killed_everywhere(
    verb: impl Fn(&Store) -> Result<()>,
    is_right: impl Fn(&[(String, u64, bool)], bool) -> bool,
) {
    let base = used();
    let dry = base.fork();
    let run = |process: &Arc<SimFs>| open(process).and_then(|store| verb(&store));
    run(&dry.process()).expect("without a crash");
    let calls = dry.trace();
    let changes = (0..).zip(&calls).filter(|(_, call)| call.op.changes()).map(|(k, _)| k);
    for k in changes.chain([calls.len() as u64]) {
        let disk = base.fork();
        disk.hook(crash_at(k));
        let done = run(&disk.process()).is_ok();
        disk.unhook();
        let left = disk.fork();
        let now = found(&left);
        assert!(is_right(&now, done), "killed at call {k}, done: {done}: {now:?}");
        for seed in 0..24 {
            let disk = disk.fork();
            let survival = match seed {
                0 => Survival::NOTHING,
                1 => Survival::EVERYTHING,
                _ => Survival::dice(seed),
            };
            disk.power_cut_with(survival);
            let now = found(&disk);
            assert!(
                is_right(&now, done),
                "power cut at call {k}, seed {seed}, done: {done}: {now:?}"
            );
            // The next to open it settles what was left, and then it stays so.
            let store = open(&disk.process()).expect("opens");
            for (name, lag, _) in &now {
                let subscription = subscribe(&store, name).expect("opens");
                assert_eq!(store.subscriptions().expect("listed").len(), now.len());
                assert_eq!(*lag, 1, "at call {k}, seed {seed}: {name} is where it was");
                drop(subscription);
            }
        }
    }
}

#[test]
fn a_rename_that_is_cut_anywhere_leaves_one_subscription_under_one_name() {
    killed_everywhere(
        |store| store.rename("ui", "screen"),
        |found, done| match found {
            [(name, 1, false)] => name == "screen" || name == "ui" && !done,
            _ => false,
        },
    );
}

#[test]
fn a_rename_of_which_a_sync_fails_and_that_is_cut_soon_after_leaves_one_subscription() {
    let base = used();
    let rename = |disk: &Disk| {
        let _ = open(&disk.process()).and_then(|store| store.rename("ui", "screen"));
    };
    let dry = base.fork();
    rename(&dry);
    let calls = dry.trace();
    let syncs = (0..).zip(&calls).filter(|(_, call)| call.op == Op::SyncDir).map(|(k, _)| k);
    let (mut states, syncs) = (0, syncs.collect::<Vec<u64>>());
    for failing in syncs {
        for crash in failing + 1..calls.len() as u64 + 30 {
            let disk = base.fork();
            disk.hook(move |index, _| match index {
                _ if index == failing => Answer::FailOs(5),
                _ if index == crash => Answer::Crash,
                _ => Answer::Go,
            });
            rename(&disk);
            disk.unhook();
            for seed in 0..12 {
                let disk = disk.fork();
                disk.power_cut_with(Survival::dice(seed));
                let now = found(&disk);
                let is_one =
                    matches!(&*now, [(name, 1, false)] if name == "ui" || name == "screen");
                assert!(is_one, "failed {failing}, cut at {crash}, seed {seed}: {now:?}");
                states += 1;
            }
        }
    }
    assert!(states > 500, "{states} states");
}

#[test]
fn a_removal_that_is_cut_anywhere_leaves_it_whole_or_nothing() {
    killed_everywhere(
        |store| store.remove("ui"),
        |found, done| match found {
            [] => true,
            [(name, 1, false)] => name == "ui" && !done,
            _ => false,
        },
    );
}

#[test]
fn a_pause_or_its_end_that_is_cut_anywhere_leaves_it_paused_or_not() {
    killed_everywhere(
        |store| store.pause("ui", Some("as a test"), None),
        |found, done| matches!(found, [(_, 1, paused)] if *paused || !done),
    );
    killed_everywhere(
        |store| {
            store.pause("ui", None, None)?;
            store.resume("ui")
        },
        |found, done| matches!(found, [(_, 1, paused)] if !*paused || !done),
    );
}

#[test]
fn a_reset_that_is_cut_anywhere_is_obeyed_or_not() {
    let base = used();
    let dry = base.fork();
    let reset =
        |process: &Arc<SimFs>| open(process).and_then(|store| store.reset("ui", Start::Beginning));
    reset(&dry.process()).expect("without a crash");
    for k in 0..=dry.trace().len() as u64 {
        let disk = base.fork();
        disk.hook(crash_at(k));
        let done = reset(&disk.process()).is_ok();
        disk.unhook();
        for seed in 0..8 {
            let disk = disk.fork();
            disk.power_cut(seed);
            let store = open(&disk.process()).expect("opens");
            let count =
                subscribe(&store, "ui").expect("opens").catch_up().map(drop).take(1).count();
            assert_eq!(count, 1);
            let lag = store.subscriptions().expect("listed")[0].lag_events;
            assert!(lag == 3 || lag == 1 && !done, "call {k}, seed {seed}, done: {done}: {lag}");
        }
    }
}

#[test]
fn a_reset_over_a_gap_that_is_cut_anywhere_never_moves_without_saying_so() {
    let (base, history) = (disk(), History::default());
    let store = open(&base.process()).expect("opens");
    for _ in 0..30 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    history.deliver(&store, "ui").expect("all is acked");
    // Somebody else needs the last of them.
    let behind = Start::After(docbox::Position::end_of(29));
    drop(store.subscribe("watch").from(behind).open().expect("opens"));
    store.close().expect("closes");
    let store = open(&base.process()).expect("opens");
    assert!(store.retain().expect("retention") > 0, "segments were dropped");
    drop(store);
    base.settle();
    let reset = |process: &Arc<SimFs>| {
        let after = Start::After(docbox::Position::end_of(1));
        open(process).and_then(|store| store.reset_over_gap("ui", after))
    };
    let dry = base.fork();
    assert!(reset(&dry.process()).expect("without a crash").1.is_some(), "there is a gap");
    let calls = dry.trace();
    let changes = (0..).zip(&calls).filter(|(_, call)| call.op.changes()).map(|(k, _)| k);
    for k in changes.chain([calls.len() as u64]) {
        let disk = base.fork();
        disk.hook(crash_at(k));
        let done = reset(&disk.process()).is_ok();
        disk.unhook();
        for seed in 0..8 {
            let disk = disk.fork();
            disk.power_cut(seed);
            let store = open(&disk.process()).expect("opens");
            drop(subscribe(&store, "ui").expect("opens"));
            let stands = store.subscriptions().expect("listed")[0].position.expect("a place");
            let has_moved = stands.seq < 30;
            let is_said = store.events(Start::Beginning).expect("events");
            let is_said = is_said.map_while(Result::ok).any(|it| it.kind() == "docbox.gap");
            assert!(has_moved || !done, "call {k}, seed {seed}: {stands}");
            assert!(is_said || !has_moved, "call {k}, seed {seed}: {stands}");
        }
    }
}

#[test]
fn a_rename_of_which_any_call_fails_leaves_one_subscription_and_it_goes_on() {
    let base = used();
    let dry = base.fork();
    open(&dry.process()).and_then(|store| store.rename("ui", "screen")).expect("without a fault");
    for k in 0..dry.trace().len() as u64 {
        for lasting in [1, 4, u64::MAX] {
            let disk = base.fork();
            let process = disk.process();
            disk.hook(move |index, call| {
                let fails = index >= k && index - k < lasting && call.op.changes();
                if fails { Answer::FailOs(5) } else { Answer::Go }
            });
            let _ = open(&process).and_then(|store| store.rename("ui", "screen"));
            disk.unhook();
            let store = open(&disk.process()).expect("opens");
            let name = store.subscriptions().expect("they are listed")[0].name.clone();
            // Whoever goes on stands on firm ground: what it settles stays settled under that name.
            let mut subscription = subscribe(&store, &name).expect("it goes on");
            subscription.catch_up().for_each(|it| it.expect("no error").ack().expect("an ack"));
            subscription.sync().expect("it is durable");
            drop((subscription, store));
            for seed in 0..8 {
                let disk = disk.fork();
                disk.power_cut(seed);
                assert_eq!(found(&disk), [(name.clone(), 0, false)], "call {k}, seed {seed}");
            }
        }
    }
}

#[test]
fn whoever_dies_while_it_waits_for_a_consumer_to_let_go_leaves_no_trace() {
    let disk = used();
    let store = open(&disk.process()).expect("opens");
    let held = subscribe(&store, "ui").expect("opens");
    let other = disk.process();
    let renaming = open(&other).expect("opens");
    let id = other.id();
    // It has asked, and dies when it looks whether the lock is free.
    kill_at(&disk, {
        let disk = disk.clone();
        move |call| {
            let asks = call.op == Op::TryLock(docbox::fs::Lock::Exclusive)
                && call.path.ends_with("cursors/ui.lock");
            let text = disk.read("/s/.docbox/cursors/ui.json").unwrap_or_default();
            call.process == id && asks && String::from_utf8_lossy(&text).contains("renaming")
        }
    });
    renaming.rename("ui", "screen").expect_err("it dies");
    disk.unhook();
    drop((held, store, renaming));
    let store = open(&disk.process()).expect("opens");
    let mut ui = subscribe(&store, "ui").expect("it is there");
    assert!(ui.next(std::time::Duration::ZERO).expect("no error").is_some(), "and goes on");
}

#[test]
fn a_consumer_that_opens_while_it_is_removed_does_not_bring_it_back() {
    let base = disk();
    let store = open(&base.process()).expect("opens");
    // Its maker dies before it is known to be durable: whoever opens it next makes it anew.
    kill_at(&base, |call| call.is(Op::Open(docbox::fs::Open::Write), "/s/.docbox/cursors/ui"));
    subscribe(&store, "ui").expect_err("it dies");
    base.unhook();
    drop(store);
    let base = base.fork();
    let dry = base.fork();
    drop(open(&dry.process()).and_then(|store| subscribe(&store, "ui")).expect("opens"));
    for k in 0..dry.trace().len() as u64 {
        let disk = base.fork();
        let store = open(&disk.process()).expect("opens");
        let other = open(&disk.process()).expect("opens");
        let first = disk.trace().len() as u64;
        let (held, outside) = (disk.clone(), other.clone());
        let removed = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&removed);
        disk.hook(move |index, call| {
            let waits = matches!(call.op, Op::Lock | Op::TryLock(_) | Op::Unlock);
            let is_time = index == first + k && !waits && !is_locked(&held);
            if is_time && !done.swap(true, Ordering::SeqCst) {
                outside.remove("ui").expect("it is removed");
            }
            Answer::Go
        });
        let opened = store.subscribe("ui").open();
        disk.unhook();
        let there = store.subscriptions().expect("they are listed");
        if removed.load(Ordering::SeqCst) {
            assert!(there.is_empty(), "at call {k}: {there:?}");
            let next = opened.and_then(|mut ui| ui.next(std::time::Duration::ZERO).map(drop));
            assert!(next.is_err(), "at call {k}");
        } else {
            assert_eq!(there.len(), 1);
        }
    }
}

/// Whether anybody holds `commit.lock`.
fn is_locked(disk: &Disk) -> bool {
    let count = |op| {
        let calls = disk.trace();
        calls.iter().filter(|call| call.path.ends_with("commit.lock") && call.op == op).count()
    };
    count(Op::Lock) > count(Op::Unlock)
}

#[test]
fn all_that_was_promised_holds_after_renames_and_removals() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    history.deliver(&store, "ui").expect("all is acked");
    store.rename("ui", "screen").expect("renamed");
    store.rename("screen", "ui").expect("and back");
    drop(store.subscribe("mail").from(Start::Now).open().expect("opens"));
    store.remove("mail").expect("removed");
    store.close().expect("closes");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}
