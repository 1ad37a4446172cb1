//! Putting documents in place: prepared in the spool, then in one step under the document's name.
//!
//! Whatever can fail is in [`Prepared::new`], before the journal is synced; afterwards there is one
//! rename or exchange a document. No sync here: the journal has the bytes, and a checkpoint syncs the
//! documents before `applied` moves.

use std::io;
use std::path::{Path, PathBuf};

use crate::aside::{move_aside, set_aside};
use crate::documents::Documents;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Kind, Stat};
use crate::key::Key;
use crate::names;
use crate::spool::{Reused, Spool, Way, mode};

/// A document about to be put in place, or removed.
#[derive(Debug)]
pub struct Prepared {
    path: PathBuf,
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
    /// In a new file.
    New(PathBuf),
    /// In a file that was written before, and that nobody else can open.
    Again(Reused),
}

impl Spooled {
    fn path(&self) -> &Path {
        match self {
            Self::New(path) => path,
            Self::Again(reused) => &reused.path,
        }
    }
}

impl Prepared {
    /// Makes the folders and the spool file for new bytes (`None`: for a deletion). After an error
    /// nothing is left of it. Without a spool, as in recovery, it is a new file: of what lies there then
    /// nothing is known.
    ///
    /// # Errors
    /// What the disk says, and obstacles: a file where a folder must be, a folder or link where the
    /// document must be.
    pub fn new(
        documents: &Documents,
        spool: Option<&Spool>,
        key: &Key,
        bytes: Option<&[u8]>,
        seen: Option<&Stat>,
    ) -> Result<Self> {
        let mut prepared = Self {
            path: documents.names().document(key),
            spooled: None,
            seen: seen.copied(),
            made: Vec::new(),
        };
        if let Some(bytes) = bytes {
            let ready = prepared
                .make_folders(documents, key)
                .and_then(|()| prepared.check_target(documents, key))
                .and_then(|()| prepared.spool(documents, spool, key, bytes));
            if let Err(error) = ready {
                prepared.discard(documents);
                return Err(error);
            }
        }
        Ok(prepared)
    }

    /// Puts it in place. Its file, where nobody could have changed it meanwhile.
    ///
    /// # Errors
    /// What the disk says; it can be tried again.
    pub fn put(
        &mut self,
        documents: &Documents,
        spool: Option<&Spool>,
        key: &Key,
    ) -> Result<Option<Stat>> {
        self.name_after_key(documents, spool, key)?;
        match (&self.spooled, spool) {
            (Some(spooled), Some(spool))
                if self.seen.is_some() && spool.way() != Some(Way::Rename) =>
            {
                match documents.fs().exchange(spooled.path(), &self.path) {
                    Ok(()) => return self.exchanged(documents, spool, key),
                    // It was removed by hand since it was validated.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                        spool.set_way(Way::Rename);
                    }
                    Err(error) => return Err(error).context("put in place", &self.path),
                }
                self.rename_over(documents, key)?;
            }
            (Some(_), _) => self.rename_over(documents, key)?,
            (None, Some(spool)) => self.displace(documents, spool, key)?,
            (None, None) => self.remove(documents, key)?,
        }
        Ok(None)
    }

    /// Takes the place of what was prepared earlier for the same document in the same batch.
    #[must_use]
    pub fn instead_of(mut self, earlier: Self, documents: &Documents) -> Self {
        if let Some(Spooled::New(path)) = &earlier.spooled {
            // It would only lie in the spool until the next recovery.
            let _ = documents.fs().remove_file(path);
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
    /// used again or cleared by the next recovery, and an empty folder does no harm.
    pub fn discard(self, documents: &Documents) {
        if let Some(Spooled::New(path)) = &self.spooled {
            let _ = documents.fs().remove_file(path);
        }
        for folder in self.made.iter().rev() {
            let _ = documents.fs().remove_dir(folder);
        }
    }

    /// A new file that is to change places gets the name under which what it displaces is looked for, should
    /// this process die before it looks itself.
    fn name_after_key(
        &mut self,
        documents: &Documents,
        spool: Option<&Spool>,
        key: &Key,
    ) -> Result<()> {
        let is_exchanged = spool.is_some_and(|spool| spool.way() != Some(Way::Rename));
        if let Some(Spooled::New(path)) = &mut self.spooled
            && is_exchanged
            && self.seen.is_some()
        {
            let name = documents.names().displaced(key);
            documents.fs().rename(path, &name).context("rename", path)?;
            *path = name;
        }
        Ok(())
    }

    /// The document and the file in the spool have changed places. Looks at what was displaced.
    fn exchanged(
        &mut self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
    ) -> Result<Option<Stat>> {
        let Some(spooled) = self.spooled.take() else { return Ok(None) };
        spool.set_way(Way::Exchange);
        let aside = spooled.path().to_owned();
        let placed = match &spooled {
            Spooled::New(_) => None,
            Spooled::Again(reused) => Some(reused.stat()?),
        };
        // Whoever waits to open it sees the document whole.
        drop(spooled);
        let displaced = documents.fs().stat(&aside).context("look at", &aside)?;
        if displaced.kind != Kind::File {
            // Put there since it was validated. Whatever it is, it is not ours.
            let back = documents.fs().exchange(&aside, &self.path);
            back.context("put back", &self.path)?;
            return Err(self.obstacle(key));
        }
        self.keep_or_shelve(documents, spool, key, &aside, &displaced)?;
        Ok(placed)
    }

    /// Moves a document that is deleted into the spool.
    fn displace(&mut self, documents: &Documents, spool: &Spool, key: &Key) -> Result<()> {
        let (fs, aside) = (documents.fs(), documents.names().displaced(key));
        let moved = fs::none_if_missing(fs.rename(&self.path, &aside));
        if moved.context("remove", &self.path)?.is_none() {
            return Ok(());
        }
        let displaced = fs.stat(&aside).context("look at", &aside)?;
        if displaced.kind != Kind::File {
            fs.rename(&aside, &self.path).context("put back", &self.path)?;
            return Err(self.obstacle(key));
        }
        self.keep_or_shelve(documents, spool, key, &aside, &displaced)
    }

    /// What was displaced is used again if it is what validation saw. Else somebody edited it since:
    /// never overwritten unseen.
    fn keep_or_shelve(
        &self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
        aside: &Path,
        displaced: &Stat,
    ) -> Result<()> {
        if self.seen.is_some_and(|seen| seen.same_content(displaced)) {
            spool.shelve(documents, key, displaced.len);
            return Ok(());
        }
        let kept = move_aside(documents, key, aside)?;
        warn_of_edit(key, &kept);
        Ok(())
    }

    fn obstacle(&self, key: &Key) -> Error {
        Error::Invalid(format!(
            "cannot put `{key}` in place: {} is a folder or a link; move it away, or choose another key",
            self.path.display()
        ))
    }

    /// Renames the spool file over the document, after a last look at what lies there.
    fn rename_over(&mut self, documents: &Documents, key: &Key) -> Result<()> {
        let fs = documents.fs();
        self.keep_edits(documents, key)?;
        let Some(spooled) = &self.spooled else { return Ok(()) };
        let spooled = spooled.path().to_owned();
        match fs.rename(&spooled, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
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

    fn remove(&mut self, documents: &Documents, key: &Key) -> Result<()> {
        self.keep_edits(documents, key)?;
        let removed = fs::none_if_missing(documents.fs().remove_file(&self.path));
        removed.context("remove", &self.path).map(drop)
    }

    /// Keeps aside what somebody edited since it was validated.
    fn keep_edits(&mut self, documents: &Documents, key: &Key) -> Result<()> {
        let look = || fs::stat_if_there(documents.fs(), &self.path).context("look at", &self.path);
        while let Some(now) = look()?
            && self.seen.is_none_or(|seen| !seen.same_content(&now))
            && now.kind == Kind::File
        {
            if let Some(kept) = set_aside(documents, key)? {
                warn_of_edit(key, &kept);
            }
            // Keeping it took a while: another look.
            self.seen = Some(now);
        }
        Ok(())
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
            Err(self.obstacle(key))
        } else {
            Ok(())
        }
    }

    fn spool(
        &mut self,
        documents: &Documents,
        spool: Option<&Spool>,
        key: &Key,
        bytes: &[u8],
    ) -> Result<()> {
        if let Some((spool, seen)) = spool.zip(self.seen)
            && let Some(reused) = spool.write(documents, key, &seen, bytes)?
        {
            self.spooled = Some(Spooled::Again(reused));
            return Ok(());
        }
        let folder = documents.names().spool();
        let prefix = names::spool_prefix(key);
        let (path, file) = documents
            .fs()
            .create_temp(&folder, &prefix, mode(key))
            .context("make a file in", &folder)?;
        self.spooled = Some(Spooled::New(path.clone()));
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

fn warn_of_edit(key: &Key, kept: &Path) {
    tracing::warn!(%key, kept = %kept.display(), "edited by hand during a commit: the edit was kept aside");
}
