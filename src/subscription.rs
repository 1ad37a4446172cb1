//! Subscriptions: every event that matches, at least once and in order, settled one by one.
//!
//! Head → journal → record → filter → delivery → ack → cursor. Readers never go beyond the head, so
//! nothing is delivered that a power cut could undo.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::cursor::{Cursor, CursorValue};
use crate::delivery::{Consumer, Delivery, Flight, HandOver, InFlight};
use crate::error::{Error, Result};
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::fs::File;
use crate::head::Head;
use crate::head_reader::HeadReader;
use crate::journal::Reader;
use crate::notices::Notices;
use crate::pause::Pause;
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
    consumer: Arc<Consumer>,
    filter: Filter,
    head: HeadReader,
    reader: Reader,
    /// Events of the commit that was read last and are still to be handed over.
    ready: VecDeque<Arc<RecordedEvent>>,
    /// Everything before this is settled or not wanted.
    floor: Position,
    notices: Notices,
    stop: Arc<AtomicBool>,
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
        let (head, reader) = (core.head_reader(), core.reader(floor.seq));
        let flight = InFlight::default();
        let consumer = Arc::new(Consumer { store, name, retry, cursor, flight, _lock: lock });
        Self {
            consumer,
            filter,
            head,
            reader,
            ready: VecDeque::new(),
            floor,
            notices: Notices::default(),
            stop,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.consumer.name
    }

    /// The last position that is settled, or not wanted.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.consumer.flight.state() {
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
                None => match self.consumer.store.core().head() {
                    Ok(head) => *target.insert(head.seq),
                    Err(error) => return Some(Err(error)),
                },
            };
            self.wait(Patience::UpTo(target)).transpose()
        })
    }

    /// The pause that holds, as far as this consumer was told: nothing is handed over, and `catch_up` ends.
    #[must_use]
    pub fn pause(&self) -> Option<&Pause> {
        self.notices.pause()
    }

    /// Makes the cursor durable now, instead of within a second.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&mut self) -> Result<()> {
        self.write_floor()?;
        self.consumer.cursor().sync()
    }

    /// Waits until there may be something new, or a backoff ends.
    pub(crate) fn rest(&self, rings: u64) {
        let core = self.consumer.store.core();
        let due = match self.consumer.flight.state() {
            Flight::Backoff { until } => Some(until),
            _ => None,
        };
        core.bell.watch(&core.names.head(), core.fs.can_watch());
        core.bell.wait(rings, self.wakes_at(due));
    }

    fn wait(&mut self, patience: Patience) -> Result<Option<Delivery>> {
        let consumer = Arc::clone(&self.consumer);
        let core = consumer.store.core();
        loop {
            let rings = core.bell.rings();
            if core.is_closed() || self.stop.load(Ordering::Acquire) {
                return Ok(None);
            }
            self.take_note();
            let (version, head) = self.head.look()?;
            self.obey(version, &head)?;
            let due = match consumer.flight.state() {
                Flight::Out => {
                    return Err(Error::Invalid(format!(
                        "subscription `{}` has a delivery that is not settled: ack, nack or drop it before asking \
                         for the next",
                        consumer.name
                    )));
                }
                Flight::InDoubt => {
                    self.resolve_doubt()?;
                    continue;
                }
                Flight::Backoff { until } => Some(until),
                Flight::Settled { .. } | Flight::None => None,
            };
            let is_paused = self.pause().is_some();
            if is_paused && matches!(patience, Patience::UpTo(_)) {
                self.write_floor()?;
                return Ok(None);
            }
            if !is_paused && due.is_none_or(|due| due <= Instant::now()) {
                let is_ready = due.is_some() || self.fetch(&head)?;
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
            let due = self.wakes_at(due);
            let deadline = match patience {
                Patience::Until(deadline) if deadline <= Instant::now() => return Ok(None),
                Patience::Until(deadline) => Some(due.map_or(deadline, |due| due.min(deadline))),
                Patience::Forever | Patience::UpTo(_) => due,
            };
            core.bell.watch(&core.names.head(), core.fs.can_watch());
            core.bell.wait(rings, deadline);
        }
    }

    /// When there may be something to hand over: at the end of a pause, else of a backoff.
    fn wakes_at(&self, due: Option<Instant>) -> Option<Instant> {
        match self.pause() {
            Some(pause) => pause.rest().and_then(|rest| Instant::now().checked_add(rest)),
            None => due,
        }
    }

    /// Takes note of what became of the last delivery, once it is settled.
    fn take_note(&mut self) {
        if let Flight::Settled { next } = self.consumer.flight.state() {
            self.ready.pop_front();
            self.floor = next;
            self.consumer.flight.clear();
        }
    }

    /// Reads on until an event matches; whether one did.
    fn fetch(&mut self, head: &Head) -> Result<bool> {
        let epoch = self.consumer.store.core().identity.epoch;
        let mut moved = 0;
        while self.ready.is_empty() {
            let (filter, seq) = (&self.filter, self.reader.next());
            let from = if seq == self.floor.seq { self.floor.idx as usize } else { 0 };
            let wanted: Option<Vec<RecordedEvent>> =
                self.reader.read_events(head, |line| filter.wanted(line, from, epoch))?;
            let Some(wanted) = wanted else { return Ok(false) };
            self.ready.extend(wanted.into_iter().map(Arc::new));
            if self.ready.is_empty() {
                self.floor = Position::end_of(seq).next();
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
        let mut cursor = self.consumer.cursor();
        cursor.change(|value| {
            // Counted when handed over: a consumer that dies in it has used it.
            value.attempt = if value.next == event.position { value.attempt + 1 } else { 1 };
            value.next = event.position;
            value.folded = value.folded.max(event.position.seq - 1);
        })?;
        let CursorValue { attempt, generation, .. } = *cursor.value();
        drop(cursor);
        self.floor = event.position;
        tracing::debug!(
            subscription = self.consumer.name,
            event = event.id(),
            attempt,
            "handed over"
        );
        let parts = HandOver { event, attempt, next, generation };
        Ok(Delivery::new(Arc::clone(&self.consumer), parts))
    }

    /// Finds out whether the commit that was to settle the last event is there.
    fn resolve_doubt(&mut self) -> Result<()> {
        let next = settlement::fold_again(
            self.consumer.store.core(),
            &self.consumer.name,
            &self.consumer.cursor,
        )?;
        if next > self.floor {
            self.floor = next;
            self.ready.clear();
            self.reader = self.consumer.store.core().reader(next.seq);
        }
        self.consumer.flight.clear();
        Ok(())
    }

    /// Moves the cursor over what is not wanted.
    fn write_floor(&mut self) -> Result<()> {
        let mut cursor = self.consumer.cursor();
        if cursor.value().next < self.floor {
            cursor.change(|value| {
                value.next = self.floor;
                value.folded = value.folded.max(self.floor.seq - 1);
                value.attempt = 0;
            })?;
        }
        Ok(())
    }

    /// Does what its definition says since the last look: a reset is gone to, once.
    fn obey(&mut self, version: u64, head: &Head) -> Result<()> {
        let is_idle = self.ready.is_empty() && self.reader.next() > head.seq;
        let consumer = Arc::clone(&self.consumer);
        let core = consumer.store.core();
        let Some(definition) = self.notices.look(core, &consumer.name, version, is_idle)? else {
            return Ok(());
        };
        let mut cursor = consumer.cursor();
        if let Some(request) = definition.request_after(cursor.value().generation) {
            let pid = cursor.value().pid;
            cursor.write(CursorValue { pid, ..request.cursor(core) })?;
            cursor.sync()?;
            tracing::info!(subscription = self.consumer.name, next = %request.next, "went where a reset said");
            self.floor = request.next;
            self.ready.clear();
            self.consumer.flight.clear();
            self.reader = core.reader(self.floor.seq);
        }
        drop(cursor);
        self.notices.obeyed();
        Ok(())
    }
}
