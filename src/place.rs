//! Putting documents in place: prepared in the spool, then renamed.
//!
//! Whatever can fail is in [`Prepared::new`], before the journal is synced; afterwards there is one
//! rename a document. No sync here: the journal has the bytes, and a checkpoint syncs the documents
//! before `applied` moves.

use std::path::PathBuf;

use crate::documents::{Documents, Found};
use crate::error::{Context, Error, Result};
use crate::fs::{self, Fs, Kind, Mode, Stat, parent};
use crate::key::Key;
use crate::names;

/// A document about to be put in place, or removed.
#[derive(Debug)]
pub struct Prepared {
    path: PathBuf,
    /// The new bytes in the spool; `None` for a deletion.
    spooled: Option<PathBuf>,
    /// The file that validation saw at `path`.
    seen: Option<Stat>,
    /// Folders that were made for it, outermost first.
    made: Vec<PathBuf>,
}

impl Prepared {
    /// Makes the folders and the spool file for new bytes (`None`: for a deletion). After an error
    /// nothing is left of it.
    ///
    /// # Errors
    /// What the disk says, and obstacles: a file where a folder must be, a folder or link where the
    /// document must be.
    pub fn new(
        documents: &Documents,
        key: &Key,
        bytes: Option<&[u8]>,
        found: Option<&Found>,
    ) -> Result<Self> {
        let mut prepared = Self {
            path: documents.names().document(key),
            spooled: None,
            seen: found.map(|found| found.stat),
            made: Vec::new(),
        };
        if let Some(bytes) = bytes {
            let ready = prepared
                .make_folders(documents, key)
                .and_then(|()| prepared.check_target(documents, key))
                .and_then(|()| prepared.spool(documents, key, bytes));
            if let Err(error) = ready {
                prepared.discard(documents);
                return Err(error);
            }
        }
        Ok(prepared)
    }

    /// Puts it in place.
    ///
    /// # Errors
    /// What the disk says; it can be tried again.
    pub fn put(&mut self, documents: &Documents, key: &Key) -> Result<()> {
        let fs = documents.fs();
        while let Some(now) = fs::stat_if_there(fs, &self.path).context("look at", &self.path)?
            && Some(now) != self.seen
            && now.kind == Kind::File
        {
            // Somebody edited it since it was validated: never overwritten unseen.
            if let Some(kept) = set_aside(documents, key)? {
                tracing::warn!(%key, kept = %kept.display(), "edited by hand during a commit: the edit was kept aside");
            }
            // Keeping it took a while: another look.
            self.seen = Some(now);
        }
        let Some(spooled) = self.spooled.clone() else {
            fs::none_if_missing(fs.remove_file(&self.path)).context("remove", &self.path)?;
            return Ok(());
        };
        match fs.rename(&spooled, &self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // Its folder was removed by hand since it was prepared.
                self.make_folders(documents, key)?;
                fs.rename(&spooled, &self.path)
            }
            other => other,
        }
        .context("put in place", &self.path)?;
        self.spooled = None;
        Ok(())
    }

    /// Takes the place of what was prepared earlier for the same document in the same batch.
    #[must_use]
    pub fn instead_of(mut self, earlier: Self, documents: &Documents) -> Self {
        if let Some(spooled) = &earlier.spooled {
            // It would only lie in the spool until the next recovery.
            let _ = documents.fs().remove_file(spooled);
        }
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
    /// cleared by the next recovery, and an empty folder does no harm.
    pub fn discard(self, documents: &Documents) {
        if let Some(spooled) = &self.spooled {
            let _ = documents.fs().remove_file(spooled);
        }
        for folder in self.made.iter().rev() {
            let _ = documents.fs().remove_dir(folder);
        }
    }

    fn make_folders(&mut self, documents: &Documents, key: &Key) -> Result<()> {
        let fs = documents.fs();
        for folder in documents.folders(key) {
            // Each level is looked at: none may be a link that leads elsewhere.
            match fs::stat_if_there(fs, &folder).context("look at", &folder)? {
                Some(stat) if stat.kind == Kind::Dir && documents.is_at_home(&stat) => {}
                Some(stat) if stat.kind == Kind::Dir => {
                    return Err(Error::Invalid(format!(
                        "cannot put `{key}` in place: {} is another filesystem than the store's; \
                         choose another key, or keep the store there",
                        folder.display()
                    )));
                }
                Some(_) => {
                    return Err(Error::Invalid(format!(
                        "cannot put `{key}` in place: {} must be a folder and is a file or a link; \
                         move it away, or choose another key",
                        folder.display()
                    )));
                }
                None => {
                    fs.create_dir(&folder, mode(key)).context("make the folder", &folder)?;
                    self.made.push(folder);
                }
            }
        }
        Ok(())
    }

    fn check_target(&self, documents: &Documents, key: &Key) -> Result<()> {
        let there = fs::stat_if_there(documents.fs(), &self.path).context("look at", &self.path)?;
        if there.is_some_and(|stat| stat.kind != Kind::File) {
            return Err(Error::Invalid(format!(
                "cannot put `{key}` in place: {} is a folder or a link; move it away, or choose another key",
                self.path.display()
            )));
        }
        Ok(())
    }

    fn spool(&mut self, documents: &Documents, key: &Key, bytes: &[u8]) -> Result<()> {
        let spool = documents.names().spool();
        let prefix = names::spool_prefix(key);
        let (path, file) = documents
            .fs()
            .create_temp(&spool, &prefix, mode(key))
            .context("make a file in", &spool)?;
        self.spooled = Some(path.clone());
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

/// Documents are the user's own files; the store's own documents lie within `.docbox`.
fn mode(key: &Key) -> Mode {
    if key.is_own() { Mode::Private } else { Mode::Shared }
}

/// Copies whatever lies in a document's place to `recovered/`, durably, and says where; `None` when it
/// is gone.
///
/// # Errors
/// What the disk says.
pub fn set_aside(documents: &Documents, key: &Key) -> Result<Option<PathBuf>> {
    let path = documents.names().document(key);
    let opened = fs::none_if_missing(documents.fs().open(&path, fs::Open::Read));
    let Some(found) = opened.context("open", &path)? else { return Ok(None) };
    let bytes = fs::read_all(&*found).context("read", &path)?;
    let name = names::kept_prefix(key);
    keep(documents.fs(), &documents.names().recovered(), &name, &bytes).map(Some)
}

/// Keeps bytes in `recovered/` under a new name that begins with `prefix`, durably.
///
/// # Errors
/// What the disk says.
pub fn keep(fs: &dyn Fs, folder: &std::path::Path, prefix: &str, bytes: &[u8]) -> Result<PathBuf> {
    let (kept, file) =
        fs.create_temp(folder, prefix, Mode::Private).context("make a file in", folder)?;
    fs::write_all(&*file, bytes, 0).context("write", &kept)?;
    file.sync_data().context("sync", &kept)?;
    fs.sync_dir(parent(&kept)).context("sync the folder", folder)?;
    Ok(kept)
}

/// Clears what dead processes left half-made: everything in the spool, of which nothing is known, and
/// files that were to replace another.
///
/// # Errors
/// What the disk says.
pub fn clear_leftovers(documents: &Documents) -> Result<()> {
    let (fs, names) = (documents.fs(), documents.names());
    let spool = names.spool();
    for folder in [&spool, &names.home(), &names.cursors(), &names.journal()] {
        for entry in fs.read_dir(folder).context("list", folder)? {
            let half_made = entry.name.to_str().is_some_and(|name| name.starts_with(fs::HALF_MADE));
            if entry.kind == Kind::File && (folder == &spool || half_made) {
                let path = folder.join(&entry.name);
                fs::none_if_missing(fs.remove_file(&path)).context("remove", &path)?;
            }
        }
    }
    Ok(())
}
