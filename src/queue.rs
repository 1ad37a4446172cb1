//! The queue of transactions: many callers, one leader, one sync a batch.
//!
//! Whoever finds nobody leading takes what waits, commits it, and tells each caller. The rest wait for
//! their results; whoever of them wakes first leads the next batch.

use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};

use crate::error::{Error, Result};
use crate::key::Key;
use crate::revision::Revision;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
mod tests;
