//! The folders that a batch puts documents into. Each is entered once, before anything is durable.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::documents::Documents;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Folder, Kind, Stat};
use crate::key::Key;
use crate::lock::CommitLock;
use crate::spool::mode;

/// So many folders of one batch are held open; the way to any more is gone for each call.
const ENTERED: usize = 128;

/// The folders of one batch.
#[derive(Debug)]
pub struct Folders<'a> {
    documents: &'a Documents,
    /// The lock under which they are used; `None` where its home was looked at already.
    lock: Option<&'a CommitLock>,
    /// By their paths as they are written: to hash a path by its parts is several times as dear.
    entered: HashMap<OsString, Folder>,
    spool: Option<Folder>,
}

impl<'a> Folders<'a> {
    /// None is entered yet.
    #[must_use]
    pub fn new(documents: &'a Documents) -> Self {
        Self { documents, lock: None, entered: HashMap::new(), spool: None }
    }

    /// The same for who holds a lock and has not looked at its home yet: it is looked at before anything is made.
    #[must_use]
    pub fn under(lock: &'a CommitLock, documents: &'a Documents) -> Self {
        Self { lock: Some(lock), ..Self::new(documents) }
    }

    /// Looks at the home of the lock, once.
    ///
    /// # Errors
    /// [`Error::Unusable`] where it is another's by now.
    pub fn check_lock(&mut self) -> Result<()> {
        if let Some(lock) = self.lock {
            lock.check_home()?;
            self.lock = None;
        }
        Ok(())
    }

    /// What they are folders of.
    #[must_use]
    pub fn documents(&self) -> &'a Documents {
        self.documents
    }

    /// The folder of the document `key`, whose path is `document`; `None` where there is none, or where it
    /// lies behind a link.
    ///
    /// # Errors
    /// What the disk says.
    pub fn of(&mut self, key: &Key, document: &Path) -> Result<Option<Folder>> {
        let path = fs::parent(document);
        if let Some(folder) = self.entered.get(path.as_os_str()) {
            return Ok(Some(folder.clone()));
        }
        match self.enter(path) {
            Ok(folder) if folder.is_entered() => Ok(Some(folder)),
            // Found by its path alone: what lies behind a link is not ours.
            Ok(folder) if self.documents.has_real_folders(key)? => Ok(Some(folder)),
            Ok(_) => {
                self.entered.remove(path.as_os_str());
                Ok(None)
            }
            Err(error) => {
                if self.documents.has_real_folders(key)? {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// The folder of a document that is new there, made where it is missing, with what is missing above it.
    /// What was made is added to `made`.
    ///
    /// # Errors
    /// What the disk says; [`Error::Invalid`] for a file or link on the way, or another filesystem.
    pub fn make(&mut self, key: &Key, document: &Path, made: &mut Vec<PathBuf>) -> Result<Folder> {
        make_folders(self.documents, key, made)?;
        // One that was entered before may have been removed since.
        self.entered.remove(fs::parent(document).as_os_str());
        self.enter(fs::parent(document))
    }

    /// The spool.
    ///
    /// # Errors
    /// What the disk says.
    pub fn spool(&mut self) -> Result<Folder> {
        if let Some(folder) = &self.spool {
            return Ok(folder.clone());
        }
        self.check_lock()?;
        let spool = self.documents.spool();
        let entered = spool.enter().context("enter", spool.path())?;
        Ok(self.spool.insert(entered).clone())
    }

    /// Whether putting the documents of this batch in place takes descriptors that are not held yet.
    #[must_use]
    pub fn need_descriptors(&self) -> bool {
        let mut folders = self.entered.values().chain(&self.spool);
        self.entered.len() >= ENTERED || folders.any(|folder| !folder.is_entered())
    }

    fn enter(&mut self, path: &Path) -> Result<Folder> {
        let folder = Folder::by_path(self.documents.shared_fs(), path);
        if self.entered.len() >= ENTERED {
            return Ok(folder);
        }
        let folder = folder.enter().context("enter", path)?;
        self.entered.insert(path.as_os_str().to_owned(), folder.clone());
        Ok(folder)
    }
}

/// Makes the folders above a document that are missing, and adds them to `made`, outermost first.
///
/// # Errors
/// What the disk says; [`Error::Invalid`] for a file or link on the way, or another filesystem.
pub fn make_folders(documents: &Documents, key: &Key, made: &mut Vec<PathBuf>) -> Result<()> {
    let fs = documents.fs();
    for folder in documents.folders(key) {
        // Each level is looked at: none may be a link that leads elsewhere.
        match fs::stat_if_there(fs, &folder).context("look at", &folder)? {
            Some(stat) if stat.kind == Kind::Dir => check_home(documents, key, &folder, &stat)?,
            Some(_) => {
                return Err(Error::Invalid(format!(
                    "cannot put `{key}` in place: {} must be a folder and is a file or a link; \
                     move it away, or choose another key",
                    folder.display()
                )));
            }
            None => {
                fs.create_dir(&folder, mode(key)).context("make the folder", &folder)?;
                made.push(folder);
            }
        }
    }
    Ok(())
}

/// Removes folders that were made, as far as the disk lets us: an empty folder does no harm.
pub fn remove_folders(documents: &Documents, made: &[PathBuf]) {
    for folder in made.iter().rev() {
        let _ = documents.fs().remove_dir(folder);
    }
}

/// Refuses what is on another filesystem than the store: nothing gets there in one step.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_home(documents: &Documents, key: &Key, path: &Path, stat: &Stat) -> Result<()> {
    if documents.is_at_home(stat) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "cannot put `{key}` in place: {} is another filesystem than the store's; \
         choose another key, or keep the store there",
        path.display()
    )))
}
