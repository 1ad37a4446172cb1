//! Deliveries: one event handed over, to be settled once.

use std::time::{Duration, Instant};

use crate::ack::Ack;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::event::RecordedEvent;
use crate::fs::File;
use crate::position::Position;
use crate::retry::RetryPolicy;
use crate::store::Store;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An event in the hands of a consumer. [`ack`](Self::ack) settles it, [`commit`](Self::commit) does so
/// by the very commit that it led to; [`nack`](Self::nack), or dropping it, asks for it again after a
/// backoff.
#[derive(Debug)]
#[must_use = "a delivery that is dropped unsettled comes again"]
pub struct Delivery {
    event: Arc<RecordedEvent>,
    attempt: u32,
    /// Where the cursor stands once this is settled.
    next: Position,
    /// The last reset that the cursor had obeyed when this was handed over.
    generation: u64,
    consumer: Arc<Consumer>,
    /// Which flight it is: after a reset, what is said of an older one counts no more.
    number: u64,
    settled: bool,
}

/// What a subscription and its delivery share.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) store: Store,
    /// Of the subscription.
    pub(crate) name: String,
    pub(crate) retry: RetryPolicy,
    pub(crate) cursor: Arc<Mutex<Cursor>>,
    pub(crate) flight: InFlight,
    /// It is what makes this the only consumer. Kept: as long as a delivery may move the cursor, nobody
    /// else may.
    pub(crate) _lock: Arc<dyn File>,
}

impl Consumer {
    pub(crate) fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is handed over.
pub(crate) struct HandOver {
    pub(crate) event: Arc<RecordedEvent>,
    pub(crate) attempt: u32,
    pub(crate) next: Position,
    pub(crate) generation: u64,
}

impl Delivery {
    pub(crate) fn new(consumer: Arc<Consumer>, parts: HandOver) -> Self {
        let HandOver { event, attempt, next, generation } = parts;
        let number = consumer.flight.take_off();
        Self { event, attempt, next, generation, consumer, number, settled: false }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &RecordedEvent {
        &self.event
    }

    /// How often it was handed over, this time included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// It is done: it will not come again. Visible to every process when this returns, durable within a
    /// second (a power cut before that brings it once more).
    ///
    /// # Errors
    /// What the disk says; then it comes again.
    pub fn ack(mut self) -> Result<()> {
        self.move_cursor(self.next.seq - 1)?;
        self.end(Flight::Settled { next: self.next });
        Ok(())
    }

    /// What the commit that settles this says of the cursor.
    pub(crate) fn ack_in_commit(&self) -> (String, Ack) {
        let ack = Ack { position: self.next.before(), generation: self.generation };
        (self.consumer.name.clone(), ack)
    }

    /// Whose event it is.
    pub(crate) fn store(&self) -> &Store {
        &self.consumer.store
    }

    /// It was settled by commit `seq`. Where the cursor cannot be written now, whoever opens the
    /// subscription next learns it from the journal.
    pub(crate) fn settled_by(mut self, seq: u64) {
        if let Err(error) = self.move_cursor(seq) {
            let subscription = &self.consumer.name;
            tracing::warn!(subscription, seq, %error, "settled by a commit, and its cursor could not follow yet");
        }
        self.end(Flight::Settled { next: self.next });
    }

    /// A commit that may have settled it is in doubt: the subscription finds out before it goes on.
    pub(crate) fn in_doubt(mut self) {
        self.end(Flight::InDoubt);
    }

    /// Moves the cursor past this; all acks of commits up to `folded` are in it.
    fn move_cursor(&self, folded: u64) -> Result<()> {
        let mut cursor = self.consumer.cursor();
        // A reset that came in between wins.
        if !self.consumer.flight.is_current(self.number) {
            return Ok(());
        }
        cursor.change(|value| {
            value.next = self.next;
            value.folded = value.folded.max(folded);
            value.attempt = 0;
        })
    }

    fn end(&mut self, state: Flight) {
        self.settled = true;
        self.consumer.flight.end(self.number, state);
    }

    /// It failed: it comes again after the backoff of the retry policy. How long that is.
    #[expect(clippy::must_use_candidate, reason = "the pause is for those who want to know")]
    pub fn nack(mut self, why: &str) -> Duration {
        self.settled = true;
        self.back_off(why)
    }

    fn back_off(&self, why: &str) -> Duration {
        let pause = self.consumer.retry.backoff(self.attempt);
        let subscription = &self.consumer.name;
        let (event, attempt) = (self.event.id(), self.attempt);
        let pause_ms = pause.as_millis();
        let what = if attempt >= self.consumer.retry.max_attempts {
            "an event keeps failing and holds its subscription until it is settled"
        } else {
            "an event failed and comes again"
        };
        tracing::warn!(subscription, event, attempt, why, pause_ms, "{what}");
        self.consumer.flight.end(self.number, Flight::Backoff { until: Instant::now() + pause });
        pause
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.back_off("dropped unsettled");
        }
    }
}

/// What became of the delivery that a subscription handed over last.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    number: u64,
    state: Flight,
}

/// The state of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flight {
    /// There is none.
    #[default]
    None,
    /// The consumer has it.
    Out,
    /// Acked.
    Settled {
        /// Where the cursor stands now.
        next: Position,
    },
    /// Settled by a commit that is in the journal, or may be.
    InDoubt,
    /// To be handed over again.
    Backoff {
        /// Not before this.
        until: Instant,
    },
}

impl InFlight {
    pub(crate) fn state(&self) -> Flight {
        self.lock().state
    }

    /// A delivery is with the consumer; the number of this flight.
    fn take_off(&self) -> u64 {
        let mut last = self.lock();
        last.number += 1;
        last.state = Flight::Out;
        last.number
    }

    /// There is no delivery any more; whatever a consumer still says of one counts no more.
    pub(crate) fn clear(&self) {
        let mut last = self.lock();
        last.number += 1;
        last.state = Flight::None;
    }

    fn is_current(&self, number: u64) -> bool {
        self.lock().number == number
    }

    fn end(&self, number: u64, state: Flight) {
        let mut last = self.lock();
        if last.number == number {
            last.state = state;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
