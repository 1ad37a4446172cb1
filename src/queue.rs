//! The queue of transactions: many callers, one leader, one sync a batch.
//!
//! Whoever finds nobody leading takes what waits, commits it, and tells each caller. The rest wait for
//! their results; the first of those who were not in the batch leads the next.

use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};

use crate::error::{Error, Result};
use crate::key::Key;
use crate::revision::Revision;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread};
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
pub struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Ticket, Transaction)>,
    done: HashMap<u64, Result<Commit>>,
    leader: Leader,
    next_number: u64,
    /// How many transactions the last batch had.
    last_batch: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Leader {
    /// The queue is empty.
    #[default]
    None,
    /// Whoever has the ticket of this number, the first in the queue, is to lead.
    Next(u64),
    /// Somebody leads.
    Somebody,
}

/// The place of a transaction in the queue.
#[derive(Clone, Debug)]
pub struct Ticket {
    number: u64,
    /// Of its own, so that nobody is woken for another's sake.
    told: Arc<Condvar>,
}

impl Queue {
    /// Queues transactions behind each other, with nobody's in between; a ticket for each. Each ticket is to
    /// be waited for, in their order.
    pub fn push(&self, transactions: Vec<Transaction>) -> Vec<Ticket> {
        let mut state = self.lock();
        let first = state.next_number;
        state.next_number += transactions.len() as u64;
        let new = |number| Ticket { number, told: Arc::default() };
        let tickets: Vec<Ticket> = (first..state.next_number).map(new).collect();
        state.waiting.extend(tickets.iter().cloned().zip(transactions));
        if state.leader == Leader::None {
            // The one who is to lead is the caller.
            state.choose_leader();
        }
        tickets
    }

    /// Waits for the result of a ticket, and leads batches where it is the turn of its holder: `lead`
    /// commits some transactions, and has one result for each, in order.
    ///
    /// # Errors
    /// The result.
    pub fn wait(
        &self,
        ticket: &Ticket,
        mut lead: impl FnMut(Vec<Transaction>) -> Vec<Result<Commit>>,
    ) -> Result<Commit> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.done.remove(&ticket.number) {
                return result;
            }
            if state.leader != Leader::Next(ticket.number) {
                state = ticket.told.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.leader = Leader::Somebody;
            if state.last_batch > 1 {
                // Those whose commits were made a moment ago come back with the next, if they get that moment.
                drop(state);
                thread::yield_now();
                state = self.lock();
            }
            let batch = take_batch(&mut state.waiting);
            state.last_batch = batch.len();
            drop(state);
            state = self.lead(batch, &mut lead);
        }
    }

    /// Leads the batch at whose head the caller stands.
    fn lead(
        &self,
        batch: Vec<(Ticket, Transaction)>,
        lead: &mut impl FnMut(Vec<Transaction>) -> Vec<Result<Commit>>,
    ) -> MutexGuard<'_, State> {
        let (tickets, transactions): (Vec<Ticket>, Vec<Transaction>) = batch.into_iter().unzip();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| lead(transactions)));
        let (results, panicked) = match outcome {
            Ok(results) => (results, None),
            Err(panicked) => (tickets.iter().map(|_| Err(lost())).collect(), Some(panicked)),
        };
        let mut state = self.lock();
        // The next batch need not wait until everybody in this one is awake.
        let next = state.choose_leader();
        state.done.extend(tickets.iter().map(|ticket| ticket.number).zip(results));
        if let (Some(_), Some(own)) = (&panicked, tickets.first()) {
            state.done.remove(&own.number);
        }
        drop(state);
        for ticket in next.iter().chain(tickets.iter().skip(1)) {
            ticket.told.notify_one();
        }
        if let Some(panicked) = panicked {
            panic::resume_unwind(panicked);
        }
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whoever is first in the queue is to lead next, and to be told so.
    fn choose_leader(&mut self) -> Option<Ticket> {
        let next = self.waiting.front().map(|(ticket, _)| ticket.clone());
        self.leader = next.as_ref().map_or(Leader::None, |ticket| Leader::Next(ticket.number));
        next
    }
}

/// What those hear whose leader panicked.
fn lost() -> Error {
    Error::InDoubt { seq: 0, cause: "docbox panicked while committing".into() }
}

fn take_batch(waiting: &mut VecDeque<(Ticket, Transaction)>) -> Vec<(Ticket, Transaction)> {
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
