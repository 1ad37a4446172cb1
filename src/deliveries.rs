//! Several deliveries at once, for those who handle events by the batch.

use std::ops::Deref;

use crate::delivery::Delivery;
use crate::error::Result;

/// Events that were handed over together, in order. [`ack`](Self::ack) settles all of them by one write;
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
            return self.0.into_iter().try_for_each(Delivery::ack);
        }
        let Some(consumer) = self.0.first().map(|first| first.consumer.clone()) else {
            return Ok(());
        };
        let flights: Vec<_> =
            self.0.iter().map(|delivery| (delivery.spot, delivery.flight)).collect();
        consumer.settle(&flights)?;
        self.0.iter_mut().for_each(|delivery| delivery.settled = true);
        Ok(())
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
    type IntoIter = std::vec::IntoIter<Delivery>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
