//! Stories of events that are given up, delivered again, taken by the batch or side by side: a kill before, in
//! and after each call, and then perhaps a power cut.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docbox::{Event, Letters, Order, Result, RetryPolicy, Start, Store, Subscription, Transaction};

use super::kill_at;
use crate::history::is_dead;
use crate::oracle::{disk, open};
use crate::support::sim::{Disk, Op, SimFs, crash_at};

/// A disk with a store of a commit for each of these events, with these subjects, all of it durable.
fn disk_with(subjects: &[&str]) -> Disk {
    let disk = disk();
    let store = open(&disk.process()).expect("opens");
    for subject in subjects {
        let event = Event::bare("T").subject(*subject);
        store.commit(Transaction::new().emit(event)).expect("a commit");
    }
    drop(subscribe(&store, Order::Total).expect("a new subscription"));
    store.close().expect("closes");
    disk.settle();
    disk.fork()
}

fn subscribe(store: &Store, order: Order) -> Result<Subscription> {
    let retry = RetryPolicy { max_attempts: 2, backoff_ms: vec![0], ..RetryPolicy::default() };
    store.subscribe("ui").from(Start::Beginning).order(order).retry(retry).open()
}

/// Runs `run` in a process that dies before each call that changes anything, in turn; then `after`, in another
/// process, of what a kill leaves, and of what power cuts leave.
fn at_each_call(base: &Disk, run: impl Fn(&Arc<SimFs>) -> Result<()>, after: impl Fn(&Disk, &str)) {
    let disk = base.fork();
    run(&disk.process()).expect("a run without faults");
    let calls = (0..).zip(disk.trace()).filter(|(_, call)| call.op.changes());
    let calls: Vec<(u64, String)> = calls.map(|(k, call)| (k, call.to_string())).collect();
    assert!(calls.len() >= 20, "{calls:?}");
    for (k, call) in calls {
        let disk = base.fork();
        disk.hook(crash_at(k));
        if let Err(error) = run(&disk.process()) {
            assert!(is_dead(&error), "{error}");
        }
        disk.unhook();
        after(&disk.fork(), &format!("killed at call {k}, {call}"));
        for seed in 0..4 {
            let disk = disk.fork();
            disk.power_cut(seed);
            after(&disk, &format!("power cut at call {k}, {call}, seed {seed}"));
        }
    }
    let disk = base.fork();
    run(&disk.process()).expect("a run without faults");
    after(&disk, "at the end");
}

fn letters(store: &Store, when: &str) -> Vec<(u64, bool, usize)> {
    let all = store.dead_letters("ui").expect(when);
    let of = |letter: docbox::DeadLetter| {
        (letter.event().position().seq, letter.is_redriven(), letter.attempts().len())
    };
    all.into_iter().map(|letter| of(letter.expect(when))).collect()
}

fn end(store: &Store, when: &str) {
    let report = store.verify().expect(when);
    assert!(report.is_clean(), "{when}: {:#?}", report.findings);
    store.close().expect(when);
}

/// The first event is rejected, the second fails until it is given up, the third succeeds.
fn give_up(store: &Store) -> Result<Vec<u64>> {
    let mut done = Vec::new();
    for delivery in subscribe(store, Order::Total)?.catch_up() {
        let delivery = delivery?;
        match delivery.event().position().seq {
            1 => delivery.reject("never")?,
            2 => drop(delivery.nack("not now")),
            seq => {
                delivery.ack()?;
                done.push(seq);
            }
        }
    }
    Ok(done)
}

#[test]
fn a_dead_letter_its_cursor_and_its_event_are_one_whatever_crashes() {
    let base = disk_with(&["a", "b", "c"]);
    at_each_call(
        &base,
        |process| give_up(&open(process)?).map(drop),
        |disk, when| {
            let store = open(&disk.process()).expect(when);
            give_up(&store).expect(when);
            let there: Vec<u64> = letters(&store, when).iter().map(|letter| letter.0).collect();
            assert_eq!(there, [1, 2], "{when}");
            let events = store.events(Start::Beginning).expect(when);
            let announced = events.map(|event| event.expect(when)).filter(|it| it.kind() != "T");
            assert_eq!(announced.count(), 2, "{when}: each once");
            let position = store.subscriptions().expect(when)[0].position.expect(when);
            assert!(position.seq >= 3, "{when}: {position}");
            end(&store, when);
        },
    );
}

/// Redrives both letters; the first succeeds, the second fails until it is put back.
fn redrive(store: &Store, seen: &Mutex<BTreeSet<u64>>) -> Result<()> {
    store.redrive("ui", &Letters::default())?;
    for delivery in subscribe(store, Order::Total)?.catch_up() {
        let delivery = delivery?;
        let seq = delivery.event().position().seq;
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(seq);
        if seq == 2 {
            delivery.nack("still not");
        } else {
            delivery.ack()?;
        }
    }
    Ok(())
}

#[test]
fn a_redriven_letter_is_delivered_and_never_lost_whatever_crashes() {
    let base = disk_with(&["a", "b", "c"]);
    give_up(&open(&base.process()).expect("opens")).expect("gives up");
    base.settle();
    let base = base.fork();
    let seen = Mutex::new(BTreeSet::new());
    at_each_call(
        &base,
        |process| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
            redrive(&open(process)?, &seen)
        },
        |disk, when| {
            let store = open(&disk.process()).expect(when);
            let there = letters(&store, when);
            let handled = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert!(there.iter().any(|letter| letter.0 == 1) || handled.contains(&1), "{when}");
            let second = there.iter().find(|letter| letter.0 == 2).expect(when);
            // Asked for or not, put back or not: what is marked is delivered by the next consumer.
            let marked: Vec<u64> = there.iter().filter(|it| it.1).map(|it| it.0).collect();
            let mut delivered = BTreeSet::new();
            for delivery in subscribe(&store, Order::Total).expect(when).catch_up() {
                let delivery = delivery.expect(when);
                let seq = delivery.event().position().seq;
                assert!(delivery.is_redriven(), "{when}: the cursor had passed all else");
                delivered.insert(seq);
                if seq == 2 {
                    delivery.nack("still not");
                } else {
                    delivery.ack().expect(when);
                }
            }
            // What was handed over twice already is put back without another try.
            let expected = marked.iter().filter(|seq| **seq == 1 || delivered.contains(seq));
            assert!(delivered.iter().eq(expected), "{when}: {delivered:?} of {marked:?}");
            let left = letters(&store, when);
            let put_back = left.iter().find(|letter| letter.0 == 2).expect(when);
            assert!(!put_back.1, "{when}");
            let added = if marked.contains(&2) { 2 } else { 0 };
            assert_eq!(put_back.2, second.2 + added, "{when}: attempts are added");
            assert_eq!(left.len(), there.len() - usize::from(marked.contains(&1)), "{when}");
            end(&store, when);
        },
    );
}

#[test]
fn a_consumer_that_lives_hears_of_a_redrive_whose_writer_died_before_it_moved_the_head() {
    let disk = disk_with(&["a", "b", "c"]);
    let (consumer, writer) = (disk.process(), disk.process());
    let store = open(&consumer).expect("opens");
    give_up(&store).expect("gives up");
    let mut ui = subscribe(&store, Order::Total).expect("opens");
    assert!(ui.next(Duration::ZERO).expect("no error").is_none());
    let other = open(&writer).expect("opens");
    // Past the head that is written before a segment is begun.
    let marked = AtomicBool::new(false);
    kill_at(&disk, move |call| {
        let marks = call.to.as_ref().is_some_and(|to| to.starts_with("/s/.docbox/dead"));
        let marked = marked.fetch_or(marks, Relaxed);
        marked && call.op == Op::WriteAt && call.path.ends_with("head")
    });
    other.redrive("ui", &Letters::default()).expect_err("it dies");
    disk.unhook();
    assert!(!disk.is_alive(&writer), "killed when all but the head was done");
    // Whoever comes next rolls forward, here the consumer's own process.
    store.commit(Transaction::new().put("any", &1).expect("a transaction")).expect("a commit");
    let letter = ui.next(Duration::ZERO).expect("no error").expect("the letter");
    assert!(letter.is_redriven());
    letter.ack().expect("an ack");
}

/// Takes all events side by side and settles them by commits, the last first, each with a document that must
/// not be there yet.
fn project(store: &Store) -> Result<()> {
    let mut ui = subscribe(store, Order::PerSubject { parallel: 3 })?;
    loop {
        let mut hand = Vec::new();
        while let Some(delivery) = ui.next(Duration::ZERO)? {
            hand.push(delivery);
        }
        if hand.is_empty() {
            return ui.sync();
        }
        while let Some(delivery) = hand.pop() {
            let key = format!("seen/{}", delivery.event().position().seq);
            delivery.commit(Transaction::new().put_new(key, &1)?)?;
        }
    }
}

#[test]
fn commits_that_settle_events_side_by_side_happen_once_each_whatever_crashes() {
    let base = disk_with(&["a", "b", "c", "a"]);
    at_each_call(
        &base,
        |process| project(&open(process)?),
        |disk, when| {
            let store = open(&disk.process()).expect(when);
            project(&store).unwrap_or_else(|error| panic!("{when}: handled twice: {error}"));
            let seen = store.list("seen/").expect(when);
            assert_eq!(seen.len(), 4, "{when}");
            assert!(store.dead_letter_positions("ui").expect(when).is_empty(), "{when}");
            end(&store, when);
        },
    );
}

/// What a consumer by batches was given, and what it was told to be settled.
#[derive(Debug, Default)]
struct Told {
    given: BTreeSet<u64>,
    acked: BTreeSet<u64>,
}

fn take_batches(store: &Store, told: &Mutex<Told>) -> Result<()> {
    let mut ui = subscribe(store, Order::Total)?;
    let told = || told.lock().unwrap_or_else(PoisonError::into_inner);
    for batch in ui.catch_up_in_batches(2) {
        let batch = batch?;
        let seqs: Vec<u64> = batch.iter().map(|it| it.event().position().seq).collect();
        told().given.extend(&seqs);
        batch.ack()?;
        told().acked.extend(&seqs);
    }
    Ok(())
}

#[test]
fn a_batch_loses_nothing_and_after_a_kill_brings_nothing_again_that_was_settled() {
    let base = disk_with(&["a", "b", "c", "d", "e"]);
    let told = Mutex::new(Told::default());
    at_each_call(
        &base,
        |process| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Told::default();
            take_batches(&open(process)?, &told)
        },
        |disk, when| {
            let store = open(&disk.process()).expect(when);
            let told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let mut again = BTreeSet::new();
            let mut ui = subscribe(&store, Order::Total).expect(when);
            for delivery in ui.catch_up() {
                let delivery = delivery.expect(when);
                let seq = delivery.event().position().seq;
                again.insert(seq);
                if !when.starts_with("power cut") {
                    let handed_over =
                        if told.given.contains(&seq) { 2 } else { delivery.attempt() };
                    assert_eq!(delivery.attempt(), handed_over, "{when}: attempts are counted");
                    assert!(!told.acked.contains(&seq), "{when}: {seq} was settled");
                }
                delivery.ack().expect(when);
            }
            let all: BTreeSet<u64> = again.union(&told.given).copied().collect();
            assert_eq!(all, (1..=5).collect(), "{when}: none is lost");
            drop(ui);
            end(&store, when);
        },
    );
}
