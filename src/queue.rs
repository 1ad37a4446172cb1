//! The queue of transactions: many callers, one leader, one sync a batch.
//!
//! Whoever finds nobody leading takes what waits, commits it, and tells each caller. The rest wait for
//! their results; whoever of them wakes first leads the next batch.

use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::key::Key;
use crate::revision::Revision;
use crate::transaction::Transaction;

/// The most transactions that share a sync.
pub const BATCH_TRANSACTIONS: usize = 1024;
/// No more transactions are taken into a batch once it holds this many bytes of documents.
pub const BATCH_BYTES: usize = 8 << 20;

/// A commit that was made: durable, in place, and to be delivered.
#[derive(Clone, Debug)]
pub struct Commit {
    pub(crate) seq: u64,
    pub(crate) revisions: Vec<(Key, Option<Revision>)>,
}

impl Commit {
    /// Its place in the sequence of all commits: 1, 2, 3 …
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The new revision of a document that it wrote; `None` for one that it deleted or did not write.
    #[must_use]
    pub fn revision(&self, key: &str) -> Option<Revision> {
        let key = Key::new(key).ok()?;
        self.revisions.iter().find(|(written, _)| *written == key)?.1
    }

    /// Every document that it wrote, in the order of the transaction; `None` for a deletion.
    #[must_use]
    pub fn revisions(&self) -> &[(Key, Option<Revision>)] {
        &self.revisions
    }
}

/// Transactions that wait for a leader, and results that wait for their callers.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(u64, Transaction)>,
    done: HashMap<u64, Result<Commit>>,
    leading: bool,
    next_ticket: u64,
}

impl Queue {
    /// Queues transactions behind each other, with nobody's in between; a ticket for each.
    pub fn push(&self, transactions: Vec<Transaction>) -> Vec<u64> {
        let mut state = self.lock();
        let first = state.next_ticket;
        state.next_ticket += transactions.len() as u64;
        let tickets = first..state.next_ticket;
        state.waiting.extend(tickets.clone().zip(transactions));
        tickets.collect()
    }

    /// Waits for the result of a ticket, leading batches as long as nobody else does: `lead` commits
    /// some transactions, and has one result for each, in order.
    ///
    /// # Errors
    /// The result.
    pub fn wait(
        &self,
        ticket: u64,
        mut lead: impl FnMut(Vec<Transaction>) -> Vec<Result<Commit>>,
    ) -> Result<Commit> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.done.remove(&ticket) {
                return result;
            }
            if state.leading {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.leading = true;
            let (tickets, transactions): (Vec<u64>, Vec<Transaction>) =
                take_batch(&mut state.waiting).into_iter().unzip();
            drop(state);
            let results = panic::catch_unwind(AssertUnwindSafe(|| lead(transactions)));
            state = self.lock();
            state.leading = false;
            self.changed.notify_all();
            match results {
                Ok(results) => state.done.extend(tickets.into_iter().zip(results)),
                Err(panicked) => {
                    let others = tickets.into_iter().filter(|other| *other != ticket);
                    state.done.extend(others.map(|other| (other, Err(lost()))));
                    drop(state);
                    panic::resume_unwind(panicked);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What those hear whose leader panicked.
fn lost() -> Error {
    Error::InDoubt { seq: 0, cause: "docbox panicked while committing".into() }
}

fn take_batch(waiting: &mut VecDeque<(u64, Transaction)>) -> Vec<(u64, Transaction)> {
    let mut bytes = 0;
    let mut count = 0;
    for (_, transaction) in waiting.iter().take(BATCH_TRANSACTIONS) {
        bytes += transaction.document_bytes();
        if count > 0 && bytes > BATCH_BYTES {
            break;
        }
        count += 1;
    }
    waiting.drain(..count).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn one() -> Vec<Transaction> {
        vec![Transaction::new()]
    }

    fn made(seq: u64) -> Commit {
        Commit { seq, revisions: Vec::new() }
    }

    #[test]
    fn what_is_queued_together_is_led_together_and_in_order() {
        let queue = Queue::default();
        let tickets = queue.push(vec![Transaction::new(), Transaction::new(), Transaction::new()]);
        let mut batches = Vec::new();
        let first = queue.wait(tickets[0], |batch| {
            batches.push(batch.len());
            (1..=batch.len() as u64).map(made).map(Ok).collect()
        });
        assert_eq!(first.unwrap().seq(), 1);
        for (ticket, seq) in tickets.into_iter().zip(1..).skip(1) {
            let result = queue.wait(ticket, |_| unreachable!("it is done"));
            assert_eq!(result.unwrap().seq(), seq);
        }
        assert_eq!(batches, [3]);
    }

    #[test]
    fn never_two_lead_and_each_gets_its_own_result() {
        let queue = Arc::new(Queue::default());
        let leaders = Arc::new(Mutex::new((0_u32, 0_u64)));
        thread::scope(|scope| {
            let waits: Vec<_> = (0..32)
                .map(|_| {
                    let (queue, leaders) = (Arc::clone(&queue), Arc::clone(&leaders));
                    scope.spawn(move || {
                        let ticket = queue.push(one())[0];
                        let result = queue.wait(ticket, |batch| {
                            {
                                let mut leaders = leaders.lock().unwrap();
                                leaders.0 += 1;
                                assert_eq!(leaders.0, 1, "one leads");
                            }
                            thread::yield_now();
                            let mut leaders = leaders.lock().unwrap();
                            leaders.0 -= 1;
                            let first = leaders.1 + 1;
                            leaders.1 += batch.len() as u64;
                            (first..=leaders.1).map(made).map(Ok).collect()
                        });
                        result.unwrap().seq()
                    })
                })
                .collect();
            let mut seqs: Vec<u64> = waits.into_iter().map(|wait| wait.join().unwrap()).collect();
            seqs.sort_unstable();
            assert_eq!(seqs, (1..=32).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let queue = Queue::default();
        let tickets = queue.push(vec![Transaction::new(), Transaction::new()]);
        let led = panic::catch_unwind(AssertUnwindSafe(|| {
            queue.wait(tickets[0], |_| panic!("as a test"))
        }));
        assert!(led.is_err());
        let other = queue.wait(tickets[1], |_| unreachable!("it was told"));
        assert!(matches!(other, Err(Error::InDoubt { .. })));
        let next = queue.push(one())[0];
        assert_eq!(queue.wait(next, |_| vec![Ok(made(9))]).unwrap().seq(), 9, "others may lead");
    }
}
