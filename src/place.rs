//! Putting documents in place: prepared in the spool, then in one step under the document's name (`putting`).
//!
//! Whatever can fail is in [`Prepared::new`], before the journal is written, and in [`Prepared::fill`], while the
//! disk takes what was written there; afterwards there is one rename or exchange a document. No sync here: the
//! journal has the bytes, and a checkpoint syncs the documents before `applied` moves.

mod putting;

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::documents::Documents;
use crate::error::{Context, Error, Result};
use crate::folders::{Folders, check_home, remove_folders};
use crate::fs::{self, Folder, Kind, Stat};
use crate::key::Key;
use crate::names::{self, Displaced};
use crate::spool::{Reused, Spool, mode, with_room};

/// A document about to be put in place, or removed.
#[derive(Debug)]
pub struct Prepared {
    path: PathBuf,
    /// Its folder.
    folder: Folder,
    /// The spool: entered, unless the bytes are only planned yet.
    spool: Folder,
    /// What it displaces there.
    displaced: Displaced,
    /// `None` for a deletion.
    spooled: Option<Spooled>,
    /// The file that validation saw at `path`.
    seen: Option<Stat>,
    /// Folders that were made for it, outermost first.
    made: Vec<PathBuf>,
}

/// The new bytes of a document.
#[derive(Debug)]
enum Spooled {
    /// To be written into a file that waits to be used again, and has room for them.
    Planned(Vec<u8>),
    /// In a new file, which has this name in the spool.
    New(String),
    /// In a file that was written before, and that nobody else can open.
    Again(Reused),
}

impl Prepared {
    /// Of a document and where it lies. Makes the folders and the spool file for new bytes (`None`: for a deletion),
    /// unless they need no room: then they are only planned. After an error nothing is left of it.
    ///
    /// # Errors
    /// What the disk says, and obstacles: a file where a folder must be, a folder or link where the
    /// document must be.
    pub fn new(
        folders: &mut Folders<'_>,
        spool: &Spool,
        (key, path): (&Key, PathBuf),
        bytes: Option<Vec<u8>>,
        seen: Option<&Stat>,
    ) -> Result<Self> {
        let documents = folders.documents();
        let displaced = Displaced::by(key);
        let is_planned = seen.is_some()
            && bytes.as_ref().is_some_and(|bytes| spool.has_room(displaced, bytes.len() as u64));
        let aside = if is_planned { documents.spool().clone() } else { folders.spool()? };
        let mut made = Vec::new();
        let folder = match (seen, &bytes) {
            (Some(_), _) | (_, None) => folders.of(key, &path)?,
            (None, Some(_)) => None,
        };
        let found = match folder {
            Some(folder) => Ok(folder),
            None => with_room(documents, spool, || folders.make(key, &path, &mut made)),
        };
        let folder = match found {
            Ok(folder) => folder,
            Err(error) => {
                remove_folders(documents, &made);
                return Err(error);
            }
        };
        let spooled = None;
        let seen = seen.copied();
        let mut prepared = Self { path, folder, spool: aside, displaced, spooled, seen, made };
        let Some(bytes) = bytes else { return Ok(prepared) };
        let ready = prepared.check_target(documents, key).and_then(|()| {
            if is_planned {
                prepared.spooled = Some(Spooled::Planned(bytes));
                return Ok(());
            }
            prepared.write(documents, spool, key, &bytes)
        });
        if let Err(error) = ready {
            prepared.discard(documents);
            return Err(error);
        }
        Ok(prepared)
    }

    /// Writes the bytes that are only planned yet.
    ///
    /// # Errors
    /// What the disk says; it can be discarded.
    pub fn fill(&mut self, folders: &mut Folders<'_>, spool: &Spool, key: &Key) -> Result<()> {
        let is_planned = |spooled: &mut Spooled| matches!(spooled, Spooled::Planned(_));
        let Some(Spooled::Planned(bytes)) = self.spooled.take_if(is_planned) else { return Ok(()) };
        let entered = folders.spool().map(|entered| self.spool = entered);
        let written = entered.and_then(|()| self.write(folders.documents(), spool, key, &bytes));
        if written.is_err() {
            // Without it, it would look like a deletion.
            self.spooled = Some(Spooled::Planned(bytes));
        }
        written
    }

    /// The name of its bytes in the spool.
    fn spooled_name(&self) -> Option<&str> {
        match self.spooled.as_ref()? {
            Spooled::Planned(_) => None,
            Spooled::New(name) => Some(name),
            Spooled::Again(reused) => Some(&reused.name),
        }
    }

    /// Its name in its folder.
    fn name(&self) -> &str {
        names::last(&self.path)
    }

    /// Takes the place of what was prepared earlier for the same document in the same batch.
    #[must_use]
    pub fn instead_of(mut self, earlier: Self, documents: &Documents) -> Self {
        // It would only lie in the spool until the next recovery.
        earlier.remove_new(documents);
        // The folders that the earlier one made are needed still.
        self.made.splice(0..0, earlier.made);
        self
    }

    /// [`Prepared::discard`], unless it was put in place.
    pub fn discard_after(self, documents: &Documents, in_place: bool) {
        if !in_place {
            self.discard(documents);
        }
    }

    /// Takes everything back that was prepared, as far as the disk lets us: what stays in the spool is
    /// used again or cleared by the next recovery, and an empty folder does no harm.
    pub fn discard(self, documents: &Documents) {
        self.remove_new(documents);
        remove_folders(documents, &self.made);
    }

    fn remove_new(&self, documents: &Documents) {
        if let Some(Spooled::New(name)) = &self.spooled {
            let _ = documents.fs().remove_file(&self.spool.path().join(name));
        }
    }

    fn obstacle(&self, key: &Key) -> Error {
        Error::Invalid(format!(
            "cannot put `{key}` in place: {} is a folder or a link; move it away, or choose another key",
            self.path.display()
        ))
    }

    /// What lies in its place now.
    fn look(&self) -> Result<Option<Stat>> {
        fs::none_if_missing(self.folder.stat(self.name())).context("look at", &self.path)
    }

    /// Refuses what is no file, or is elsewhere. What validation saw is one.
    fn check_target(&self, documents: &Documents, key: &Key) -> Result<()> {
        if let Some(seen) = &self.seen {
            return check_home(documents, key, &self.path, seen);
        }
        if self.look()?.is_some_and(|stat| stat.kind != Kind::File) {
            return Err(self.obstacle(key));
        }
        Ok(())
    }

    /// Writes the new bytes. After an error nothing is left of them.
    fn write(
        &mut self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
        bytes: &[u8],
    ) -> Result<()> {
        with_room(documents, spool, || {
            let written = self.try_write(documents, spool, key, bytes);
            if written.is_err() {
                // Half written, perhaps.
                self.remove_new(documents);
                self.spooled = None;
            }
            written
        })
    }

    fn try_write(
        &mut self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
        bytes: &[u8],
    ) -> Result<()> {
        if let Some(seen) = self.seen
            && let Some(reused) = spool.write(&self.spool, (key, self.displaced), &seen, bytes)?
        {
            self.spooled = Some(Spooled::Again(reused));
            return Ok(());
        }
        let folder = self.spool.path();
        let prefix = names::spool_prefix(key);
        let made = documents.fs().create_temp(folder, &prefix, mode(key));
        let (path, file) = made.context("make a file in", folder)?;
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        self.spooled = Some(Spooled::New(name.to_owned()));
        fs::write_all(&*file, bytes, 0).context("write", &path)?;
        // A replaced document keeps the mode it had.
        if let Some(seen) = self.seen
            && seen.mode != file.stat().context("look at", &path)?.mode
        {
            file.set_mode(seen.mode).context("set the mode of", &path)?;
        }
        Ok(())
    }
}
