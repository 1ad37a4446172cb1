//! Commits: many callers, one leader, one sync a batch.
//!
//! Whoever finds nobody leading takes all that waits, makes it durable with one write and one sync, puts
//! it in place, moves the head, and tells each caller. The rest wait for their results.

use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::batch::Batch;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::journal::Place;
use crate::key::Key;
use crate::lock::Locked;
use crate::recovery::roll_forward;
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
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, transaction: Transaction) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.push_back((ticket, transaction));
        ticket
    }
}

/// Commits one transaction, together with whatever else waits.
///
/// # Errors
/// Whatever makes the transaction void; [`Error::InDoubt`].
pub fn commit(core: &Core, transaction: Transaction) -> Result<Commit> {
    check(core, &transaction)?;
    let ticket = core.queue.lock().push(transaction);
    wait(core, ticket)
}

/// Commits each transaction for itself, in order; one result for each.
pub fn commit_all(core: &Core, transactions: Vec<Transaction>) -> Vec<Result<Commit>> {
    let checked: Vec<Result<Transaction>> = transactions
        .into_iter()
        .map(|transaction| check(core, &transaction).map(|()| transaction))
        .collect();
    let mut state = core.queue.lock();
    // All of them under one lock, so that they are one batch as far as a batch goes.
    let tickets: Vec<Result<u64>> = checked
        .into_iter()
        .map(|transaction| transaction.map(|transaction| state.push(transaction)))
        .collect();
    drop(state);
    tickets.into_iter().map(|ticket| ticket.and_then(|ticket| wait(core, ticket))).collect()
}

/// What can be refused before it queues.
fn check(core: &Core, transaction: &Transaction) -> Result<()> {
    core.check_writable()?;
    // Behind a leader that waits for this very thread it would never be refused.
    core.lock.check_caller()?;
    transaction.check()
}

/// Waits for the result of a transaction, leading batches as long as nobody else does.
fn wait(core: &Core, ticket: u64) -> Result<Commit> {
    let queue = &core.queue;
    let mut state = queue.lock();
    loop {
        if let Some(result) = state.done.remove(&ticket) {
            return result;
        }
        if state.leading {
            state = queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        state.leading = true;
        let (tickets, transactions): (Vec<u64>, Vec<Transaction>) =
            take_batch(&mut state.waiting).into_iter().unzip();
        drop(state);
        let led = panic::catch_unwind(AssertUnwindSafe(|| lead(core, transactions)));
        state = queue.lock();
        state.leading = false;
        queue.changed.notify_all();
        match led {
            Ok(results) => state.done.extend(tickets.into_iter().zip(results)),
            Err(panicked) => {
                let lost =
                    || Error::InDoubt { seq: 0, cause: "docbox panicked while committing".into() };
                state
                    .done
                    .extend(tickets.into_iter().filter(|t| *t != ticket).map(|t| (t, Err(lost()))));
                drop(state);
                panic::resume_unwind(panicked);
            }
        }
    }
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

/// Commits a batch; one result for each transaction, in order.
fn lead(core: &Core, transactions: Vec<Transaction>) -> Vec<Result<Commit>> {
    let count = transactions.len();
    let all = |error: &Error| (0..count).map(|_| Err(error.again())).collect();
    let span = tracing::debug_span!("commit", transactions = count);
    let _entered = span.enter();
    let mut locked = match core.lock.take() {
        Ok(locked) => locked,
        Err(error) => return all(&error),
    };
    let head = match locked.check_sound().and_then(|()| roll_forward(core, &mut locked)) {
        Ok(head) => head,
        Err(error) => return all(&error),
    };
    let mut batch = Batch::new(core, &head);
    let accepted: Vec<Result<Commit>> =
        transactions.into_iter().map(|transaction| batch.add(transaction)).collect();
    match write(core, &mut locked, &head, batch) {
        Ok(()) => accepted,
        Err(failure) => accepted
            .into_iter()
            .map(|result| result.and_then(|commit| Err(failure.of(&commit))))
            .collect(),
    }
}

/// Why a whole batch failed.
enum Failure {
    /// It will never appear.
    Void(Error),
    /// It is in the journal, or may be.
    InDoubt(Error),
}

impl Failure {
    fn of(&self, commit: &Commit) -> Error {
        match self {
            Self::Void(error) => error.again(),
            Self::InDoubt(error) => Error::InDoubt { seq: commit.seq, cause: error.to_string() },
        }
    }
}

/// Makes the accepted transactions of a batch durable, puts them in place and moves the head.
fn write(
    core: &Core,
    locked: &mut Locked<'_>,
    head: &Head,
    batch: Batch<'_>,
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let place = match locked.journal().make_room(head, batch.line_bytes().len() as u64) {
        Ok(place) => place,
        Err(error) => {
            batch.discard();
            return Err(Failure::Void(error));
        }
    };
    if let Err(error) = locked.journal().append(place, batch.line_bytes()) {
        batch.discard();
        return Err(revoke(locked, head, place, error));
    }
    // Durable. From here on it cannot be taken back.
    let head = batch.head(place);
    batch.put_in_place().and_then(|()| locked.write_head(&head)).map_err(Failure::InDoubt)?;
    core.bell.ring();
    tracing::debug!(seq = head.seq, "committed");
    Ok(())
}

/// A failed write or sync is never tried again on the same pages: the batch is made void by name.
fn revoke(locked: &mut Locked<'_>, head: &Head, place: Place, error: Error) -> Failure {
    tracing::error!(%error, seq = head.seq + 1, "writing the journal failed");
    match locked.journal().revoke(head, place) {
        Ok(true) => Failure::Void(error),
        Ok(false) => {
            locked.poison(&error.to_string());
            Failure::InDoubt(error)
        }
        Err(second) => {
            locked.poison(&format!("{error}; then {second}"));
            Failure::InDoubt(error)
        }
    }
}
