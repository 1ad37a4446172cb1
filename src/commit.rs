//! Commits: a batch becomes durable with one write and one sync, then it is put in place, then the head
//! moves.

use std::sync::Arc;

use crate::batch::Batch;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::journal::{Failed, Place};
use crate::lock::Locked;
use crate::queue::{Commit, Take};
use crate::recovery::find_end;
use crate::spool::with_room;
use crate::transaction::Transaction;

/// Commits one transaction, together with whatever else waits.
///
/// # Errors
/// Whatever makes the transaction void; [`Error::InDoubt`].
pub fn commit(core: &Core, transaction: Transaction) -> Result<Commit> {
    check(core, &transaction)?;
    let ticket = core.queue.push(vec![transaction]).remove(0);
    core.queue.wait(&ticket, |take| lead(core, take))
}

/// Commits each transaction for itself, in order; one result for each.
pub fn commit_all(core: &Core, transactions: Vec<Transaction>) -> Vec<Result<Commit>> {
    let mut sound = Vec::with_capacity(transactions.len());
    let mut checked = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        checked.push(check(core, &transaction).map(|()| {
            sound.push(transaction);
            sound.len() - 1
        }));
    }
    // All at once, so that they are one batch as far as a batch goes.
    let tickets = core.queue.push(sound);
    let wait = |at: usize| core.queue.wait(&tickets[at], |take| lead(core, take));
    checked.into_iter().map(|at| at.and_then(wait)).collect()
}

/// What can be refused before it queues.
fn check(core: &Core, transaction: &Transaction) -> Result<()> {
    core.check_writable()?;
    // Behind a leader that waits for this very thread it would never be refused.
    core.lock.check_caller()?;
    transaction.check()
}

/// Commits a batch; one result for each transaction, in order.
pub fn lead(core: &Core, take: Take<'_>) -> Vec<Result<Commit>> {
    let locked = core.lock.take_for_batch();
    // Not before: whoever comes while another process holds the lock is in it.
    let transactions = take();
    let count = transactions.len();
    let all = |error: &Error| (0..count).map(|_| Err(error.again())).collect();
    let span = tracing::debug_span!("commit", transactions = count);
    let _entered = span.enter();
    let mut locked = match locked {
        Ok(locked) => locked,
        Err(error) => return all(&error),
    };
    let (head, place) = match locked.check_sound().and_then(|()| find_end(core, &mut locked)) {
        Ok(end) => end,
        Err(error) => return all(&error),
    };
    let mut batch = Batch::new(core, &head);
    let accepted: Vec<Result<Commit>> =
        transactions.into_iter().map(|transaction| batch.add(transaction)).collect();
    match write(core, &mut locked, (&head, place), batch) {
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
    (head, place): (&Head, Place),
    mut batch: Batch<'_>,
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    core.spool.before(head.seq);
    let len = batch.line_bytes().len() as u64;
    let make_room = || locked.make_room(head, place, len);
    let place = match with_room(&core.documents, &core.spool, make_room) {
        Ok(place) => place,
        Err(error) => {
            batch.discard();
            return Err(Failure::Void(error));
        }
    };
    // Putting in place must not fail for want of what others may take meanwhile.
    let reserve = batch.needs_descriptors().then(|| core.documents.reserve()).transpose();
    let reserve = match reserve {
        Ok(reserve) => reserve,
        Err(error) => {
            batch.discard();
            return Err(Failure::Void(error));
        }
    };
    let next = batch.head(place);
    let lines = Arc::new(batch.take_lines());
    if let Err(failed) = append(core, locked, (place, &next), &lines, &mut batch) {
        batch.discard();
        return Err(match failed {
            Failed::Untouched(error) => Failure::Void(error),
            Failed::Unknown(error) => revoke(locked, head, place, error),
        });
    }
    // Durable. From here on it cannot be taken back.
    // Whoever waits on a core that sleeps begins to wake now, while the documents are put in place.
    core.bell.ring();
    drop(reserve);
    let moved = batch.put_in_place().and_then(|()| locked.move_head(&next));
    let version = moved.map_err(Failure::InDoubt)?;
    core.spool.after(next.seq);
    tracing::debug!(seq = next.seq, "committed");
    core.latest.note(version, next, lines);
    core.bell.ring();
    Ok(())
}

/// Writes the lines of a batch, and syncs them; while the disk takes them, what could be in vain is looked at, the
/// documents are written into the spool, the head that is next is made ready, and so is whoever waits for it.
fn append(
    core: &Core,
    locked: &mut Locked<'_>,
    (place, next): (Place, &Head),
    lines: &Arc<Vec<u8>>,
    batch: &mut Batch<'_>,
) -> Result<(), Failed> {
    locked.journal().write(place, lines)?;
    core.latest.announce(lines);
    // What it says is made ready while the disk is waited for. Of a batch of several that is the least part, and
    // whoever makes the next one has use for the core.
    let is_alone = next.last == place.offset;
    if is_alone {
        core.bell.ring();
    }
    locked.make_head_ready(next);
    let ready = locked.journal().check_is_there().and_then(|()| batch.fill());
    if let Err(error) = ready {
        return Err(locked.journal().take_back(place, lines.len(), error));
    }
    locked.journal().sync(place)
}

/// A failed write or sync is never tried again on the same pages: the batch is made void by name.
fn revoke(locked: &mut Locked<'_>, head: &Head, place: Place, error: Error) -> Failure {
    tracing::error!(%error, seq = head.seq + 1, "writing the journal failed");
    match locked.revoke(head, place) {
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
