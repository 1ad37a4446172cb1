//! Several deliveries at once, for those who handle events by the batch.

use std::ops::Deref;

use crate::consumer::Consumer;
use crate::delivery::Delivery;
use crate::error::Result;
use crate::sync::Arc;
use crate::window::Spot;

/// Events that were handed over together, in order. [`ack`](Self::ack) settles all of them by one write, and
/// [`nack`](Self::nack), or dropping them, gives all of them back by one;
/// taken apart (it is an iterator's worth of [`Delivery`]), each is settled for itself. What is dropped
/// unsettled comes again, one by one.
///
/// ```
/// use docbox::{Event, Start, Store, Transaction};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir().unwrap();
/// # let store = Store::open(folder.path())?;
/// # store.commit(Transaction::new().emit(Event::bare("AgentSpawned")).emit(Event::bare("AgentSpawned")))?;
/// let mut ui = store.subscribe("ui").from(Start::Beginning).open()?;
/// let frame = ui.next_batch(1000, Duration::from_millis(16))?;
/// assert_eq!(frame.len(), 2);
/// for delivery in frame.iter() {
///     println!("{}", delivery.event().kind());
/// }
/// frame.ack()?;
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "deliveries that are dropped unsettled come again"]
pub struct Deliveries(Vec<Delivery>);

impl Deliveries {
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Self {
        Self(deliveries)
    }

    /// All of them are done: none comes again. Visible to every process when this returns, durable within a
    /// second, as by [`Delivery::ack`].
    ///
    /// # Errors
    /// What the disk says; [`Error::Invalid`](crate::Error::Invalid) where the deadline of one has passed.
    /// Then all of them come again.
    pub fn ack(mut self) -> Result<()> {
        // A letter comes alone.
        if self.0.iter().any(|delivery| delivery.spot.redriven) {
            return self.into_iter().try_for_each(Delivery::ack);
        }
        let Some(consumer) = self.consumer() else { return Ok(()) };
        consumer.settle(&self.flights())?;
        self.0.iter_mut().for_each(|delivery| delivery.settled = true);
        Ok(())
    }

    /// All of them failed: they come again after the backoff of the retry policy, one by one, so that the one
    /// at fault is found. One write, however many they are. An event whose attempts are used becomes a dead
    /// letter when the next is asked for.
    ///
    /// ```
    /// # use docbox::{Event, RetryPolicy, Start, Store, Transaction};
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let store = Store::open(folder.path())?;
    /// # store.commit(Transaction::new().emit(Event::bare("AgentSpawned")).emit(Event::bare("AgentSpawned")))?;
    /// let retry = RetryPolicy { backoff_ms: vec![0], ..RetryPolicy::default() };
    /// let mut ui = store.subscribe("ui").from(Start::Beginning).retry(retry).open()?;
    /// ui.next_batch(1000, Duration::ZERO)?.nack("the screen was locked");
    /// let again = ui.next_batch(1000, Duration::from_secs(1))?;
    /// assert_eq!((again.len(), again[0].attempt()), (1, 2));
    /// # again.ack()?;
    /// # Ok::<(), docbox::Error>(())
    /// ```
    pub fn nack(mut self, why: &str) {
        if self.0.len() == 1 {
            for delivery in self {
                delivery.nack(why);
            }
        } else {
            self.fail(Some(why));
        }
    }

    fn fail(&mut self, why: Option<&str>) {
        if let Some(consumer) = self.consumer() {
            self.0.iter_mut().for_each(|delivery| delivery.settled = true);
            consumer.fail_all(&self.flights(), why);
        }
    }

    fn consumer(&self) -> Option<Arc<Consumer>> {
        self.0.first().map(|first| Arc::clone(&first.consumer))
    }

    fn flights(&self) -> Vec<(Spot, u64)> {
        self.0.iter().map(|delivery| (delivery.spot, delivery.flight)).collect()
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        // One alone says so by itself; of several all are settled, or none is.
        if self.0.len() > 1 && !self.0[0].settled {
            self.fail(None);
        }
    }
}

impl Deref for Deliveries {
    type Target = [Delivery];

    fn deref(&self) -> &[Delivery] {
        &self.0
    }
}

impl IntoIterator for Deliveries {
    type Item = Delivery;
    type IntoIter = DeliveriesIter;

    fn into_iter(mut self) -> Self::IntoIter {
        DeliveriesIter(std::mem::take(&mut self.0).into_iter())
    }
}

/// The deliveries of a batch, each to be settled for itself. Those that nobody has taken when it is dropped are given
/// back by one write.
#[derive(Debug)]
pub struct DeliveriesIter(std::vec::IntoIter<Delivery>);

impl Iterator for DeliveriesIter {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for DeliveriesIter {
    fn next_back(&mut self) -> Option<Delivery> {
        self.0.next_back()
    }
}

impl ExactSizeIterator for DeliveriesIter {}

impl Drop for DeliveriesIter {
    fn drop(&mut self) {
        drop(Deliveries(self.0.by_ref().collect()));
    }
}
