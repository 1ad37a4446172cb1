//! The spool: files that become documents, and displaced documents that are used again.
//!
//! A document is replaced by a file that was written in the spool and then changes places with it. What it
//! displaces is written anew for the next version: that costs neither an inode nor blocks. The rules by which
//! no reader ever gets other bytes than those of the version that it opened:
//!
//! - A file is written only while nobody else has it open or mapped (the lease), and only if it has one name
//!   (no hard link was kept as a backup). Who opens it meanwhile waits until it is a document.
//! - A file that was displaced from a document serves that document again at once, and any other only after a
//!   while: whoever has looked up a name and not opened it yet holds no lease up, and must not get the wrong
//!   document. So its name in the spool is made of the key.

pub mod shelf;

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use crate::documents::Documents;
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Folder, Mode, Open, Stat};
use crate::key::Key;
use crate::names::Displaced;
use crate::spool::shelf::{SPOOL_FILES, Shelf};
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most files that one batch has open.
const LEASES: usize = 256;
/// What filesystems give to a file at once.
const BLOCK: u64 = 4096;

/// How documents are put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a file that changes places with the document, and is used again.
    Exchange,
    /// By a new file that is renamed over the document: the system has no exchange, or no leases.
    Rename,
}

/// The files in the spool, as far as this process knows them. Used under `commit.lock` only.
#[derive(Debug)]
pub struct Spool {
    /// 0 as long as nobody knows, else 1 + the way.
    way: AtomicU8,
    shelf: Mutex<Shelf>,
    used: Arc<Used>,
    /// Whether what was displaced is used again.
    reuses: bool,
}

/// The files in the spool that this process has the sole use of: to open one once more would be to wait for
/// oneself.
#[derive(Debug, Default)]
pub struct Used(Mutex<HashSet<Displaced>>);

impl Used {
    fn files(&self) -> MutexGuard<'_, HashSet<Displaced>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file in the spool that holds the new bytes of a document. Nobody else has it open, nor can open it.
#[derive(Debug)]
pub struct Reused {
    /// Its name in the spool.
    pub name: String,
    id: Displaced,
    file: Arc<dyn File>,
    used: Arc<Used>,
}

impl Drop for Reused {
    fn drop(&mut self) {
        self.used.files().remove(&self.id);
    }
}

impl Reused {
    /// What the file is now.
    ///
    /// # Errors
    /// What the disk says.
    pub fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }
}

/// Whether a file was made just now.
type IsNew = bool;

impl Way {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Rename => "rename",
        }
    }
}

impl Spool {
    /// A spool of which nothing is known yet.
    #[must_use]
    pub fn new(age: Duration) -> Self {
        let shelf = Mutex::new(Shelf::new(age));
        Self { way: AtomicU8::new(0), shelf, used: Arc::default(), reuses: true }
    }

    /// A spool of new files only, whose displaced ones are removed: for recovery, which does not know what lies
    /// there, who displaced it, and whether two names lead to it.
    #[must_use]
    pub fn of_new_files() -> Self {
        Self { reuses: false, ..Self::new(Duration::ZERO) }
    }

    /// How documents are put in place, once that is known.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        match self.way.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Way::Exchange),
            _ => Some(Way::Rename),
        }
    }

    /// Tries how documents can be put in place here, where that is not known yet: with two files of its own,
    /// which are removed again.
    ///
    /// # Errors
    /// What the disk says.
    pub fn find_out(&self, documents: &Documents) -> Result<Way> {
        if let Some(way) = self.way() {
            return Ok(way);
        }
        let (fs, folder) = (documents.fs(), documents.spool().path());
        let make = || {
            let made = fs.create_temp(folder, fs::HALF_MADE, Mode::Private);
            made.context("make a file in", folder)
        };
        let (one, file) = make()?;
        let tried = make().and_then(|(other, _)| {
            let tried = file.try_lease().and_then(|_| fs.exchange(&one, &other));
            fs.remove_file(&other).context("remove", &other)?;
            match tried {
                Ok(()) => Ok(Way::Exchange),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Way::Rename),
                Err(error) => Err(error).context("try the exchange in", folder),
            }
        });
        fs.remove_file(&one).context("remove", &one)?;
        let way = tried?;
        self.set_way(way);
        Ok(way)
    }

    /// Notes how documents are put in place here.
    pub fn set_way(&self, way: Way) {
        self.way.store(1 + way as u8, Ordering::Release);
    }

    /// Writes the new bytes of a document that is there (`seen`) into a file that may be used for it.
    /// `None` where only a new file will do.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(
        &self,
        folder: &Folder,
        (key, id): (&Key, Displaced),
        seen: &Stat,
        bytes: &[u8],
    ) -> Result<Option<Reused>> {
        if !self.reuses || self.way() == Some(Way::Rename) || !self.may_use(id) {
            return Ok(None);
        }
        let name = id.name();
        let Some((file, is_new)) = self.open(folder, key, (id, &name)) else {
            return Ok(None);
        };
        let path = folder.path();
        if !is_new && !self.is_free(&*file).context_in("lease", path, &name)? {
            return Ok(None);
        }
        // Once nobody can open it any more: a name may have been given to it until then.
        let found = file.stat().context_in("look at", path, &name)?;
        if found.links != 1 {
            return Ok(None);
        }
        fs::write_all(&*file, bytes, 0).context_in("write", path, &name)?;
        if found.len > bytes.len() as u64 {
            file.set_len(bytes.len() as u64).context_in("cut to its length", path, &name)?;
        }
        // A replaced document keeps the mode it had.
        if found.mode != seen.mode {
            file.set_mode(seen.mode).context_in("set the mode of", path, &name)?;
        }
        self.used.files().insert(id);
        Ok(Some(Reused { name, id, file, used: Arc::clone(&self.used) }))
    }

    /// Whether the file that this document displaced last has room for so many bytes: to write them there
    /// takes no space, as far as anybody can tell.
    pub fn has_room(&self, id: Displaced, len: u64) -> bool {
        self.way() == Some(Way::Exchange)
            && self.may_use(id)
            && self.shelf().len_of(id).is_some_and(|has| len <= has.next_multiple_of(BLOCK))
    }

    /// Whether this process does not use it yet, and not too many.
    fn may_use(&self, id: Displaced) -> bool {
        let used = self.used.files();
        used.len() < LEASES && !used.contains(&id)
    }

    /// The file that this document displaced last, one that lies there long enough, or a new one, which
    /// nobody can have open. `None` where that cannot be had: a new file under a name of its own will tell why.
    fn open(
        &self,
        folder: &Folder,
        key: &Key,
        (id, name): (Displaced, &str),
    ) -> Option<(Arc<dyn File>, IsNew)> {
        let again = || fs::none_if_missing(folder.open(name, Open::Write)).ok();
        // To look for what is not there would cost a call.
        if self.shelf().may_hold(id)
            && let Some(file) = again()?
        {
            // It waits no more: it must serve nobody else.
            self.shelf().remove(id);
            return Some((file, false));
        }
        loop {
            let old = self.shelf().take_older(folder, &self.used).ok()?;
            let Some(old) = old else { break };
            if fs::none_if_missing(folder.rename(&old.name(), folder, name)).ok()?.is_some()
                && let Some(file) = again()?
            {
                return Some((file, false));
            }
        }
        match folder.open(name, Open::CreateNew(mode(key))) {
            // Displaced by another process since this one looked.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Some((again()??, false)),
            made => Some((made.ok()?, true)),
        }
    }

    /// Whether nobody else has it open; then nobody can, until it is closed.
    fn is_free(&self, file: &dyn File) -> io::Result<bool> {
        match file.try_lease() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.set_way(Way::Rename);
                Ok(false)
            }
            other => other,
        }
    }

    /// A document was displaced into the spool.
    pub fn shelve(&self, folder: &Folder, id: Displaced, len: u64) {
        if self.reuses {
            self.shelf().take_in(folder, id, len);
        } else {
            // What cannot be removed is known to whoever finds it: its line says what it replaced.
            let _ = folder.unlink(&id.name());
        }
    }

    /// A batch is to be put in place behind this commit: where that is not the last that this process made, others
    /// have been at the spool.
    pub fn before(&self, seq: u64) {
        self.shelf().before(seq);
    }

    /// The batch that ends with this commit is in place.
    pub fn after(&self, seq: u64) {
        self.shelf().after(seq);
    }

    /// Where others may have changed it, it is listed anew when next needed.
    pub fn forget_if_stale(&self) {
        self.shelf().forget_if_stale();
    }

    /// Whether more files wait than are needed in the long run. Where that is not known, it is only found out when
    /// asked to look.
    ///
    /// # Errors
    /// What the disk says.
    pub fn has_surplus(&self, documents: &Documents, look: bool) -> Result<bool> {
        let known = self.shelf().has_surplus();
        match known {
            Some(known) => Ok(known),
            None if look => {
                let spool = documents.spool();
                let there = spool.read_dir().context("list", spool.path())?;
                Ok(there.len() > SPOOL_FILES)
            }
            None => Ok(false),
        }
    }

    /// Removes some files that nobody needs any more. Whoever commits waits meanwhile.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove_surplus(&self, documents: &Documents) -> Result<()> {
        let spool = documents.spool();
        let folder = spool.enter().context("enter", spool.path())?;
        self.shelf().remove_surplus(&folder, &self.used)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Documents are the user's own files; the store's own documents lie within `.docbox`.
pub fn mode(key: &Key) -> Mode {
    if key.is_own() { Mode::Private } else { Mode::Shared }
}

/// Tries what may fail for want of room. On a full disk what waits in the spool beyond what is needed in the long run
/// gives way, and it is tried again.
///
/// # Errors
/// Those of the last attempt.
pub fn with_room<T>(
    documents: &Documents,
    spool: &Spool,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    loop {
        let done = attempt();
        let is_full = done.as_ref().is_err_and(Error::is_about_room);
        if !is_full || !spool.shelf().give_up(documents.spool()) {
            return done;
        }
    }
}
