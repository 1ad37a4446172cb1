//! Opening a subscription: one consumer, a durable cursor, a start that cannot be dropped meanwhile.

use std::time::{Duration, Instant};

use crate::consumer::Consumer;
use crate::core::Core;
use crate::cursor::{self, Cursor, CursorValue};
use crate::defining;
use crate::definition::Definition;
use crate::draft::{self, Beginning, Draft};
use crate::error::{Context, Error, Result};
use crate::filter::{Filter, Globs};
use crate::fs::{File, Lock};
use crate::head::Head;
use crate::lock::Locked;
use crate::names;
use crate::order::Order;
use crate::register::Register;
use crate::renaming;
use crate::retry::RetryPolicy;
use crate::roster;
use crate::settlement::fold;
use crate::start::{Start, resolve};
use crate::store::Store;
use crate::subscription::Subscription;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, PoisonError, thread};

/// Whoever lists the subscriptions holds a lock for a moment, so a refusal is asked for again this long.
pub(crate) const BUSY_FOR: Duration = Duration::from_millis(100);
/// How often a consumer that waits for another to end looks whether it has.
pub(crate) const STAND_BY: Duration = Duration::from_millis(5);

/// A subscription about to be opened.
#[derive(Clone, Debug)]
#[must_use = "a subscription does nothing until it is opened"]
pub struct SubscriptionBuilder {
    store: Store,
    name: String,
    start: Option<Start>,
    globs: Globs,
    order: Order,
    retry: RetryPolicy,
    wait: bool,
    stop: Arc<AtomicBool>,
}

impl SubscriptionBuilder {
    pub(crate) fn new(store: Store, name: String) -> Self {
        Self {
            store,
            name,
            start: None,
            globs: Globs::default(),
            order: Order::default(),
            retry: RetryPolicy::default(),
            wait: false,
            stop: Arc::default(),
        }
    }

    /// Where to begin when it is opened for the first time; ignored later.
    pub fn from(mut self, start: Start) -> Self {
        self.start = Some(start);
        self
    }

    /// Which types of events it wants, as globs; none for all. Each opening states the filter whole.
    pub fn types<T: Into<String>>(mut self, globs: impl IntoIterator<Item = T>) -> Self {
        self.globs.types = globs.into_iter().map(Into::into).collect();
        self
    }

    /// About which subjects it wants events, as globs; none for all.
    pub fn subjects<T: Into<String>>(mut self, globs: impl IntoIterator<Item = T>) -> Self {
        self.globs.subjects = globs.into_iter().map(Into::into).collect();
        self
    }

    /// Whether it wants changes of documents: an event for each document that a commit wrote, `docbox.put` or
    /// `docbox.remove`, without anybody having emitted it. Its subject is the key, its data the revision, the
    /// revision before and the document. They come after the events of their commit.
    ///
    /// Globs of subjects hold for them. Globs of types that begin with `docbox.` and name one of the two leave
    /// only those that they name; where none does, all of them come. Other globs of types are for other events.
    ///
    /// ```
    /// use docbox::{Revision, Start, Store, Transaction};
    /// #[derive(serde::Deserialize)]
    /// struct Put {
    ///     revision: Revision,
    ///     was: Option<Revision>,
    ///     document: serde_json::Value,
    /// }
    /// # let folder = tempfile::tempdir().unwrap();
    /// let store = Store::open(folder.path())?;
    /// store.commit(Transaction::new().put("agents/jake", &"working")?)?;
    /// let mirror = store.subscribe("mirror").from(Start::Beginning);
    /// let mut mirror = mirror.changes(true).types(["docbox.put"]).open()?;
    /// for delivery in mirror.catch_up() {
    ///     let delivery = delivery?;
    ///     let put: Put = delivery.event().data()?;
    ///     assert_eq!(delivery.event().about(), Some("agents/jake"));
    ///     assert_eq!((put.was, put.document), (None, "working".into()));
    ///     delivery.ack()?;
    /// }
    /// # store.close()?;
    /// # Ok::<(), docbox::Error>(())
    /// ```
    pub fn changes(mut self, wanted: bool) -> Self {
        self.globs.changes = wanted;
        self
    }

    /// What may be in hand at once: one event, or one of each subject. Each opening states it.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// How often, and how long after, a failed event comes again, and how long an attempt may take. Each
    /// opening states it.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Waits for another consumer to end, instead of [`Error::Busy`].
    pub fn wait(mut self, wait: bool) -> Self {
        self.wait = wait;
        self
    }

    /// Ends waiting, for another consumer and for events, within a second after the flag is raised.
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.retry.deadline()
    }

    pub(crate) fn parallel(&self) -> usize {
        self.order.parallel()
    }

    /// Opens it: from here on this is its one consumer.
    ///
    /// # Errors
    /// [`Error::Busy`]; [`Error::Invalid`] for the name, a glob, or a first opening without a start;
    /// [`Error::Compacted`] for a start that is no longer kept; [`Error::Cursor`]; [`Error::Json`] for a document
    /// that is none, at a first opening with [`Start::Snapshot`].
    pub fn open(self) -> Result<Subscription> {
        let store = self.store.clone();
        let core = store.core();
        core.check_writable()?;
        names::check_subscription(&self.name)?;
        let filter = Filter::new(&self.globs)?;
        self.retry.check()?;
        self.order.check()?;
        let existed = roster::is_there(&*core.fs, &core.names, &self.name)?;
        if !existed && self.start.is_none() {
            return Err(Error::Invalid(format!(
                "subscription `{}` is opened for the first time: say where it begins, \
                 at the `beginning`, `now`, with a `snapshot`, or after a position (`--from` on the command line)",
                self.name
            )));
        }
        let lock = self.hold(core)?;
        let (locked, head) = self.make_sure(core, existed)?;
        // Under the lock still: a register may be made anew, which must not bring a removed one back.
        let taken = Cursor::take_over(&*core.fs, &core.names, &self.name, &core.identity, &head);
        drop(locked);
        let mut cursor = taken.inspect_err(|_| self.doubt(core))?;
        let value = fold(core, &self.name, cursor.value(), &head)?;
        cursor.write(CursorValue { pid: Some(core.fs.process_id()), ..value })?;
        tracing::debug!(subscription = self.name, next = %cursor.value().next, "opened");
        let Self { name, retry, order, stop, .. } = self;
        let consumer = Consumer::new(store, name, (retry, order), cursor, lock);
        Ok(Subscription::new(consumer, filter, stop))
    }

    /// Makes it where it is not there, and writes down what it is now. The lock, under which it is there.
    fn make_sure<'a>(&self, core: &'a Core, existed: bool) -> Result<(Locked<'a>, Head)> {
        loop {
            let mut draft = self.take_snapshot(core)?;
            let (locked, head) = defining::take(core)?;
            if roster::is_there(&*core.fs, &core.names, &self.name)? {
                let old = Definition::read(&*core.fs, &core.names, &self.name)?;
                self.define(core, old.as_ref())?;
                return Ok((locked, head));
            }
            if existed {
                // Removed or renamed while its consumer was waited for: to begin it anew is not what was asked for.
                return Err(Error::NoSubscription { name: self.name.clone() });
            }
            match self.create(core, &locked, &head, draft.as_mut()) {
                // What was committed since the snapshot is dropped already: it needs another.
                Err(Error::Compacted { .. }) if draft.is_some() => {}
                created => return created.map(|()| (locked, head)),
            }
        }
    }

    /// Its cursor could not be made durable. Of what an earlier consumer of this process wrote, that is known from
    /// here on, or a clean close would say yes to what is clean and lost.
    fn doubt(&self, core: &Core) {
        let path = core.names.cursor(&self.name);
        for cursor in &*core.cursors.lock().unwrap_or_else(PoisonError::into_inner) {
            cursor.lock().unwrap_or_else(PoisonError::into_inner).doubt(&path);
        }
    }

    /// Takes the lock that makes this the only consumer.
    fn hold(&self, core: &Core) -> Result<Arc<dyn File>> {
        let path = core.names.cursor_lock(&self.name);
        let file = cursor::open_lock(&*core.fs, &core.names, &self.name)?;
        let begun = Instant::now();
        let mut said = false;
        loop {
            if file.try_lock(Lock::Exclusive).context("lock", &path)? {
                return Ok(file);
            }
            let busy = || -> Result<Error> {
                let value = match cursor::peek(&*core.fs, &core.names, &self.name) {
                    // Removed, and its consumer has not let go yet.
                    Err(Error::NoSubscription { .. }) => None,
                    value => value?,
                };
                Ok(Error::Busy { name: self.name.clone(), pid: value.and_then(|value| value.pid) })
            };
            if self.stop.load(Ordering::Acquire) || (!self.wait && begun.elapsed() > BUSY_FOR) {
                return Err(busy()?);
            }
            core.check_open()?;
            if self.wait && !said && begun.elapsed() > BUSY_FOR {
                said = true;
                tracing::info!(subscription = self.name, "{}", busy()?);
            }
            thread::sleep(STAND_BY);
        }
    }

    /// The snapshot that it is to begin with. It takes as long as the documents take to read, so it is taken before
    /// the lock is.
    fn take_snapshot(&self, core: &Core) -> Result<Option<Draft>> {
        if self.start != Some(Start::Snapshot)
            || roster::is_there(&*core.fs, &core.names, &self.name)?
        {
            return Ok(None);
        }
        draft::take(core).map(Some)
    }

    /// Writes down what it is now, if that has changed.
    fn define(&self, core: &Core, old: Option<&Definition>) -> Result<()> {
        let new = Definition {
            name: self.name.clone(),
            filter: self.globs.clone(),
            order: self.order,
            retry: self.retry.clone(),
            reset: old.and_then(|old| old.reset),
            paused: old.and_then(|old| old.paused.clone()),
            end: None,
            renamed_from: None,
        };
        if old == Some(&new) { Ok(()) } else { new.write(&*core.fs, &core.names) }
    }

    /// Makes the cursor, durably, before anything is delivered; then the definition, which makes it count where
    /// one that had ended, or that nothing came of, left its own.
    fn create(
        &self,
        core: &Core,
        locked: &Locked<'_>,
        head: &Head,
        draft: Option<&mut Draft>,
    ) -> Result<()> {
        let Beginning { next, snapshot } = match draft {
            Some(draft) => draft.place(core, locked, head)?,
            None => Beginning::at(resolve(core, self.start.unwrap_or(Start::Beginning), head)?),
        };
        let value = CursorValue::at(core.identity.clone(), next, head.seq, 0);
        let value = CursorValue { snapshot, ..value };
        let path = core.names.cursor(&self.name);
        let created =
            Register::create(&*core.fs, &path, &value).and_then(|()| self.define(core, None));
        if created.is_err() {
            // There, perhaps, but not durable: a subscription that a power cut forgets would begin anew.
            let _ = core.fs.remove_file(&path);
            if snapshot.is_some() {
                // Nor may a power cut bring it back once its snapshot is gone.
                let _ = renaming::remove_for_good(core, &self.name);
            }
        }
        created
    }
}
