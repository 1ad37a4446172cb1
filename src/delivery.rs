//! Deliveries: one event handed over, to be settled once.

use std::time::{Duration, Instant};

use crate::consumer::{Consumer, DROPPED, Failed, OVERDUE};
use crate::error::Result;
use crate::event::RecordedEvent;
use crate::sync::Arc;
use crate::window::{Flight, Spot, Standing};

/// An event in the hands of a consumer, who settles it: [`ack`](Self::ack), [`commit`](Self::commit) (by the
/// very commit that it led to), or [`reject`](Self::reject) (a dead letter, now). [`nack`](Self::nack), or
/// dropping it, asks for it again after a backoff; once its attempts are used it becomes a dead letter.
///
/// It may be settled on any thread.
#[derive(Debug)]
#[must_use = "a delivery that is dropped unsettled comes again"]
pub struct Delivery {
    event: Arc<RecordedEvent>,
    attempt: u32,
    pub(crate) spot: Spot,
    /// Which flight it is: what is said of an older one counts no more.
    pub(crate) flight: u64,
    pub(crate) consumer: Arc<Consumer>,
    /// Whether nothing more is to be said of it.
    pub(crate) settled: bool,
}

impl Delivery {
    pub(crate) fn new(consumer: Arc<Consumer>, flight: Flight) -> Self {
        let Flight { spot, number, event, attempt } = flight;
        Self { event, attempt, spot, flight: number, consumer, settled: false }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &RecordedEvent {
        &self.event
    }

    /// How often it was handed over, this time included; of a dead letter, since it was redriven.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether it is a dead letter that is delivered again, perhaps edited.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        self.spot.redriven
    }

    /// Whether its deadline has passed: then it has failed, and nothing that is said of it counts any more.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        let standing = self.consumer.window().standing(self.spot, self.flight, Instant::now());
        standing == Standing::Overrun
    }

    /// Moves the deadline: `more` from now on. Without a deadline there is nothing to move.
    ///
    /// ```
    /// # use docbox::{Event, RetryPolicy, Start, Store, Transaction};
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let store = Store::open(folder.path())?;
    /// # store.commit(Transaction::new().emit(Event::bare("AgentSpawned")))?;
    /// let retry = RetryPolicy { deadline_ms: Some(30_000), ..RetryPolicy::default() };
    /// let mut slow = store.subscribe("slow").from(Start::Beginning).retry(retry).open()?;
    /// for delivery in slow.catch_up() {
    ///     let delivery = delivery?;
    ///     for _step in 0..3 {
    ///         delivery.extend(Duration::from_secs(30))?;
    ///     }
    ///     delivery.ack()?;
    /// }
    /// # Ok::<(), docbox::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where the deadline has passed already.
    pub fn extend(&self, more: Duration) -> Result<()> {
        let now = Instant::now();
        let mut window = self.consumer.window();
        if window.standing(self.spot, self.flight, now) == Standing::Overrun {
            return Err(self.consumer.overrun());
        }
        // What is beyond all clocks stays as it was.
        if let Some(until) = now.checked_add(more) {
            window.extend(self.spot, self.flight, until);
        }
        Ok(())
    }

    /// It is done: it will not come again. Visible to every process when this returns, durable within a
    /// second (a power cut before that brings it once more). A dead letter that was redriven is removed by a
    /// commit, and so durable at once.
    ///
    /// # Errors
    /// What the disk says; [`Error::Invalid`](crate::Error::Invalid) where its deadline has passed. Then it
    /// comes again.
    pub fn ack(mut self) -> Result<()> {
        if self.spot.redriven {
            return self.remove_letter();
        }
        let settled = self.consumer.settle(&[(self.spot, self.flight)]);
        // Else it is dropped unsettled.
        self.settled = settled.is_ok();
        settled
    }

    /// It failed: it comes again after the backoff of the retry policy. How long that is; nothing where its
    /// attempts are used and it became a dead letter.
    #[expect(clippy::must_use_candidate, reason = "the pause is for those who want to know")]
    pub fn nack(mut self, why: &str) -> Duration {
        self.failed(why, None, true)
    }

    /// The same, with a pause of its own: what asks for patience says best how much. It counts as an attempt
    /// like any other.
    #[expect(clippy::must_use_candidate, reason = "the pause is for those who want to know")]
    pub fn nack_after(mut self, pause: Duration, why: &str) -> Duration {
        // Beyond all clocks is a long time too.
        self.failed(why, Some(pause.min(Duration::from_hours(24 * 365))), true)
    }

    /// Gives it back as if it had not been handed over: it comes again at once, and no attempt was made. For a
    /// consumer that ends before it looked at it.
    ///
    /// # Errors
    /// What the disk says; then the attempt counts.
    pub fn release(mut self) -> Result<()> {
        self.settled = true;
        self.consumer.release(self.spot, self.flight)
    }

    fn failed(&mut self, why: &str, pause: Option<Duration>, buries: bool) -> Duration {
        self.settled = true;
        match self.consumer.fail(self.spot, self.flight, why, pause) {
            Failed::Again(pause) => pause,
            Failed::Last if buries => {
                // Where it cannot be done now, the subscription does it before it goes on.
                if let Err(error) = self.consumer.bury(self.spot) {
                    let (subscription, position) = (&self.consumer.name, self.spot.position);
                    tracing::warn!(subscription, %position, %error, "a dead letter could not be written yet");
                }
                Duration::ZERO
            }
            Failed::Last | Failed::Gone => Duration::ZERO,
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            let why = if self.is_overdue() { OVERDUE } else { DROPPED };
            // Its dead letter, should it be the last time, is for the subscription to write.
            self.failed(why, None, false);
        }
    }
}
