//! Stories of events that are settled by the commit that they led to: exactly once.

use docbox::{Error, Result, Start, Store, Subscription, Transaction};

use super::{appends, fail, kill_at};
use crate::history::History;
use crate::oracle::{disk, open};
use crate::support::sim::{Call, Disk, Op, SimFs, crash_at};

/// How many events the tests begin with.
const EVENTS: u64 = 3;

/// A disk with a store of a few events, all of it durable.
fn disk_with_events() -> Disk {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..EVENTS {
        history.commit(&store, &[]).expect("a commit");
    }
    drop(counter(&store).expect("a new subscription"));
    store.close().expect("closes");
    disk.settle();
    disk.fork()
}

fn counter(store: &Store) -> Result<Subscription> {
    store.subscribe("counter").from(Start::Beginning).open()
}

/// How many events were counted.
fn count(store: &Store) -> u64 {
    store.get("stats/count").expect("a count").map_or(0, |found| found.value)
}

/// Counts every event up to the head, by the commit that settles it.
fn project(store: &Store) -> Result<()> {
    for delivery in counter(store)?.catch_up() {
        let delivery = delivery?;
        delivery.commit(Transaction::new().put("stats/count", &(count(store) + 1))?)?;
    }
    Ok(())
}

/// Opens the store after a crash, counts on, and says how many were counted in all.
fn project_after(disk: &Disk) -> u64 {
    let store = open(&disk.process()).expect("opens");
    project(&store).expect("goes on");
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
    let counted = count(&store);
    store.close().expect("closes");
    counted
}

fn moves_cursor(call: &Call) -> bool {
    call.op == Op::WriteAt && call.path.ends_with("cursors/counter")
}

/// A process that dies between its first commit that settles and the cursor that follows.
fn killed_before_the_cursor_follows(disk: &Disk) {
    let process = disk.process();
    let store = open(&process).expect("opens");
    let mut counter = counter(&store).expect("opens");
    let delivery = counter.next(std::time::Duration::ZERO).expect("no error").expect("an event");
    kill_at(disk, moves_cursor);
    delivery
        .commit(Transaction::new().put("stats/count", &1).expect("a transaction"))
        .expect("it was committed all the same");
    disk.unhook();
    assert!(!disk.is_alive(&process), "killed before its cursor could follow");
}

#[test]
fn story_17_an_event_that_its_own_commit_settles_is_handled_exactly_once() {
    let base = disk_with_events();
    let calls = calls_of(&base, |process| project(&open(process)?));
    for k in calls {
        let disk = base.fork();
        disk.hook(crash_at(k));
        let _ = open(&disk.process()).and_then(|store| project(&store));
        disk.unhook();
        assert_eq!(project_after(&disk.fork()), EVENTS, "killed at call {k}");
        for seed in 0..8 {
            let disk = disk.fork();
            disk.power_cut(seed);
            assert_eq!(project_after(&disk), EVENTS, "power cut at call {k}, seed {seed}");
        }
    }
}

/// The calls of a run that change anything, by number.
fn calls_of(base: &Disk, run: impl FnOnce(&std::sync::Arc<SimFs>) -> Result<()>) -> Vec<u64> {
    let disk = base.fork();
    run(&disk.process()).expect("a run without faults");
    (0..).zip(disk.trace()).filter(|(_, call)| call.op.changes()).map(|(k, _)| k).collect()
}

#[test]
fn story_17_a_reset_after_the_commit_that_settled_is_not_undone_by_it() {
    let disk = disk_with_events();
    killed_before_the_cursor_follows(&disk);
    let store = open(&disk.process()).expect("opens");
    store.reset("counter", Start::Beginning).expect("a request");
    project(&store).expect("all of them once more");
    assert_eq!(count(&store), 1 + EVENTS);
}

#[test]
fn story_17_a_commit_that_would_undo_a_reset_is_refused() {
    let disk = disk_with_events();
    let store = open(&disk.process()).expect("opens");
    project(&store).expect("all are counted");
    let other = open(&disk.process()).expect("opens");
    other.reset("counter", Start::Beginning).expect("a request");
    let mut counter = counter(&store).expect("opens");
    let first = counter.next(std::time::Duration::ZERO).expect("no error").expect("an event");
    other.reset("counter", Start::Now).expect("another, while the event is in hand");
    let again = Transaction::new().put("stats/count", &1000).expect("a transaction");
    let error = first.commit(again).expect_err("the cursor is elsewhere by now");
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert!(error.to_string().contains("was reset"), "{error}");
    drop(counter);
    project(&store).expect("goes on");
    assert_eq!(count(&store), EVENTS, "nothing of the refused commit is there");
}

#[test]
fn story_17_after_a_commit_in_doubt_the_consumer_finds_out_before_it_goes_on() {
    for in_journal in [true, false] {
        let disk = disk_with_events();
        let store = open(&disk.process()).expect("opens");
        let mut counter = counter(&store).expect("opens");
        let first = counter.next(std::time::Duration::ZERO).expect("no error").expect("an event");
        if in_journal {
            fail(&disk, |call| {
                call.op == Op::Rename
                    && call.to.as_deref().is_some_and(|to| to.ends_with("stats/count.json"))
            });
        } else {
            // Neither written nor made void by a new segment.
            fail(&disk, |call| appends(call) || call.op == Op::CreateTemp && is_segment(call));
        }
        let one = Transaction::new().put("stats/count", &1).expect("a transaction");
        let error = first.commit(one).expect_err("something failed");
        assert!(matches!(error, Error::InDoubt { .. }), "{error}");
        disk.unhook();
        // It is the same consumer that goes on, or the next where this process takes no more commits.
        let settled = counter.next(std::time::Duration::ZERO).expect("no error").expect("the next");
        let expected = if in_journal { "T1" } else { "T0" };
        assert_eq!(settled.event().kind(), expected, "in the journal: {in_journal}");
        drop((settled, counter, store));
        assert_eq!(project_after(&disk.fork()), EVENTS, "in the journal: {in_journal}");
    }
}

fn is_segment(call: &Call) -> bool {
    call.path.starts_with("/s/.docbox/journal")
}
