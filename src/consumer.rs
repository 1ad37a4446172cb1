//! Consumers: what a subscription and its deliveries share, in the process that holds it.
//!
//! Every word on an event goes through here into the cursor's register, so that every process sees it.

use std::time::{Duration, Instant};

use crate::attempts::Failure;
use crate::cursor::Cursor;
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::fs::File;
use crate::order::Order;
use crate::retry::RetryPolicy;
use crate::store::Store;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::window::{Flight, Spot, Standing, Window};

/// What is said of a delivery that nothing was said of.
pub(crate) const DROPPED: &str = "dropped unsettled";
/// The same where its deadline has passed.
pub(crate) const OVERDUE: &str = "it took longer than its deadline";

/// After a dead letter could not be written it is tried again this much later.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The one consumer of a subscription.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) store: Store,
    /// Of the subscription.
    pub(crate) name: String,
    pub(crate) retry: RetryPolicy,
    pub(crate) order: Order,
    /// Locked before `window`.
    pub(crate) cursor: Arc<Mutex<Cursor>>,
    window: Mutex<Window>,
    /// It is what makes this the only consumer. Kept: as long as a delivery may move the cursor, nobody
    /// else may.
    pub(crate) _lock: Arc<dyn File>,
}

/// What came of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It comes again after this.
    Again(Duration),
    /// Its attempts are used.
    Last,
    /// It did not count.
    Gone,
}

impl Consumer {
    pub(crate) fn new(
        store: Store,
        name: String,
        (retry, order): (RetryPolicy, Order),
        cursor: Cursor,
        lock: Arc<dyn File>,
    ) -> Self {
        let window = Mutex::new(Window::new(cursor.value()));
        let cursor = Arc::new(Mutex::new(cursor));
        Self { store, name, retry, order, cursor, window, _lock: lock }
    }

    pub(crate) fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the cursor say what the window knows.
    pub(crate) fn write(&self) -> Result<()> {
        let mut cursor = self.cursor();
        put(&mut cursor, &self.window())
    }

    /// Hands events over. Their attempts are counted, by one write of the cursor.
    pub(crate) fn hand_over(self: &Arc<Self>, spots: &[Spot]) -> Result<Vec<Delivery>> {
        let deadline = self.retry.deadline().map(|deadline| Instant::now() + deadline);
        let mut cursor = self.cursor();
        let mut window = self.window();
        let flights: Vec<Flight> =
            spots.iter().filter_map(|spot| window.take(*spot, deadline, true)).collect();
        if let Err(error) = put(&mut cursor, &window) {
            for Flight { spot, number, .. } in &flights {
                window.give_back(*spot, *number);
            }
            return Err(error);
        }
        drop((cursor, window));
        Ok(flights.into_iter().map(|flight| Delivery::new(Arc::clone(self), flight)).collect())
    }

    /// Takes an event only to settle it: no attempt.
    pub(crate) fn seize(self: &Arc<Self>, spot: Spot) -> Option<Delivery> {
        let flight = self.window().take(spot, None, false)?;
        Some(Delivery::new(Arc::clone(self), flight))
    }

    /// Settles deliveries by one write of the cursor. Those of before a reset count no more.
    ///
    /// # Errors
    /// What the disk says; [`Error::Invalid`] where a deadline has passed. Then none of them is settled.
    pub(crate) fn settle(&self, flights: &[(Spot, u64)]) -> Result<()> {
        let now = Instant::now();
        let mut cursor = self.cursor();
        let mut window = self.window();
        let mut current = Vec::with_capacity(flights.len());
        for (spot, flight) in flights {
            match window.standing(*spot, *flight, now) {
                Standing::Current => current.push((*spot, *flight)),
                Standing::Gone => {}
                Standing::Overrun => return Err(self.overrun()),
            }
        }
        for (spot, flight) in &current {
            window.settle(*spot, *flight);
        }
        // What is settled is passed, but not forgotten before that is written.
        let before = window.passing();
        if let Err(error) = put(&mut cursor, &window) {
            window.restore(before);
            for (spot, flight) in &current {
                window.unsettle(*spot, *flight);
            }
            return Err(error);
        }
        drop((cursor, window));
        self.tell();
        Ok(())
    }

    /// What to say to whoever speaks too late.
    pub(crate) fn overrun(&self) -> Error {
        Error::Invalid(format!(
            "the delivery of subscription `{}` took longer than its deadline of {} ms: it counts as failed, and \
             its event comes again; ask for more time with `extend`, or give a longer deadline",
            self.name,
            self.retry.deadline_ms.unwrap_or_default()
        ))
    }

    /// An attempt failed. How it goes on stands in the cursor as far as that can be written: that the
    /// attempt was made is there already.
    pub(crate) fn fail(
        &self,
        spot: Spot,
        flight: u64,
        why: &str,
        pause: Option<Duration>,
    ) -> Failed {
        let cursor = self.cursor();
        let mut window = self.window();
        if window.standing(spot, flight, Instant::now()) == Standing::Gone {
            return Failed::Gone;
        }
        let (failed, attempt) = self.note_failure(&mut window, (spot, flight), why, pause);
        self.put_failures(cursor, window);
        let (subscription, position) = (&self.name, spot.position);
        match failed {
            Failed::Again(pause) => {
                let pause_ms = pause.as_millis();
                tracing::warn!(subscription, %position, attempt, why, pause_ms, "an event failed and comes again");
            }
            Failed::Last | Failed::Gone => {
                tracing::warn!(subscription, %position, attempt, why, "an event failed for the last time");
            }
        }
        failed
    }

    /// The same of a batch, by one write: each comes again by itself. Where nothing is said of why, they were
    /// dropped. The dead letter of an event that failed for the last time is for the subscription to write.
    pub(crate) fn fail_all(&self, flights: &[(Spot, u64)], why: Option<&str>) {
        let now = Instant::now();
        let cursor = self.cursor();
        let mut window = self.window();
        let (mut count, mut last) = (0_usize, None);
        for (spot, flight) in flights {
            let unsaid = match window.standing(*spot, *flight, now) {
                Standing::Gone => continue,
                Standing::Overrun => OVERDUE,
                Standing::Current => DROPPED,
            };
            let why = why.unwrap_or(unsaid);
            let (failed, _) = self.note_failure(&mut window, (*spot, *flight), why, None);
            last = Some((failed, spot.position, why));
            count += 1;
        }
        self.put_failures(cursor, window);
        // What comes in a batch comes for the first time, so what is true of one is true of all.
        let (Some((failed, last, why)), subscription) = (last, &self.name) else { return };
        if failed == Failed::Last {
            tracing::warn!(subscription, %last, count, why, "a batch failed for the last time");
        } else {
            tracing::warn!(subscription, %last, count, why, "a batch failed: its events come again, one by one");
        }
    }

    /// What becomes of an event that failed, and which attempt it was.
    fn note_failure(
        &self,
        window: &mut Window,
        (spot, flight): (Spot, u64),
        why: &str,
        pause: Option<Duration>,
    ) -> (Failed, u32) {
        let (attempt, _) = window.history(spot);
        let is_last = attempt >= self.retry.max_attempts;
        let pause = if is_last {
            Duration::ZERO
        } else {
            pause.unwrap_or_else(|| self.retry.backoff(attempt))
        };
        window.fail(spot, flight, Some(Failure::now(attempt, why)), Instant::now() + pause);
        (if is_last { Failed::Last } else { Failed::Again(pause) }, attempt)
    }

    /// Where the cursor cannot be told, that the attempts were made is in it already.
    fn put_failures(&self, mut cursor: MutexGuard<'_, Cursor>, window: MutexGuard<'_, Window>) {
        let written = put(&mut cursor, &window);
        drop((cursor, window));
        if let Err(error) = written {
            let subscription = &self.name;
            tracing::warn!(subscription, %error, "the cursor could not be told why an event failed");
        }
        self.tell();
    }

    /// It was not looked at.
    pub(crate) fn release(&self, spot: Spot, flight: u64) -> Result<()> {
        let mut cursor = self.cursor();
        let mut window = self.window();
        window.give_back(spot, flight);
        let written = put(&mut cursor, &window);
        drop((cursor, window));
        self.tell();
        written
    }

    /// A dead letter could not be written: another try, later.
    pub(crate) fn put_off(&self, spot: Spot, flight: u64) {
        self.window().fail(spot, flight, None, Instant::now() + AGAIN_AFTER);
        self.tell();
    }

    /// A commit that settled it is there. Where the cursor cannot be written now, whoever opens the
    /// subscription next learns it from the journal.
    pub(crate) fn settled_by(&self, spot: Spot, flight: u64, seq: u64) {
        let mut cursor = self.cursor();
        let mut window = self.window();
        window.end_commit(spot, flight, seq);
        window.pass();
        let written = put(&mut cursor, &window);
        drop((cursor, window));
        if let Err(error) = written {
            let subscription = &self.name;
            tracing::warn!(subscription, seq, %error, "settled by a commit, and its cursor could not follow yet");
        }
        self.tell();
    }

    /// Where several are in hand at once, somebody may wait for this one.
    pub(crate) fn tell(&self) {
        if self.order != Order::Total {
            self.store.core().bell.ring();
        }
    }
}

/// Writes the cursor, in as much detail as has room.
fn put(cursor: &mut Cursor, window: &Window) -> Result<()> {
    let mut detail = 0;
    while !cursor.put(window.movable(detail))? {
        detail += 1;
    }
    Ok(())
}
