//! Subscriptions: every event that matches, at least once and in order, settled one by one.
//!
//! Head → journal → record → filter → delivery → ack → cursor. Readers never go beyond the head, so
//! nothing is delivered that a power cut could undo.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::cursor::{Cursor, CursorValue};
use crate::definition::Definition;
use crate::delivery::{Delivery, Flight, HandOver, InFlight};
use crate::error::{Context, Error, Result};
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::fs::{self, File, Stat};
use crate::head::Head;
use crate::journal::Reader;
use crate::position::Position;
use crate::retry::RetryPolicy;
use crate::settlement;
use crate::store::Store;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, PoisonError};

/// A cursor that moves without deliveries is written after this many commits at the latest.
const MOVED_WITHOUT_WRITE: u64 = 1000;

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
    store: Store,
    name: String,
    filter: Filter,
    retry: RetryPolicy,
    cursor: Arc<Mutex<Cursor>>,
    flight: Arc<InFlight>,
    reader: Reader,
    /// Events of the commit that was read last and are still to be handed over.
    ready: VecDeque<RecordedEvent>,
    /// Everything before this is settled or not wanted.
    floor: Position,
    /// The definition file that was obeyed last.
    definition: Option<Stat>,
    stop: Arc<AtomicBool>,
    /// Kept: it is what makes this the only consumer.
    lock: Arc<dyn File>,
}

/// What opening found out.
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) filter: Filter,
    pub(crate) retry: RetryPolicy,
    pub(crate) cursor: Cursor,
    pub(crate) lock: Arc<dyn File>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// How long to wait for the next event.
#[derive(Clone, Copy, Debug)]
enum Patience {
    Forever,
    Until(Instant),
    /// As long as there is something up to this commit.
    UpTo(u64),
}

impl Subscription {
    pub(crate) fn new(store: Store, opened: Opened) -> Self {
        let Opened { name, filter, retry, cursor, lock, stop } = opened;
        let core = store.core();
        let floor = cursor.value().next;
        let cursor = Arc::new(Mutex::new(cursor));
        let mut cursors = core.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.push(Arc::clone(&cursor));
        drop(cursors);
        let reader = core.reader(floor.seq);
        Self {
            name,
            filter,
            retry,
            cursor,
            flight: Arc::default(),
            reader,
            ready: VecDeque::new(),
            floor,
            definition: None,
            stop,
            lock,
            store,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last position that is settled, or not wanted.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.flight.state() {
            Flight::Settled { next } => next.before(),
            _ => self.floor.before(),
        }
    }

    /// Waits for the next event that matches, at most this long; `None` when there is none, or when the
    /// store is closed.
    ///
    /// # Errors
    /// [`Error::Invalid`] as long as the delivery before is not settled; what the disk says.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Delivery>> {
        let deadline = Instant::now().checked_add(timeout);
        self.wait(deadline.map_or(Patience::Forever, Patience::Until))
    }

    /// All events from here on; it waits for more, and ends when the store is closed.
    pub fn iter(&mut self) -> impl Iterator<Item = Result<Delivery>> {
        std::iter::from_fn(move || self.wait(Patience::Forever).transpose())
    }

    /// All events up to the head of this moment, backoffs waited out.
    pub fn catch_up(&mut self) -> impl Iterator<Item = Result<Delivery>> {
        let mut target = None;
        std::iter::from_fn(move || {
            let target = match target {
                Some(target) => target,
                None => match self.store.core().head() {
                    Ok(head) => *target.insert(head.seq),
                    Err(error) => return Some(Err(error)),
                },
            };
            self.wait(Patience::UpTo(target)).transpose()
        })
    }

    /// Makes the cursor durable now, instead of within a second.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&mut self) -> Result<()> {
        self.write_floor()?;
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner).sync()
    }

    /// Waits until there may be something new, or a backoff ends.
    pub(crate) fn rest(&self, rings: u64) {
        let core = self.store.core();
        let due = match self.flight.state() {
            Flight::Backoff { until } => Some(until),
            _ => None,
        };
        core.bell.watch(&core.names.head(), core.fs.can_watch());
        core.bell.wait(rings, due);
    }

    fn wait(&mut self, patience: Patience) -> Result<Option<Delivery>> {
        let store = self.store.clone();
        let core = store.core();
        loop {
            let rings = core.bell.rings();
            if core.is_closed() || self.stop.load(Ordering::Acquire) {
                return Ok(None);
            }
            self.obey_reset()?;
            let due = match self.flight.state() {
                Flight::Out => {
                    return Err(Error::Invalid(format!(
                        "subscription `{}` has a delivery that is not settled: ack, nack or drop it before asking \
                         for the next",
                        self.name
                    )));
                }
                Flight::Settled { next } => {
                    self.ready.pop_front();
                    self.floor = next;
                    self.flight.clear();
                    continue;
                }
                Flight::InDoubt => {
                    self.resolve_doubt()?;
                    continue;
                }
                Flight::Backoff { until } => Some(until),
                Flight::None => None,
            };
            let now = Instant::now();
            if due.is_none_or(|due| due <= now) {
                let is_ready = due.is_some() || self.fetch(&core.head()?)?;
                // What was committed since waits for the next call.
                let is_beyond =
                    matches!(patience, Patience::UpTo(target) if self.upcoming() > target);
                if is_ready && !is_beyond {
                    return self.hand_over().map(Some);
                }
                if is_beyond {
                    self.write_floor()?;
                    return Ok(None);
                }
            }
            self.write_floor()?;
            let deadline = match patience {
                Patience::Until(deadline) if deadline <= now => return Ok(None),
                Patience::Until(deadline) => Some(due.map_or(deadline, |due| due.min(deadline))),
                Patience::Forever | Patience::UpTo(_) => due,
            };
            core.bell.watch(&core.names.head(), core.fs.can_watch());
            core.bell.wait(rings, deadline);
        }
    }

    /// Reads on until an event matches; whether one did.
    fn fetch(&mut self, head: &Head) -> Result<bool> {
        let epoch = self.store.core().identity.epoch;
        let mut moved = 0;
        while self.ready.is_empty() {
            let Some(record) = self.reader.read(head)? else { return Ok(false) };
            let from = if record.seq == self.floor.seq { self.floor.idx as usize } else { 0 };
            self.ready = self.filter.wanted(&record, from, epoch);
            let end = record.end();
            if self.ready.is_empty() {
                self.floor = end.next();
                moved += 1;
                if moved % MOVED_WITHOUT_WRITE == 0 {
                    self.write_floor()?;
                }
            }
        }
        Ok(true)
    }

    /// The commit of the event that comes next; as long as none is at hand, the one that is read next.
    fn upcoming(&self) -> u64 {
        self.ready.front().map_or(self.reader.next(), |event| event.position.seq)
    }

    fn hand_over(&mut self) -> Result<Delivery> {
        let Some(event) = self.ready.front().cloned() else {
            return Err(Error::Invalid("nothing is ready to be handed over".into()));
        };
        // What follows it in its commit and is not wanted is settled along with it.
        let next = self
            .ready
            .get(1)
            .map_or(Position::end_of(event.position.seq).next(), |next| next.position);
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = cursor.value().clone();
        // Counted when handed over: a consumer that dies in it has used it.
        value.attempt = if value.next == event.position { value.attempt + 1 } else { 1 };
        value.next = event.position;
        value.folded = value.folded.max(event.position.seq - 1);
        let (attempt, generation) = (value.attempt, value.generation);
        cursor.write(value)?;
        drop(cursor);
        self.floor = event.position;
        tracing::debug!(subscription = self.name, event = event.id(), attempt, "handed over");
        Ok(Delivery::new(HandOver {
            event,
            attempt,
            next,
            generation,
            store: self.store.clone(),
            subscription: self.name.clone(),
            retry: self.retry.clone(),
            cursor: Arc::clone(&self.cursor),
            flight: Arc::clone(&self.flight),
            lock: Arc::clone(&self.lock),
        }))
    }

    /// Finds out whether the commit that was to settle the last event is there.
    fn resolve_doubt(&mut self) -> Result<()> {
        let next = settlement::fold_again(self.store.core(), &self.name, &self.cursor)?;
        if next > self.floor {
            self.floor = next;
            self.ready.clear();
            self.reader = self.store.core().reader(next.seq);
        }
        self.flight.clear();
        Ok(())
    }

    /// Moves the cursor over what is not wanted.
    fn write_floor(&mut self) -> Result<()> {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        if cursor.value().next < self.floor {
            let mut value = cursor.value().clone();
            value.next = self.floor;
            value.folded = value.folded.max(self.floor.seq - 1);
            value.attempt = 0;
            cursor.write(value)?;
        }
        Ok(())
    }

    /// Goes where a reset says, once.
    fn obey_reset(&mut self) -> Result<()> {
        let core = self.store.core();
        let path = core.names.cursor_definition(&self.name);
        let stat = fs::stat_if_there(&*core.fs, &path).context("look at", &path)?;
        if stat == self.definition {
            return Ok(());
        }
        let definition = Definition::read(&*core.fs, &core.names, &self.name)?;
        self.definition = stat;
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = cursor.value().generation;
        let Some(request) = definition.and_then(|definition| definition.request_after(generation))
        else {
            return Ok(());
        };
        let pid = cursor.value().pid;
        cursor.write(CursorValue { pid, ..request.cursor(core) })?;
        cursor.sync()?;
        drop(cursor);
        tracing::info!(subscription = self.name, next = %request.next, "went where a reset said");
        self.floor = request.next;
        self.ready.clear();
        self.flight.clear();
        self.reader = core.reader(self.floor.seq);
        Ok(())
    }
}
