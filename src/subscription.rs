//! Subscriptions: every event that matches, at least once and in order, settled one by one.
//!
//! Head → journal → record → filter → delivery → ack → cursor. Readers never go beyond the head, so
//! nothing is delivered that a power cut could undo.

mod obeying;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::consumer::{Consumer, OVERDUE};
use crate::core::Core;
use crate::deliveries::Deliveries;
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::head::{Head, Looked};
use crate::head_reader::HeadReader;
use crate::notices::Notices;
use crate::order::Order;
use crate::pause::Pause;
use crate::position::Position;
use crate::settlement;
use crate::source::Source;
#[cfg(feature = "async")]
use crate::stream::DeliveryStream;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, PoisonError};
use crate::window::{Picked, Spot, Wish};

/// A cursor that moves without deliveries is written after this many commits at the latest.
const MOVED_WITHOUT_WRITE: u64 = 1000;
/// The most events of one batch.
const MAX_BATCH: usize = 65_536;

/// A durable subscription, held by this consumer alone.
///
/// It holds a clone of its store. Dropping it frees it for the next consumer, once the
/// delivery that it handed out is settled or dropped too.
///
/// ```
/// use docbox::{Event, Start, Store, Transaction};
/// # let folder = tempfile::tempdir().unwrap();
/// let store = Store::open(folder.path())?;
/// store.commit(Transaction::new().emit(Event::bare("AgentSpawned")))?;
/// let mut ui = store.subscribe("ui").from(Start::Beginning).types(["Agent*"]).open()?;
/// for delivery in ui.catch_up() {
///     let delivery = delivery?;
///     println!("{}", delivery.event().kind());
///     delivery.ack()?;
/// }
/// # store.close()?;
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Debug)]
pub struct Subscription {
    consumer: Arc<Consumer>,
    filter: Filter,
    head: HeadReader,
    /// The bell has rung since the last look.
    woken: bool,
    source: Source,
    notices: Notices,
    /// The last commit that asked for dead letters to be delivered again, when they were looked at; `None`
    /// before the first look.
    redriven: Option<u64>,
    /// Dead letters that are to be delivered again and are not in the window yet.
    letters: BTreeSet<Position>,
    stop: Arc<AtomicBool>,
}

/// How long to wait for the next event.
#[derive(Clone, Copy, Debug)]
enum Patience {
    Forever,
    Until(Instant),
    /// As long as there is something up to this commit.
    UpTo(u64),
}

/// How many events to wait for, and how many more there may be.
#[derive(Clone, Copy, Debug)]
struct Want {
    /// So many, or none as long as there is time.
    least: usize,
    most: usize,
}

impl Want {
    const ONE: Self = Self { least: 1, most: 1 };
}

impl Subscription {
    pub(crate) fn new(consumer: Consumer, filter: Filter, stop: Arc<AtomicBool>) -> Self {
        let core = consumer.store.core();
        let source = Source::new(core, consumer.cursor().value());
        let mut cursors = core.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.push(Arc::clone(&consumer.cursor));
        drop(cursors);
        let head = core.head_reader();
        Self {
            consumer: Arc::new(consumer),
            filter,
            head,
            woken: false,
            source,
            notices: Notices::default(),
            redriven: None,
            letters: BTreeSet::new(),
            stop,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.consumer.name
    }

    /// The last position before which all is settled, or not wanted.
    #[must_use]
    pub fn position(&self) -> Position {
        self.consumer.window().floor().before()
    }

    /// Waits for the next event that may be handed over, at most this long; `None` when there is none, or
    /// when the store is closed. Of an [`Order::PerSubject`] several may be in hand, also on several threads;
    /// where as many are as may be, it waits for one of them to be settled.
    ///
    /// # Errors
    /// [`Error::Invalid`] in total order as long as the delivery before is not settled; what the disk says.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Delivery>> {
        let deadline = Instant::now().checked_add(timeout);
        self.one(deadline.map_or(Patience::Forever, Patience::Until))
    }

    /// Waits until `max` events are at hand, at most this long, and hands over what there is then: `max`
    /// at most, perhaps none. All of them by one write of the cursor, which counts their attempts; one more
    /// settles them by [`Deliveries::ack`].
    ///
    /// An event that was handed over before comes alone. So whatever kills its consumer is found, and uses up
    /// no attempts of what came with it. Nothing is read before it is asked for, and no more than `max` events
    /// (65,536 at most), or 8 MiB of them and the commit that exceeds it.
    ///
    /// # Errors
    /// As [`Subscription::next`]; [`Error::Invalid`] for a `max` of 0.
    pub fn next_batch(&mut self, max: usize, wait: Duration) -> Result<Deliveries> {
        if max == 0 {
            return Err(Error::Invalid("a batch of 0 events: ask for at least 1".into()));
        }
        let most = max.min(MAX_BATCH);
        let deadline = Instant::now().checked_add(wait);
        let patience = deadline.map_or(Patience::Forever, Patience::Until);
        self.wait(patience, Want { least: most, most }).map(Deliveries::new)
    }

    /// All events from here on; it waits for more, and ends when the store is closed.
    pub fn iter(&mut self) -> impl Iterator<Item = Result<Delivery>> {
        std::iter::from_fn(move || self.one(Patience::Forever).transpose())
    }

    /// All events up to the head of this moment, backoffs waited out.
    pub fn catch_up(&mut self) -> impl Iterator<Item = Result<Delivery>> {
        let mut target = None;
        std::iter::from_fn(move || {
            let patience = self.up_to_first(&mut target);
            patience.and_then(|patience| self.one(patience)).transpose()
        })
    }

    /// All events from here on, as many at once as are there, at most `max`; it waits for more, and ends when the
    /// store is closed. As [`Subscription::next_batch`] otherwise.
    pub fn iter_in_batches(&mut self, max: usize) -> impl Iterator<Item = Result<Deliveries>> {
        let want = Want { least: 1, most: max.clamp(1, MAX_BATCH) };
        std::iter::from_fn(move || self.some(Patience::Forever, want).transpose())
    }

    /// All events up to the head of this moment, as many at once as are there, at most `max`; backoffs waited
    /// out. As [`Subscription::next_batch`] otherwise.
    pub fn catch_up_in_batches(&mut self, max: usize) -> impl Iterator<Item = Result<Deliveries>> {
        let mut target = None;
        let want = Want { least: 1, most: max.clamp(1, MAX_BATCH) };
        std::iter::from_fn(move || {
            let patience = self.up_to_first(&mut target);
            patience.and_then(|patience| self.some(patience, want)).transpose()
        })
    }

    /// The pause that holds, as far as this consumer was told: nothing is handed over, and `catch_up` ends.
    #[must_use]
    pub fn pause(&self) -> Option<&Pause> {
        self.notices.pause()
    }

    /// Its deliveries as a stream, for a runtime of the host program's own.
    ///
    /// # Errors
    /// What the system says of a new thread.
    #[cfg(feature = "async")]
    pub fn into_stream(self) -> Result<DeliveryStream> {
        let (store, stop) = (self.consumer.store.clone(), Arc::clone(&self.stop));
        DeliveryStream::new(self, store, stop)
    }

    /// Makes the cursor durable now, instead of within a second.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&mut self) -> Result<()> {
        self.consumer.write()?;
        self.consumer.cursor().sync()
    }

    /// Waits until there may be something new, or something is due.
    pub(crate) fn rest(&mut self, rings: u64) {
        let core = self.consumer.store.core();
        let due = match self.consumer.window().pick(&self.wish(1, None)) {
            Picked::Nothing(due) | Picked::Busy(due) => due,
            _ => None,
        };
        core.bell.watch(&core.names.head(), core.fs.can_watch());
        self.woken = core.bell.wait(rings, self.wakes_at(due));
    }

    /// Up to the head of the first call.
    fn up_to_first(&self, target: &mut Option<u64>) -> Result<Patience> {
        let first = match *target {
            Some(first) => first,
            None => *target.insert(self.consumer.store.core().head()?.seq),
        };
        Ok(Patience::UpTo(first))
    }

    fn some(&mut self, patience: Patience, want: Want) -> Result<Option<Deliveries>> {
        let deliveries = self.wait(patience, want)?;
        Ok((!deliveries.is_empty()).then(|| Deliveries::new(deliveries)))
    }

    fn one(&mut self, patience: Patience) -> Result<Option<Delivery>> {
        Ok(self.wait(patience, Want::ONE)?.pop())
    }

    fn wait(&mut self, patience: Patience, want: Want) -> Result<Vec<Delivery>> {
        let consumer = Arc::clone(&self.consumer);
        let core = consumer.store.core();
        loop {
            let rings = core.bell.rings();
            if core.is_closed() || self.stop.load(Ordering::Acquire) {
                return Ok(Vec::new());
            }
            // What was done here is enough to hand something over, and never to say that there is nothing.
            let here = self.look_here(core);
            let is_from_here = here.is_some();
            let looked = here.map_or_else(|| self.head.look(), Ok)?;
            self.obey(&looked)?;
            self.look_at_letters(&looked.head)?;
            let target = match patience {
                Patience::UpTo(target) => Some(target),
                Patience::Forever | Patience::Until(_) => None,
            };
            let is_paused = self.pause().is_some();
            let picked = if is_paused {
                Picked::Nothing(None)
            } else {
                self.pick(&looked.head, target, want.most)?
            };
            let due = match picked {
                Picked::Give(spots) => {
                    // What is tried again comes alone, and is not waited with.
                    let is_enough = spots.len() >= want.least || self.is_alone(&spots, want);
                    if is_enough || (is_over(patience) && !is_from_here) {
                        return consumer.hand_over(&spots);
                    }
                    None
                }
                Picked::Bury(spot) => {
                    consumer.bury(spot)?;
                    continue;
                }
                Picked::Overrun(spot, flight) => {
                    consumer.fail(spot, flight, OVERDUE, None);
                    continue;
                }
                Picked::Doubt => {
                    settlement::fold_again(&consumer)?;
                    continue;
                }
                Picked::Busy(_) if consumer.order == Order::Total => {
                    return Err(Error::Invalid(format!(
                        "subscription `{}` has a delivery that is not settled: ack, nack or drop it before asking \
                         for the next",
                        consumer.name
                    )));
                }
                Picked::Busy(due) | Picked::Nothing(due) => due,
            };
            if is_from_here {
                continue;
            }
            consumer.write()?;
            let has_ended = target.is_some_and(|target| is_paused || self.is_past(target));
            if is_over(patience) || has_ended {
                return Ok(Vec::new());
            }
            let due = self.wakes_at(due);
            let deadline = match patience {
                Patience::Until(deadline) => Some(due.map_or(deadline, |due| due.min(deadline))),
                Patience::Forever | Patience::UpTo(_) => due,
            };
            core.bell.watch(&core.names.head(), core.fs.can_watch());
            self.woken = core.bell.wait(rings, deadline);
        }
    }

    /// For who was just woken: what this process has done since the last look, whatever others did. Where it is about to
    /// do something, that is made ready.
    fn look_here(&mut self, core: &Core) -> Option<Looked> {
        if !std::mem::take(&mut self.woken) {
            return None;
        }
        let Some(moved) = self.head.look_here(&core.latest) else {
            if let Some(lines) = core.latest.coming() {
                let read_to = self.consumer.window().read_to();
                self.source.look_ahead(core, &self.filter, read_to, lines);
            }
            return None;
        };
        self.source.take_in(&moved);
        Some(moved.looked)
    }

    /// When there may be something to hand over: at the end of a pause, else of a backoff.
    fn wakes_at(&self, due: Option<Instant>) -> Option<Instant> {
        match self.pause() {
            Some(pause) => pause.rest().and_then(|rest| Instant::now().checked_add(rest)),
            None => due,
        }
    }

    fn wish(&self, max: usize, target: Option<u64>) -> Wish {
        let (order, max_attempts) = (self.consumer.order, self.consumer.retry.max_attempts);
        Wish { order, max_attempts, max, target, now: Instant::now() }
    }

    /// What comes next, read on as far as it takes.
    fn pick(&mut self, head: &Head, target: Option<u64>, most: usize) -> Result<Picked> {
        loop {
            let wish = self.wish(most, target);
            let window = self.consumer.window();
            let is_full = window.is_full(most);
            let picked = window.pick(&wish);
            drop(window);
            let reads = match &picked {
                Picked::Give(spots) => {
                    spots.len() < most && !self.is_alone(spots, Want { least: most, most })
                }
                // In total order it is the first that is waited for.
                Picked::Nothing(due) => due.is_none() || self.consumer.order != Order::Total,
                _ => false,
            };
            let is_beyond = target.is_some_and(|target| self.source.next() > target);
            if !reads || is_full || is_beyond || !self.read_on(head, most)? {
                return Ok(picked);
            }
            // Nothing but what is not wanted, for long.
            if self.consumer.window().is_empty() {
                self.consumer.write()?;
            }
        }
    }

    /// Whether there is a reason to hand over what there is, and no more.
    fn is_alone(&self, spots: &[Spot], want: Want) -> bool {
        let window = self.consumer.window();
        let per_subject = self.consumer.order != Order::Total;
        let alone = spots.first().is_some_and(|first| window.is_alone(*first));
        alone
            || window.is_full(want.most)
            || (per_subject && spots.len() >= self.consumer.order.parallel())
    }

    /// Reads commits, or items of the snapshot, until one has events that are wanted, or enough for a batch; whether there was any.
    fn read_on(&mut self, head: &Head, most: usize) -> Result<bool> {
        let (mut count, mut skipped) = (0, 0);
        let consumer = Arc::clone(&self.consumer);
        let mut window = consumer.window();
        let enough = if consumer.order == Order::Total { most } else { 1 };
        let mut wanted = Vec::new();
        while count < enough && skipped < MOVED_WITHOUT_WRITE && !window.is_full(most) {
            let (core, whose) = (consumer.store.core(), (&*consumer.name, &self.filter));
            let read_to = window.read_to();
            let read = self.source.read(core, whose, read_to, head, &mut wanted)?;
            let Some(read_to) = read else { break };
            count += wanted.len();
            skipped += u64::from(wanted.is_empty());
            window.push(wanted.drain(..), read_to);
        }
        Ok(count > 0 || skipped > 0)
    }

    /// Whether nothing is left to do up to a commit.
    fn is_past(&self, target: u64) -> bool {
        self.source.next() > target
            && self.letters.is_empty()
            && !self.consumer.window().is_pending(target)
    }
}

fn is_over(patience: Patience) -> bool {
    matches!(patience, Patience::Until(deadline) if deadline <= Instant::now())
}

#[cfg(test)]
mod tests;
