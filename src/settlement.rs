//! Settling an event by the commit that it led to: exactly once into the same store.
//!
//! The line of that commit says where the cursor stands now (`acks`), and the cursor's register follows.
//! Whoever dies in between leaves it to the next consumer, which folds the acks of the journal into the
//! cursor before it delivers.

use crate::commit;
use crate::core::Core;
use crate::cursor::{Cursor, CursorValue};
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::position::Position;
use crate::queue::Commit;
use crate::recovery::roll_forward;
use crate::sync::{Mutex, PoisonError};
use crate::transaction::Transaction;

impl Delivery {
    /// Commits what the event led to and settles it, both or neither: whatever crashes, the documents and
    /// events of `transaction` are there exactly once for this event. The transaction may be empty.
    ///
    /// ```
    /// use docbox::{Event, Start, Store, Transaction};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let store = Store::open(folder.path())?;
    /// # store.commit(Transaction::new().emit(Event::bare("AgentSpawned")))?;
    /// let mut counter = store.subscribe("counter").from(Start::Beginning).open()?;
    /// for delivery in counter.catch_up() {
    ///     let delivery = delivery?;
    ///     let count: u64 = store.get("stats/events")?.map_or(0, |found| found.value);
    ///     delivery.commit(Transaction::new().put("stats/events", &(count + 1))?)?;
    /// }
    /// # Ok::<(), docbox::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::commit`](crate::Store::commit); then nothing is settled, and the event comes again after
    /// the backoff. [`Error::Invalid`] when the subscription was reset since the event was handed over.
    /// After [`Error::InDoubt`] the subscription finds out by itself before it goes on.
    pub fn commit(self, transaction: Transaction) -> Result<Commit> {
        let (subscription, ack) = self.ack_in_commit();
        match commit::commit(self.store().core(), transaction.ack(subscription, ack)) {
            Ok(commit) => {
                self.settled_by(commit.seq());
                Ok(commit)
            }
            Err(error @ Error::InDoubt { .. }) => {
                self.in_doubt();
                Err(error)
            }
            Err(error) => {
                self.nack(&error.to_string());
                Err(error)
            }
        }
    }
}

/// Takes the acks into the cursor that were committed since it was written: a consumer may have died
/// between its commit and its cursor.
///
/// # Errors
/// What reading the journal says.
pub fn fold(core: &Core, name: &str, value: &CursorValue, head: &Head) -> Result<CursorValue> {
    let mut value = value.clone();
    let mut reader = core.reader(value.folded + 1);
    while let Some(record) = reader.read(head)? {
        if let Some(acked) = record.acks.get(name).map(|position: &Position| position.next())
            && acked > value.next
        {
            value.next = acked;
            value.attempt = 0;
        }
        value.folded = record.seq;
    }
    Ok(value)
}

/// The same for a consumer that lives on after a commit in doubt: what stands in the journal by now is
/// decided first. Where the cursor stands then.
///
/// # Errors
/// What the disk says; then nobody knows yet.
pub fn fold_again(core: &Core, name: &str, cursor: &Mutex<Cursor>) -> Result<Position> {
    let mut locked = core.lock.take()?;
    let head = roll_forward(core, &mut locked)?;
    drop(locked);
    let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
    let value = fold(core, name, cursor.value(), &head)?;
    let next = value.next;
    cursor.write(value)?;
    Ok(next)
}
