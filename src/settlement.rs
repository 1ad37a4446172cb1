//! Settling an event by the commit that it led to: exactly once into the same store.
//!
//! The line of that commit says where the cursor stands now (`acks`), and the cursor's register follows.
//! Whoever dies in between leaves it to the next consumer, which folds the acks of the journal into the
//! cursor before it delivers.

use std::time::Instant;

use crate::ack::Ack;
use crate::attempts::Run;
use crate::consumer::Consumer;
use crate::core::Core;
use crate::cursor::CursorValue;
use crate::dead;
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::position::Position;
use crate::queue::Commit;
use crate::recovery::roll_forward;
use crate::sync::Arc;
use crate::transaction::Transaction;
use crate::window::Standing;

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
    pub fn commit(mut self, transaction: Transaction) -> Result<Commit> {
        let result = self.settle_by(transaction);
        if let Err(error) = &result
            && !self.settled
        {
            self.nack(&error.to_string());
        }
        result
    }

    /// The same; what is refused is left as it was.
    pub(crate) fn settle_by(&mut self, transaction: Transaction) -> Result<Commit> {
        let consumer = Arc::clone(&self.consumer);
        let (spot, flight) = (self.spot, self.flight);
        let transaction = self.with_ack(transaction)?;
        match consumer.store.commit(transaction) {
            Ok(commit) => {
                self.settled = true;
                consumer.settled_by(spot, flight, commit.seq());
                Ok(commit)
            }
            Err(error @ Error::InDoubt { .. }) => {
                self.settled = true;
                consumer.window().doubt_commit(spot, flight);
                consumer.tell();
                Err(error)
            }
            Err(error) => {
                consumer.window().abandon_commit();
                Err(error)
            }
        }
    }

    /// Adds what the commit says of the cursor, or of the letter. From here on no deadline counts.
    fn with_ack(&self, transaction: Transaction) -> Result<Transaction> {
        let consumer = &self.consumer;
        let mut window = consumer.window();
        match window.standing(self.spot, self.flight, Instant::now()) {
            Standing::Current => {}
            Standing::Overrun => return Err(consumer.overrun()),
            Standing::Gone => {
                return Err(Error::Invalid(format!(
                    "subscription `{}` was reset after the event was handed over, so that it cannot be settled \
                     any more; go on with what the subscription gives next",
                    consumer.name
                )));
            }
        }
        let generation = window.generation();
        let moved = window.begin_commit(self.spot, self.flight);
        drop(window);
        if self.spot.redriven {
            return Ok(transaction.remove_letter(&consumer.name, self.spot.position));
        }
        let ack = match moved {
            Ok(position) => Ack { position, only: false, generation },
            Err(position) => Ack { position, only: true, generation },
        };
        Ok(transaction.ack(consumer.name.clone(), ack))
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
            value.attempt = value.attempts_of(acked);
            value.next = acked;
        }
        if let Some(position) = record.settles.get(name).filter(|position| **position >= value.next)
        {
            value.settled.push(Run(*position, *position));
        }
        value.folded = record.seq;
    }
    value.settled.retain(|run| run.1 >= value.next);
    value.settled.sort_unstable_by_key(|run| run.0);
    value.tried.retain(|tried| tried.redriven || tried.last() >= value.next);
    Ok(value)
}

/// The same for a consumer that lives on after a commit in doubt: what stands in the journal by now is
/// decided first.
///
/// # Errors
/// What the disk says; then nobody knows yet.
pub(crate) fn fold_again(consumer: &Consumer) -> Result<()> {
    let core = consumer.store.core();
    let mut locked = core.lock.take()?;
    let head = roll_forward(core, &mut locked)?;
    drop(locked);
    let cursor = consumer.cursor();
    let value = fold(core, &consumer.name, cursor.value(), &head)?;
    let mut window = consumer.window();
    let letters = dead::marked(core, &consumer.name)?;
    window.resolve(&value, |position| letters.contains(&position));
    drop((window, cursor));
    consumer.write()
}
