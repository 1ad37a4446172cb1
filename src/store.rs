//! Stores: the door to everything.

mod letters;
mod subscriptions;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::checkpoint;
use crate::commit::{commit, commit_all};
use crate::core::Core;
use crate::document::Document;
use crate::emitted::Emitted;
use crate::error::{Context, Error, Result};
use crate::housekeeping;
use crate::key::Key;
use crate::leader::StandingLeader;
use crate::options::Options;
use crate::policy;
use crate::queue::Commit;
use crate::retain::Retain;
use crate::retention::retain;
use crate::status::Status;
use crate::sweep::sweep;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex, PoisonError};
use crate::transaction::Transaction;
use crate::verify::{Report, verify};
use crate::view::{self, View};

/// A store: documents in a folder, and the journal of all that ever happened to them.
///
/// Cheap to clone; all clones are one open store. The last clone that is dropped leaves it as a kill
/// would, which loses nothing; [`Store::close`] leaves nothing to redo.
///
/// ```
/// use docbox::{Event, Store, Transaction};
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let store = Store::open(folder)?;
/// let commit = store.commit(
///     Transaction::new()
///         .put("agents/jake", &serde_json::json!({"state": "working"}))?
///         .emit(Event::bare("AgentSpawned").subject("agents/jake")),
/// )?;
/// assert_eq!(commit.seq(), 1);
/// assert_eq!(std::fs::read(folder.join("agents/jake.json")).unwrap(), b"{\n  \"state\": \"working\"\n}\n");
/// store.close()?;
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    core: Arc<Core>,
    housekeeper: Mutex<Option<JoinHandle<()>>>,
    leader: StandingLeader,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nothing that can fail: it only tells the threads.
        self.core.stopping.stop();
        self.core.queue.dismiss();
    }
}

impl Store {
    /// Opens the store in a folder, and makes it when there is none.
    ///
    /// # Errors
    /// See [`Options::open`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(folder)
    }

    /// Opens the store in a folder without writing anything.
    ///
    /// # Errors
    /// See [`Options::open_read_only`].
    pub fn open_read_only(folder: impl AsRef<Path>) -> Result<Self> {
        Self::options().open_read_only(folder)
    }

    /// More ways to open a store.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn start(core: Core, housekeeping: bool) -> Result<Self> {
        let core = Arc::new(core);
        let kept = Arc::clone(&core);
        let housekeeper = housekeeping
            .then(|| {
                thread::Builder::new()
                    .name("docbox-housekeeping".into())
                    .spawn(move || housekeeping::keep(&kept))
                    .context("start a thread for", core.names.root())
            })
            .transpose()?;
        let (housekeeper, leader) = (Mutex::new(housekeeper), StandingLeader::default());
        Ok(Self(Arc::new(Handle { core, housekeeper, leader })))
    }

    /// The store's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.core().names.root()
    }

    /// The store's id: a UUID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.core().identity.store
    }

    /// Whether it was opened for reading only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.core().read_only
    }

    /// Makes a transaction a commit. `Ok`: it survives a power cut, every program sees its documents,
    /// and its events will be delivered. `Err`: it will never appear, except with [`Error::InDoubt`].
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Invalid`], [`Error::InDoubt`], [`Error::Blocked`],
    /// [`Error::Unusable`], what the disk says.
    pub fn commit(&self, transaction: Transaction) -> Result<Commit> {
        let committed = commit(self.core(), transaction);
        self.0.leader.start_if_wanted(&self.0.core);
        committed
    }

    /// Makes each transaction a commit of its own, in this order, sharing syncs; one result for each.
    /// What is refused does not stop those that follow.
    ///
    /// # Errors
    /// Each result as that of [`Store::commit`].
    #[must_use = "a transaction may have been refused"]
    pub fn commit_all(&self, transactions: Vec<Transaction>) -> Vec<Result<Commit>> {
        let committed = commit_all(self.core(), transactions);
        self.0.leader.start_if_wanted(&self.0.core);
        committed
    }

    /// A document, parsed; `None` when there is none. It is as its file is now, whoever wrote it; one that is read often
    /// is kept in memory (4 MiB of them at most) for as long as its file is as it was.
    ///
    /// # Errors
    /// [`Error::Json`] when the file is no JSON, or no `T`; what the disk says.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<Document<T>>> {
        View::new(self.core()).get(key)
    }

    /// A document's exact bytes; `None` when there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn get_bytes(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>> {
        View::new(self.core()).get_bytes(key)
    }

    /// The keys of all documents that begin with `prefix` (of the key's text), sorted by their bytes.
    ///
    /// # Errors
    /// What the disk says.
    pub fn list(&self, prefix: &str) -> Result<Vec<Key>> {
        View::new(self.core()).list(prefix)
    }

    /// Looks at several documents as of one commit. `look` may be called more than once; what it
    /// returned last counts. It must not commit.
    ///
    /// # Errors
    /// What `look` says; what the disk says.
    pub fn read<R>(&self, look: impl FnMut(&View<'_>) -> Result<R>) -> Result<R> {
        view::read(self.core(), look)
    }

    /// Reads a document, lets `change` change it, and commits it together with the events that `change`
    /// returns, if nobody wrote it meanwhile; else again. `None` when there is no such document.
    ///
    /// Fields that `T` does not know are lost: keep them with `#[serde(flatten)]`, or take a
    /// `serde_json::Value`.
    ///
    /// # Errors
    /// As [`Store::get`] and [`Store::commit`], except [`Error::Conflict`].
    pub fn update<T, E>(
        &self,
        key: impl AsRef<str>,
        mut change: impl FnMut(&mut T) -> E,
    ) -> Result<Option<Commit>>
    where
        T: DeserializeOwned + Serialize,
        E: Emitted,
    {
        let key = key.as_ref();
        loop {
            let Some(Document { mut value, revision }) = self.get::<T>(key)? else {
                return Ok(None);
            };
            let events = change(&mut value).events()?;
            let transaction = Transaction::new().put_if(key, revision, &value)?;
            match self.commit(events.into_iter().fold(transaction, Transaction::emit)) {
                Err(Error::Conflict { .. }) => {}
                other => return other.map(Some),
            }
        }
    }

    /// How the store is.
    ///
    /// # Errors
    /// What the disk says; [`Error::Corrupt`].
    pub fn status(&self) -> Result<Status> {
        Status::of(self.core())
    }

    /// Reads everything and says what is wrong.
    ///
    /// # Errors
    /// What the disk says. Damage is in the report.
    pub fn verify(&self) -> Result<Report> {
        verify(self.core(), &mut |_| {})
    }

    /// [`Store::verify`], telling as it goes how many bytes of the journal and how many documents are read.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub fn verify_with(&self, progress: &mut dyn FnMut(u64)) -> Result<Report> {
        verify(self.core(), progress)
    }

    /// Makes the documents durable in the folder and moves `applied`, as the store does of itself from
    /// time to time. `false` when another process is at it, or there is nothing to do.
    ///
    /// # Errors
    /// What the disk says.
    pub fn checkpoint(&self) -> Result<bool> {
        self.core().check_writable()?;
        checkpoint(self.core())
    }

    /// Drops the segments that `applied` and every subscription have passed and that are old enough, as
    /// the store does of itself from time to time. How many.
    ///
    /// # Errors
    /// What the disk says.
    pub fn retain(&self) -> Result<usize> {
        self.core().check_writable()?;
        retain(self.core())
    }

    /// What is kept of the journal, as the store was told.
    ///
    /// # Errors
    /// What the disk says.
    pub fn retained(&self) -> Result<Retain> {
        policy::read(self.core())
    }

    /// Tells the store what is to be kept of the journal, for every process.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be kept so; what the disk says.
    pub fn retain_as(&self, retain: Retain) -> Result<()> {
        policy::tell(self.core(), retain)
    }

    /// Syncs what is not durable yet in the folder, so that the next open has nothing to redo, and
    /// closes the store for all clones. Those who wait for events are woken.
    ///
    /// # Errors
    /// What the disk says; the store is closed all the same, as by a kill.
    pub fn close(&self) -> Result<()> {
        let core = self.core();
        if core.is_closed() {
            return Ok(());
        }
        core.stopping.stop();
        self.0.leader.end(core);
        let housekeeper = self.0.housekeeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(housekeeper) = housekeeper {
            housekeeper.join().map_err(|_| {
                Error::unusable(
                    core.names.root(),
                    "the housekeeping thread panicked; open the store anew",
                )
            })?;
        }
        let left = if core.read_only {
            Ok(())
        } else {
            housekeeping::sync_cursors(core)
                .and_then(|()| checkpoint(core).map(|_| ()))
                .and_then(|()| sweep(core))
        };
        core.close();
        core.release();
        left
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0.core
    }
}
