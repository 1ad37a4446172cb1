//! A look at the journal's events, without a cursor.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::event::RecordedEvent;
use crate::filter::{Filter, Globs};
use crate::head::Head;
use crate::journal::Reader;
use crate::record::events::EventLine;
use crate::start::{Start, resolve};
use crate::store::Store;

/// Events in order, up to the head. At the head it says `None`, and goes on when asked again later.
#[derive(Debug)]
pub struct Events {
    store: Store,
    /// As it was when its end was reached last.
    head: Head,
    reader: Reader,
    /// The index to begin with in the first commit.
    from: usize,
    filter: Filter,
    ready: VecDeque<RecordedEvent>,
}

impl Events {
    pub(crate) fn new(store: Store, start: Start) -> Result<Self> {
        let core = store.core();
        let head = core.head()?;
        let next = resolve(core, start, &head)?;
        let reader = core.reader(next.seq);
        let filter = Filter::new(&Globs::default())?.with_own();
        Ok(Self { store, head, reader, from: next.idx as usize, filter, ready: VecDeque::new() })
    }

    /// Only those that match: globs of types and of subjects, none for all.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a glob.
    pub fn matching(mut self, types: Vec<String>, subjects: Vec<String>) -> Result<Self> {
        let changes = self.filter.wants_changes();
        self.filter = Filter::new(&Globs { types, subjects, changes })?.with_own();
        Ok(self)
    }

    /// Changes of documents too, as [`SubscriptionBuilder::changes`](crate::SubscriptionBuilder::changes) has it.
    #[must_use]
    pub fn changes(mut self, wanted: bool) -> Self {
        self.filter = self.filter.with_changes(wanted);
        self
    }

    /// Waits until there may be more, at most this long.
    pub fn wait(&self, timeout: Duration) {
        let core = self.store.core();
        let deadline = Instant::now().checked_add(timeout);
        core.bell.watch(&core.names.head(), core.fs.can_watch());
        let rings = core.bell.rings();
        // A look after the count, so that a ring in between is not missed.
        if core.head().is_ok_and(|head| head.seq < self.reader.next()) {
            core.bell.wait(rings, deadline);
        }
    }

    fn fetch(&mut self) -> Result<bool> {
        let core = self.store.core();
        core.check_open()?;
        // What was durable and in place stays so: only at the end of it there is something to ask.
        if self.ready.is_empty() && self.reader.next() > self.head.seq {
            self.head = core.head()?;
        }
        while self.ready.is_empty() {
            let (filter, from, epoch) = (&self.filter, self.from, core.identity.epoch);
            let mut ready = VecDeque::new();
            let look = |line: &EventLine<'_>| filter.wanted(line, from, epoch, &mut ready);
            if self.reader.look(&self.head, filter, look)?.is_none() {
                return Ok(false);
            }
            self.from = 0;
            self.ready = ready;
        }
        Ok(true)
    }
}

impl Iterator for Events {
    type Item = Result<RecordedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fetch() {
            Ok(true) => self.ready.pop_front().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
