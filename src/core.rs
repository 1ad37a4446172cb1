//! What every part of an open store shares.

use crate::bell::Bell;
use crate::cursor::Cursor;
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::fs::{File, Fs, Open};
use crate::head::{Applied, Head};
use crate::head_reader::HeadReader;
use crate::identity::Identity;
use crate::journal::Reader;
use crate::latest::Latest;
use crate::limits::Limits;
use crate::lock::CommitLock;
use crate::names::Names;
use crate::placed::Placed;
use crate::position::Position;
use crate::queue::Queue;
use crate::recent::Recent;
use crate::redo::{Redo, Unapplied};
use crate::register::Register;
use crate::snapshot::SnapshotId;
use crate::snapshot::reader::{Items, unknown};
use crate::spool::Spool;
use crate::stopping::Stopping;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, PoisonError};

/// An open store.
#[derive(Debug)]
pub struct Core {
    pub fs: Arc<dyn Fs>,
    pub names: Names,
    pub identity: Identity,
    pub limits: Limits,
    pub documents: Documents,
    pub spool: Spool,
    pub placed: Placed,
    pub recent: Recent,
    pub lock: CommitLock,
    pub queue: Queue,
    pub bell: Bell,
    pub latest: Latest,
    /// Held, shared, as long as the store is open for writing.
    pub open_lock: Mutex<Option<Arc<dyn File>>>,
    head: Mutex<HeadReader>,
    /// For a store that is only read and that nobody recovered: what its journal says beyond `applied`.
    pub unapplied: Option<Unapplied>,
    pub read_only: bool,
    /// Cursors that the background thread syncs; those of dropped subscriptions until it has.
    pub cursors: Mutex<Vec<Arc<Mutex<Cursor>>>>,
    /// Raised when the last handle of this process is dropped.
    pub stopping: Stopping,
    closed: AtomicBool,
}

/// The parts that are known before a store is open.
#[derive(Debug)]
pub struct Opening {
    pub fs: Arc<dyn Fs>,
    pub names: Names,
    pub identity: Identity,
    pub limits: Limits,
    pub read_only: bool,
}

impl Core {
    /// Puts the parts together; nothing is recovered yet.
    ///
    /// # Errors
    /// What the disk says.
    pub fn new(opening: Opening) -> Result<Self> {
        let Opening { fs, names, identity, limits, read_only } = opening;
        let how = if read_only { Open::Read } else { Open::Write };
        let documents = Documents::new(Arc::clone(&fs), names.clone())?;
        let lock = CommitLock::new(Arc::clone(&fs), names.clone(), limits.sizes, how)?;
        Ok(Self {
            documents,
            spool: Spool::new(limits.spool_age),
            placed: Placed::new(lock.tick(limits.settled)),
            recent: Recent::new(limits.settled),
            lock,
            queue: Queue::default(),
            bell: Bell::new(),
            latest: Latest::default(),
            open_lock: Mutex::new(None),
            head: Mutex::new(HeadReader::new(Arc::clone(&fs), names.head())),
            unapplied: None,
            cursors: Mutex::new(Vec::new()),
            stopping: Stopping::default(),
            closed: AtomicBool::new(false),
            fs,
            names,
            identity,
            limits,
            read_only,
        })
    }

    /// The head as of now: everything up to it is durable and in place.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the register is unreadable.
    pub fn head(&self) -> Result<Head> {
        self.check_open()?;
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        head.look().map(|looked| Head::clone(&looked.head))
    }

    /// The same for one who looks again and again, and waits for nobody else who does.
    #[must_use]
    pub fn head_reader(&self) -> HeadReader {
        HeadReader::new(Arc::clone(&self.fs), self.names.head())
    }

    /// Reads the journal from commit `next` on.
    #[must_use]
    pub fn reader(&self, next: u64) -> Reader {
        Reader::new(Arc::clone(&self.fs), self.names.clone(), next)
    }

    /// Reads the snapshot in which a subscription stands before `next`, from there on; `None` where that is in
    /// the journal.
    ///
    /// # Errors
    /// [`Error::Cursor`] where the snapshot is not there, or damaged; what the disk says.
    pub fn items(
        &self,
        subscription: &str,
        next: Position,
        snapshot: Option<SnapshotId>,
    ) -> Result<Option<Items>> {
        if !next.is_in_snapshot() {
            return Ok(None);
        }
        let id = snapshot.filter(|snapshot| snapshot.seq == next.seq);
        let id = id.ok_or_else(|| unknown(subscription, next))?;
        let place = (id, next.item().unwrap_or(0));
        Items::open(&*self.fs, &self.names, &self.identity, subscription, place).map(Some)
    }

    /// `applied`, `None` when it is missing or unreadable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn applied(&self) -> Result<Option<Applied>> {
        let register = Register::<Applied>::open(&*self.fs, &self.names.applied(), Open::Read)?;
        let value = register.map(|register| register.read()).transpose()?.flatten();
        Ok(value.filter(|applied| applied.identity == self.identity))
    }

    /// What the journal says of documents that the folder cannot be believed about.
    #[must_use]
    pub fn unapplied(&self) -> Option<&Redo> {
        self.unapplied.as_ref()?.as_of(self.head().ok().as_ref())
    }

    /// Refuses once the store is closed.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn check_open(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::unusable(self.names.root(), "the store is closed; open it again"));
        }
        Ok(())
    }

    /// Refuses what writes, in a store that is only read.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            return Err(Error::unusable(
                self.names.root(),
                "the store is open for reading only; open it where it can be written",
            ));
        }
        Ok(())
    }

    /// Whether the store was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// From here on everything is refused, and everybody who waits is woken.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Gives the open store back: the next to open it finds nobody there.
    pub fn release(&self) {
        *self.open_lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
