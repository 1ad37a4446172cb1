//! Putting what was prepared in place: one step under the document's name, and a look at what was displaced by it.
//!
//! What somebody edited since it was validated is kept, whoever comes first: what was displaced is looked at
//! afterwards, and a new name is given only if nothing has it. Only where the disk has neither call, a look comes before,
//! and an instant after it.

use std::io;
use std::path::Path;

use super::{Prepared, Spooled};
use crate::aside::{move_aside, set_aside};
use crate::documents::Documents;
use crate::error::{Context, Error, Result};
use crate::folders::{Folders, make_folders};
use crate::fs::{self, Folder, Kind, Stat, parent};
use crate::key::Key;
use crate::spool::{Spool, Way, with_room};

/// What the file of a document is that was put in place, if that is known for certain.
type Placed = Option<Stat>;

impl Prepared {
    /// Puts it in place. Its file, where nobody could have changed it meanwhile.
    ///
    /// # Errors
    /// What the disk says; it can be tried again.
    pub fn put(&mut self, folders: &mut Folders<'_>, spool: &Spool, key: &Key) -> Result<Placed> {
        self.fill(folders, spool, key)?;
        let documents = folders.documents();
        if self.spooled.is_none() {
            return self.displace(documents, spool, key).map(|()| None);
        }
        while spool.way() != Some(Way::Rename) {
            let done = match self.seen {
                Some(_) => self.exchange(documents, spool, key)?,
                None => self.put_new(documents, spool, key)?,
            };
            // Else a file came or went since it was looked for, and the other call is the right one.
            if let Some(placed) = done {
                return Ok(placed);
            }
        }
        self.keep_edits(documents, key)?;
        self.rename(documents, spool, key, Folder::rename).map(|()| None)
    }

    /// Lets it change places with the document that is there. `None`: there is none, or no such call.
    fn exchange(
        &mut self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
    ) -> Result<Option<Placed>> {
        self.name_after_key()?;
        let Some(spooled) = self.spooled_name() else { return Ok(Some(None)) };
        match self.spool.exchange(spooled, &self.folder, self.name()) {
            Ok(()) => return self.exchanged(documents, spool, key).map(Some),
            // It was removed by hand since it was validated.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.seen = None,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => spool.set_way(Way::Rename),
            Err(error) => return Err(error).context("put in place", &self.path),
        }
        Ok(None)
    }

    /// Gives it the name, which nothing had. `None`: now something has, or there is no such call.
    fn put_new(
        &mut self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
    ) -> Result<Option<Placed>> {
        match self.rename(documents, spool, key, Folder::rename_new) {
            Ok(()) => return Ok(Some(None)),
            // Put there by hand since it was validated.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                self.keep_edits(documents, key)?;
            }
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::Unsupported => {
                spool.set_way(Way::Rename);
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// A new file that is to change places gets the name under which what it displaces is looked for, should
    /// this process die before it looks itself.
    fn name_after_key(&mut self) -> Result<()> {
        if let Some(Spooled::New(name)) = &mut self.spooled {
            let new = self.displaced.name();
            let renamed = self.spool.rename(name, &self.spool, &new);
            renamed.context_in("rename", self.spool.path(), name)?;
            *name = new;
        }
        Ok(())
    }

    /// The document and the file in the spool have changed places. Looks at what was displaced.
    fn exchanged(&mut self, documents: &Documents, spool: &Spool, key: &Key) -> Result<Placed> {
        spool.set_way(Way::Exchange);
        let (aside, placed) = match self.spooled.take() {
            None | Some(Spooled::Planned(_)) => return Ok(None),
            Some(Spooled::New(name)) => (name, None),
            // Closed with that: whoever waits to open it sees the document whole.
            Some(Spooled::Again(reused)) => {
                let stat = reused.stat().context("look at", &self.path)?;
                (reused.name.clone(), Some(stat))
            }
        };
        let displaced = self.look_at(&aside)?;
        if displaced.kind != Kind::File {
            // Put there since it was validated. Whatever it is, it is not ours.
            let back = self.spool.exchange(&aside, &self.folder, self.name());
            back.context("put back", &self.path)?;
            return Err(self.obstacle(key));
        }
        self.keep_or_shelve(documents, spool, key, &aside, &displaced)?;
        Ok(placed)
    }

    /// Moves a document that is deleted into the spool.
    fn displace(&mut self, documents: &Documents, spool: &Spool, key: &Key) -> Result<()> {
        let aside = self.displaced.name();
        let moved = fs::none_if_missing(self.folder.rename(self.name(), &self.spool, &aside));
        if moved.context("remove", &self.path)?.is_none() {
            return Ok(());
        }
        let displaced = self.look_at(&aside)?;
        if displaced.kind != Kind::File {
            let back = self.spool.rename(&aside, &self.folder, self.name());
            back.context("put back", &self.path)?;
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
        aside: &str,
        displaced: &Stat,
    ) -> Result<()> {
        if self.seen.is_some_and(|seen| seen.same_content(displaced)) {
            spool.shelve(&self.spool, self.displaced, displaced.len);
            return Ok(());
        }
        let kept = move_aside(documents, key, &self.spool.path().join(aside))?;
        warn_of_edit(key, &kept);
        Ok(())
    }

    fn look_at(&self, aside: &str) -> Result<Stat> {
        self.spool.stat(aside).context_in("look at", self.spool.path(), aside)
    }

    /// Renames the spool file to the document's name, which may need a block where it is new there.
    fn rename(
        &mut self,
        documents: &Documents,
        spool: &Spool,
        key: &Key,
        how: fn(&Folder, &str, &Folder, &str) -> io::Result<()>,
    ) -> Result<()> {
        let Some(spooled) = self.spooled_name().map(str::to_owned) else { return Ok(()) };
        with_room(documents, spool, || {
            let renamed = match how(&self.spool, &spooled, &self.folder, self.name()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Its folder was removed by hand since it was prepared.
                    make_folders(documents, key, &mut self.made)?;
                    let again = parent(&self.path).to_owned();
                    self.folder = Folder::by_path(documents.shared_fs(), again);
                    how(&self.spool, &spooled, &self.folder, self.name())
                }
                other => other,
            };
            renamed.context("put in place", &self.path)
        })?;
        self.spooled = None;
        Ok(())
    }

    /// Keeps aside what somebody edited since it was validated.
    fn keep_edits(&mut self, documents: &Documents, key: &Key) -> Result<()> {
        while let Some(now) = self.look()?
            && self.seen.is_none_or(|seen| !seen.same_content(&now))
        {
            if now.kind != Kind::File {
                return Err(self.obstacle(key));
            }
            if let Some(kept) = set_aside(documents, key)? {
                warn_of_edit(key, &kept);
            }
            // Keeping it took a while: another look.
            self.seen = Some(now);
        }
        Ok(())
    }
}

fn warn_of_edit(key: &Key, kept: &Path) {
    tracing::warn!(%key, kept = %kept.display(), "edited by hand during a commit: the edit was kept aside");
}
