//! The queue under all schedules, or very many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
// What only notes is no step of a schedule.
use std::sync::Mutex as Notes;

use super::*;
use crate::sync::tests::{alone, under_every_schedule, under_many_schedules};
use crate::sync::{Arc, thread};

/// Callers, and what their leaders note. Of each transaction the key says whose it is.
#[derive(Default)]
struct Office {
    queue: Queue,
    /// What was led, in order: the key, and the batch in which it was.
    led: Notes<Vec<(String, usize)>>,
    /// How many lead just now, and how many batches there were.
    leading: Notes<(u32, usize)>,
}

impl Office {
    /// Commits a batch: notes it, and gives each transaction its seq and its own key back.
    fn lead(&self, batch: &[Transaction]) -> Vec<Result<Commit>> {
        let number = {
            let mut leading = self.leading.lock().unwrap();
            leading.0 += 1;
            leading.1 += 1;
            assert_eq!(leading.0, 1, "one leads");
            leading.1
        };
        assert!(!batch.is_empty() && batch.len() <= BATCH_TRANSACTIONS, "{}", batch.len());
        let bytes: usize = batch.iter().map(Transaction::document_bytes).sum();
        assert!(batch.len() == 1 || bytes <= BATCH_BYTES, "{bytes}");
        thread::yield_now();
        let mut led = self.led.lock().unwrap();
        let results = batch.iter().map(|transaction| {
            let key = transaction.writes[0].key.clone();
            led.push((key.as_str().to_owned(), number));
            Ok(Commit { seq: led.len() as u64, revisions: vec![(key, None)] })
        });
        let results = results.collect();
        drop(led);
        self.leading.lock().unwrap().0 -= 1;
        results
    }

    /// One caller: queues its transactions together, and has their results, in order.
    fn call(&self, transactions: Vec<Transaction>) -> Vec<u64> {
        let keys: Vec<Key> = transactions.iter().map(|one| one.writes[0].key.clone()).collect();
        let tickets = self.queue.push(transactions);
        let results = tickets.into_iter().zip(keys).map(|(ticket, key)| {
            let commit = self.queue.wait(&ticket, |take| self.lead(&take())).unwrap();
            assert_eq!(commit.revisions, [(key, None)], "everybody gets their own result");
            commit.seq
        });
        results.collect()
    }

    /// Nothing is left over, and nobody was forgotten or led twice.
    fn check(&self, mut seqs: Vec<u64>) {
        seqs.sort_unstable();
        assert!(seqs.iter().copied().eq(1..=self.led.lock().unwrap().len() as u64), "{seqs:?}");
        let state = self.queue.lock();
        assert!(state.waiting.is_empty() && state.results.is_empty());
        assert_eq!(state.leader, Leader::None);
    }
}

/// The transaction `number` of a caller.
fn of(caller: usize, number: usize) -> Transaction {
    Transaction::new().remove(format!("c{caller}/{number}")).unwrap()
}

fn several(caller: usize, count: usize) -> Vec<Transaction> {
    (0..count).map(|number| of(caller, number)).collect()
}

/// A thread that leads where callers are left behind a batch, from now on; how many batches it began. Before each it
/// does something, with which of them that is.
fn stand(
    office: &Arc<Office>,
    before: impl Fn(&Office, usize) + Send + 'static,
) -> thread::JoinHandle<usize> {
    let office = Arc::clone(office);
    thread::spawn(move || {
        let mut batches = 0;
        office.queue.serve(|take| {
            batches += 1;
            before(&office, batches);
            office.lead(&take())
        });
        batches
    })
}

/// Waits until the standing leader is there.
fn until_one_stands(office: &Office) {
    while !matches!(office.queue.lock().standing, Standing::There(_)) {
        thread::yield_now();
    }
}

/// Everybody at once.
fn all_call(calls: Vec<Vec<Transaction>>) {
    let office = Arc::new(Office::default());
    let seqs = all_call_at(&office, calls);
    office.check(seqs);
}

/// The same with a standing leader, which is dismissed at some moment, or once all is done.
fn all_call_and_one_stands(calls: Vec<Vec<Transaction>>, is_dismissed_soon: bool) {
    let office = Arc::new(Office::default());
    let standing = stand(&office, |_, _| ());
    let dismissing = is_dismissed_soon.then(|| {
        let office = Arc::clone(&office);
        thread::spawn(move || office.queue.dismiss())
    });
    let seqs = all_call_at(&office, calls);
    match dismissing {
        Some(dismissing) => dismissing.join().unwrap(),
        None => office.queue.dismiss(),
    }
    standing.join().unwrap();
    office.check(seqs);
}

fn all_call_at(office: &Arc<Office>, calls: Vec<Vec<Transaction>>) -> Vec<u64> {
    let threads: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let office = Arc::clone(office);
            thread::spawn(move || office.call(call))
        })
        .collect();
    let mut seqs = Vec::new();
    for thread in threads {
        let mine = thread.join().unwrap();
        assert!(mine.is_sorted_by(|one, next| one + 1 == *next), "nobody's in between: {mine:?}");
        seqs.extend(mine);
    }
    seqs
}

#[test]
fn what_is_queued_together_is_led_together_and_in_order() {
    alone(|| {
        let office = Office::default();
        assert_eq!(office.call(several(0, 3)), [1, 2, 3]);
        assert_eq!(office.leading.lock().unwrap().1, 1, "one batch");
    });
}

#[test]
fn two_callers_never_lead_at_once_nor_wait_for_ever() {
    // Too many schedules to try them all.
    under_many_schedules(20_000, || all_call(vec![several(0, 1), several(1, 1)]));
}

#[test]
fn never_two_lead_and_each_gets_its_own_result() {
    under_many_schedules(6_000, || all_call((0..5).map(|n| several(n, 1 + n % 3)).collect()));
}

#[test]
fn a_standing_leader_and_callers_never_lead_at_once_nor_forget_anybody() {
    under_every_schedule(|| all_call_and_one_stands(vec![several(0, 1)], false));
    for is_dismissed_soon in [false, true] {
        let calls = || (0..4).map(|n| several(n, 1 + n % 3)).collect();
        under_many_schedules(6_000, move || all_call_and_one_stands(calls(), is_dismissed_soon));
    }
}

#[test]
fn a_standing_leader_is_asked_for_once_somebody_is_left_behind_a_batch() {
    alone(|| {
        let office = Office::default();
        office.call(several(0, 3));
        assert!(!office.queue.wants_leader(), "nobody was");
        // More than one batch holds.
        office.call(several(0, BATCH_TRANSACTIONS + 1));
        assert!(office.queue.wants_leader());
        office.call(several(0, BATCH_TRANSACTIONS + 1));
        assert!(!office.queue.wants_leader(), "it is said once");
    });
}

#[test]
fn the_standing_leader_leads_who_is_left_behind_a_batch() {
    let go = || {
        let office = Arc::new(Office::default());
        let standing = stand(&office, |_, _| ());
        until_one_stands(&office);
        let mut tickets = office.queue.push(several(0, BATCH_TRANSACTIONS + 2));
        let mut led = 0;
        for ticket in tickets.drain(..) {
            let count = |take: Take<'_>| {
                led += 1;
                office.lead(&take())
            };
            office.queue.wait(&ticket, count).unwrap();
        }
        assert_eq!((led, office.leading.lock().unwrap().1), (1, 2), "the second was not led here");
        office.queue.dismiss();
        standing.join().unwrap();
    };
    under_many_schedules(40, go);
}

/// One whom another is to tell, who never comes: the leader has so many more to lead behind their batch.
fn whoever_is_to_tell_never_comes(more: usize) {
    let office = Arc::new(Office::default());
    let came = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&came);
    let standing = stand(&office, move |_, batch| {
        while batch == 3 && !seen.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    });
    until_one_stands(&office);
    let mut tickets = office.queue.push(several(0, BATCH_TRANSACTIONS + 20 + more));
    let hanging = tickets.remove(BATCH_TRANSACTIONS + 1);
    let wait = |ticket| office.queue.wait(&ticket, |take| office.lead(&take())).unwrap();
    // The first batch is led here.
    wait(tickets.remove(0));
    wait(hanging);
    came.store(true, Ordering::Relaxed);
    for ticket in tickets {
        wait(ticket);
    }
    office.queue.dismiss();
    standing.join().unwrap();
    assert!(office.queue.lock().results.is_empty());
}

#[test]
fn nobody_depends_on_whoever_is_to_tell_them() {
    under_many_schedules(10, || whoever_is_to_tell_never_comes(0));
    under_many_schedules(10, || whoever_is_to_tell_never_comes(2 * BATCH_TRANSACTIONS));
}

#[test]
fn a_batch_holds_so_many_transactions_and_no_more() {
    under_many_schedules(60, || all_call((0..3).map(|n| several(n, 700)).collect()));
}

#[test]
fn a_batch_holds_so_many_bytes_and_no_more() {
    let text = format!("\"{}\"", "x".repeat(BATCH_BYTES / 3));
    let large = |n: usize| Transaction::new().put_json(format!("c{n}/0"), &text).unwrap();
    let calls: Vec<_> = (0..4).map(|n| vec![large(n)]).collect();
    under_many_schedules(60, move || all_call(calls.clone()));
}

/// Callers of whom one panics when it leads; how many were told that the outcome is in doubt.
fn one_panics(callers: usize) {
    let office = Arc::new(Office::default());
    let threads: Vec<_> = (0..callers)
        .map(|caller| {
            let office = Arc::clone(&office);
            thread::spawn(move || {
                let ticket = office.queue.push(several(caller, 1)).remove(0);
                catch_unwind(AssertUnwindSafe(|| {
                    office.queue.wait(&ticket, |take| {
                        let batch = take();
                        if caller == 0 {
                            resume_unwind(Box::new(batch.len()));
                        }
                        office.lead(&batch)
                    })
                }))
            })
        })
        .collect();
    let (mut panicked, mut lost, mut seqs) = (None, 0, Vec::new());
    for (caller, thread) in threads.into_iter().enumerate() {
        match thread.join().unwrap() {
            Ok(Ok(commit)) => {
                assert_eq!(commit.revisions[0].0.as_str(), format!("c{caller}/0"));
                seqs.push(commit.seq);
            }
            Ok(Err(Error::InDoubt { .. })) => lost += 1,
            Ok(Err(other)) => panic!("{other}"),
            Err(led) => panicked = Some(*led.downcast::<usize>().unwrap()),
        }
    }
    // Of a batch whose leader panicked all others are told; those who were not in it are served.
    assert_eq!(lost, panicked.map_or(0, |batch| batch - 1));
    office.check(seqs);
}

#[test]
fn a_leader_that_panics_leaves_nobody_waiting() {
    under_every_schedule(|| one_panics(2));
    under_many_schedules(6_000, || one_panics(5));
}

#[test]
fn a_standing_leader_that_panics_leaves_nobody_waiting_and_leads_on() {
    let go = || {
        let office = Arc::new(Office::default());
        // It has not taken anything yet.
        let standing = stand(&office, |_, batch| {
            if batch == 1 {
                resume_unwind(Box::new(()));
            }
        });
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let office = Arc::clone(&office);
                thread::spawn(move || {
                    (0..2)
                        .map(move |number| {
                            let ticket = office.queue.push(vec![of(caller, number)]).remove(0);
                            office.queue.wait(&ticket, |take| office.lead(&take()))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let results = callers.into_iter().flat_map(|caller| caller.join().unwrap());
        let (committed, lost): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
        assert!(lost.iter().all(|lost| matches!(lost, Err(Error::InDoubt { .. }))), "{lost:?}");
        office.queue.dismiss();
        let batches = standing.join().unwrap();
        assert_eq!(batches == 0, lost.is_empty(), "those in the first batch that it led");
        office.check(committed.into_iter().map(|commit| commit.unwrap().seq).collect());
    };
    under_many_schedules(6_000, go);
}
