//! `commit.lock`, and what only its holder may touch: the journal's end and `head`.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Context, Error, Result};
use crate::fs::{self, File, FileId, Fs, Lock, Open, Tick};
use crate::head::{self, Head};
use crate::journal::{Place, Sizes, Writer};
use crate::names::Names;
use crate::register::{FIRST_VERSION, Register, RegisterWriter};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// The lock under which commits are made: one thread of one process at a time.
#[derive(Debug)]
pub struct CommitLock {
    fs: Arc<dyn Fs>,
    names: Names,
    process_id: u32,
    how: Open,
    /// The lock's own file: where it is, and which, as it was opened.
    path: PathBuf,
    id: FileId,
    desk: Mutex<Desk>,
    /// The thread that reads several documents under the lock and must not commit meanwhile.
    reading: Mutex<Option<ThreadId>>,
}

/// What lies within reach of the holder.
#[derive(Debug)]
struct Desk {
    /// The lock's own descriptor; `None` after it could not be given back: closing it did that.
    file: Option<Arc<dyn File>>,
    head: Option<RegisterWriter<Head>>,
    journal: Writer,
    /// Why nothing may be committed any more until the store is opened anew.
    poisoned: Option<String>,
}

/// Proof that `commit.lock` is held.
#[derive(Debug)]
pub struct Locked<'a> {
    lock: &'a CommitLock,
    desk: MutexGuard<'a, Desk>,
}

impl CommitLock {
    /// The lock of a store, not taken.
    ///
    /// # Errors
    /// What the disk says; a filesystem whose locks do not work.
    pub fn new(fs: Arc<dyn Fs>, names: Names, sizes: Sizes, how: Open) -> Result<Self> {
        let path = names.commit_lock();
        let file = fs.open(&path, how).context("open", &path)?;
        let id = file.stat().context("look at", &path)?.id();
        let process_id = fs.process_id();
        let journal = Writer::new(Arc::clone(&fs), names.clone(), sizes);
        let desk = Mutex::new(Desk { file: Some(file), head: None, journal, poisoned: None });
        Ok(Self { fs, names, process_id, how, path, id, desk, reading: Mutex::new(None) })
    }

    /// How long a file may change again without having another time, tried with the lock's own: nobody asks for its times.
    pub fn tick(&self, longest: Duration) -> Tick {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        match &desk.file {
            Some(file) => Tick::find(&**file, longest),
            None => Tick::of(longest),
        }
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// [`Error::Unusable`] in a forked child, when `.docbox` was replaced, and within
    /// [`Store::read`](crate::Store::read).
    pub fn take(&self) -> Result<Locked<'_>> {
        let locked = self.take_for_batch()?;
        self.check_home()?;
        Ok(locked)
    }

    /// As [`CommitLock::take`], for who looks at its home later ([`CommitLock::check_home`]): before it makes
    /// anything by its path, and before what it writes into open files counts. (`head` is open since the store is.)
    ///
    /// # Errors
    /// As [`CommitLock::take`], but for a `.docbox` that was replaced.
    pub fn take_for_batch(&self) -> Result<Locked<'_>> {
        self.check_caller()?;
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        self.file(&mut desk)?.lock().context("lock", &self.path)?;
        Ok(Locked { lock: self, desk })
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// As [`CommitLock::take`].
    pub fn try_take(&self) -> Result<Option<Locked<'_>>> {
        self.check_caller()?;
        let mut desk = match self.desk.try_lock() {
            Ok(desk) => desk,
            Err(TryLockError::Poisoned(desk)) => desk.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let file = self.file(&mut desk)?;
        let taken = file.try_lock(Lock::Exclusive).context("lock", &self.path)?;
        if !taken {
            return Ok(None);
        }
        let locked = Locked { lock: self, desk };
        self.check_home()?;
        Ok(Some(locked))
    }

    fn file<'a>(&self, desk: &'a mut Desk) -> Result<&'a Arc<dyn File>> {
        let file = if let Some(file) = desk.file.take() {
            file
        } else {
            self.fs.open(&self.path, self.how).context("open", &self.path)?
        };
        Ok(desk.file.insert(file))
    }

    /// Refuses where another `.docbox`, or none, is under the same name: what is acknowledged into unlinked
    /// files is lost, and another store's files are not ours.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn check_home(&self) -> Result<()> {
        let now =
            fs::none_if_missing(self.fs.file_id(&self.path)).context("look at", &self.path)?;
        if now == Some(self.id) {
            return Ok(());
        }
        Err(self.unusable(
            "its `.docbox` was removed or replaced while it was open; open the store anew",
        ))
    }

    /// Refuses whoever must not wait for the lock: a forked child, and the thread that reads under it.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn check_caller(&self) -> Result<()> {
        // A forked child shares the lock with its parent.
        if self.fs.process_id() != self.process_id {
            return Err(self.unusable(
                "it was opened by another process, of which this one is a fork; open it anew here",
            ));
        }
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if *reading == Some(thread::current().id()) {
            return Err(self.unusable(
                "a commit within `read` would wait for itself; return from `read` first",
            ));
        }
        Ok(())
    }

    fn unusable(&self, what: &str) -> Error {
        Error::unusable(self.names.root(), what)
    }
}

impl Locked<'_> {
    /// The head as it is now, whoever moved it. Nobody else moves it while this is held.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the register is unreadable; recovery makes it anew.
    pub fn head(&mut self) -> Result<Head> {
        self.find_head()?.ok_or_else(|| head::unreadable(self.lock.names.head()))
    }

    /// The head, `None` when the register is missing or unreadable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn find_head(&mut self) -> Result<Option<Head>> {
        if self.desk.head.is_none() {
            let path = self.lock.names.head();
            let register = Register::open(&*self.lock.fs, &path, Open::Write)?;
            self.desk.head = register.map(RegisterWriter::unsynced);
        }
        match &mut self.desk.head {
            Some(writer) => writer.refresh_unsynced(),
            None => Ok(None),
        }
    }

    /// Writes a head that no batch moves: everybody may see and deliver what it covers from here on, and looks for a
    /// segment behind it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_head(&mut self, head: &Head) -> Result<()> {
        self.move_head(&Head { moved: false, ..head.clone() }).map(drop)
    }

    /// Makes ready what [`Locked::move_head`] will write. Whether it can be written is said then.
    pub fn make_head_ready(&mut self, head: &Head) {
        if let Some(writer) = &mut self.desk.head {
            let _ = writer.make_ready(head);
        }
    }

    /// Makes the register anew, where no slot of it is readable or it is missing.
    ///
    /// # Errors
    /// What the disk says.
    pub fn make_head(&mut self, head: &Head) -> Result<()> {
        Register::create(&*self.lock.fs, &self.lock.names.head(), head)?;
        // What was open is a file without a name now: what is written there nobody sees. Versions begin anew.
        self.desk.head = None;
        self.find_head().map(drop)
    }

    /// Makes sure that the journal has room for a batch of `len` bytes behind the head, at `place`: the place
    /// where it has.
    ///
    /// # Errors
    /// What the disk says; the journal is as it was.
    pub fn make_room(&mut self, head: &Head, place: Place, len: u64) -> Result<Place> {
        if !self.desk.journal.has_room(place, len) {
            self.lock.check_home()?;
        }
        if self.desk.journal.needs_segment(place, len) {
            self.write_head(head)?;
        }
        self.desk.journal.make_room(head, place, len)
    }

    /// Makes a batch void that could not be written or synced, as [`Writer::revoke`].
    ///
    /// # Errors
    /// What the disk says; then nobody knows whether the batch will appear.
    pub fn revoke(&mut self, head: &Head, failed: Place) -> Result<bool> {
        self.write_head(head)?;
        self.desk.journal.revoke(head, failed)
    }

    /// Begins a segment behind the head though there is room in the active one, as [`Writer::begin_behind`].
    ///
    /// # Errors
    /// What the disk says; the journal is as it was.
    pub fn begin_behind(&mut self, head: &Head) -> Result<Place> {
        self.write_head(head)?;
        self.desk.journal.begin_behind(head)
    }

    /// Where the line after the head stands, or will stand.
    ///
    /// Whoever begins a segment writes `head` again before. So to look for one is needed only where it was not a batch
    /// that wrote it last, whosever: a name that is new each time costs more to look for than all that is read of the
    /// register.
    ///
    /// # Errors
    /// What the disk says.
    pub fn place_after(&self, head: &Head) -> Result<Place> {
        if head.moved {
            return Ok(Place { segment: head.segment, offset: head.offset });
        }
        Place::after(&*self.lock.fs, &self.lock.names, head)
    }

    /// Moves the head behind a batch that begins where [`Locked::place_after`] said, or in the segment made for it; the
    /// version that its register has now.
    ///
    /// # Errors
    /// What the disk says.
    pub fn move_head(&mut self, head: &Head) -> Result<u64> {
        if let Some(writer) = &mut self.desk.head {
            return writer.write(head);
        }
        Register::create(&*self.lock.fs, &self.lock.names.head(), head)?;
        Ok(FIRST_VERSION)
    }

    /// The writing end of the journal.
    pub fn journal(&mut self) -> &mut Writer {
        &mut self.desk.journal
    }

    /// Nothing is committed any more until the store is opened anew.
    pub fn poison(&mut self, why: &str) {
        tracing::error!(why, "the store refuses commits until it is opened anew");
        self.desk.poisoned = Some(why.to_owned());
    }

    /// Refuses when the store is poisoned.
    ///
    /// # Errors
    /// [`Error::Unusable`] with the reason.
    pub fn check_sound(&self) -> Result<()> {
        match &self.desk.poisoned {
            Some(why) => Err(self.lock.unusable(&format!(
                "after a failed commit it takes no more ({why}); open the store anew"
            ))),
            None => Ok(()),
        }
    }

    /// Runs `look` with commits of this very thread refused.
    pub fn reading<R>(&self, look: impl FnOnce() -> R) -> R {
        let _reading = Reading::begin(&self.lock.reading);
        look()
    }
}

/// The mark of the thread that reads under the lock; taken away even when its look panics.
struct Reading<'a>(&'a Mutex<Option<ThreadId>>);

impl<'a> Reading<'a> {
    fn begin(reader: &'a Mutex<Option<ThreadId>>) -> Self {
        *reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        Self(reader)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if self.desk.file.as_ref().is_some_and(|file| file.unlock().is_err()) {
            // Closing the descriptor gives the lock back too.
            self.desk.file = None;
        }
    }
}
