//! The calls that look at names and change them.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use docbox::fs::{Entry, Mode, Open};

use super::content::Content;
use super::edits::{Inode, Rename};
use super::volume::{Body, Folder, Volume};
use super::walk::{Place, too_many_links};

impl Volume {
    /// Opens or makes a file; through no link.
    pub fn open(&mut self, path: &Path, how: Open) -> io::Result<Inode> {
        if path.file_name().is_none() {
            let inode = self.follow(path)?.inode();
            return self.open_found(inode, how);
        }
        let above = path.parent().map(|above| self.follow(above)).transpose()?;
        if above.is_some_and(|walk| walk.links > 0) {
            return Err(too_many_links());
        }
        let place = self.place(path)?;
        match (place.inode, how) {
            (Some(inode), _) => self.open_found(inode, how),
            (None, Open::Read | Open::Write) => Err(io::ErrorKind::NotFound.into()),
            (None, Open::CreateNew(mode) | Open::Create(mode)) => {
                let body = Body::File(Content::default());
                Ok(self.add(place.folder(), &place.name, body, file_mode(mode)))
            }
        }
    }

    fn open_found(&mut self, inode: Inode, how: Open) -> io::Result<Inode> {
        if matches!(how, Open::CreateNew(_)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        match &self.node(inode).body {
            Body::Link(_) => return Err(too_many_links()),
            // As the real door says of what it has opened and is no file.
            Body::Folder(_) if how == Open::Read => return Err(io::ErrorKind::InvalidInput.into()),
            Body::Folder(_) => return Err(io::ErrorKind::IsADirectory.into()),
            Body::File(_) => {}
        }
        if how == Open::Create(Mode::Private) {
            self.set_mode(inode, file_mode(Mode::Private));
        }
        Ok(inode)
    }

    pub fn create_dir(&mut self, path: &Path, mode: Mode) -> io::Result<Inode> {
        let mode = if mode == Mode::Private { 0o700 } else { 0o755 };
        self.add_new(path, Body::Folder(Folder::default()), mode)
    }

    pub fn symlink(&mut self, target: &Path, path: &Path) -> io::Result<Inode> {
        self.add_new(path, Body::Link(target.to_owned()), 0o777)
    }

    fn add_new(&mut self, path: &Path, body: Body, mode: u32) -> io::Result<Inode> {
        if path.file_name().is_none() {
            self.follow(path)?;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let place = self.place(path)?;
        if place.inode.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(self.add(place.folder(), &place.name, body, mode))
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = from.found()?;
        let is_folder = self.folder(inode).is_ok();
        if is_folder && to.folders.contains(&inode) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if to.inode.is_some_and(|there| from.folders.contains(&there)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if to.inode == Some(inode) {
            return Ok(());
        }
        if let Some(there) = to.inode {
            match (is_folder, self.folder(there)) {
                (true, Err(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                (false, Ok(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, Ok(folder)) if !folder.cached.is_empty() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                _ => {}
            }
        }
        let rename = Some(Rename { id: self.next_rename(), inode, other: None, whole: is_folder });
        self.set_entry(to.folder(), &to.name, Some(inode), rename);
        self.set_entry(from.folder(), &from.name, None, rename);
        Ok(())
    }

    /// Where there is a rename that takes flags: one that overwrites nothing, and the exchange.
    pub fn with_flags(&mut self) -> io::Result<&mut Self> {
        if self.has_exchange { Ok(self) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Renames, if nothing has the new name.
    pub fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.place(from)?.found()?;
        if self.place(to)?.inode.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    /// Two names change places: each leads to what the other led to.
    pub fn exchange(&mut self, one: &Path, other: &Path) -> io::Result<()> {
        let (one, other) = (self.place(one)?, self.place(other)?);
        let (inode, its) = (one.found()?, other.found()?);
        if one.folders.contains(&its) || other.folders.contains(&inode) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if inode == its {
            return Ok(());
        }
        let whole = self.folder(inode).is_ok() || self.folder(its).is_ok();
        let rename = Some(Rename { id: self.next_rename(), inode, other: Some(its), whole });
        self.set_entry(one.folder(), &one.name, Some(its), rename);
        self.set_entry(other.folder(), &other.name, Some(inode), rename);
        Ok(())
    }

    /// One more name for a file; a link is not followed.
    pub fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place_of_something(from)?, self.place(to)?);
        let inode = from.found()?;
        if self.folder(inode).is_ok() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if to.inode.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.set_entry(to.folder(), &to.name, Some(inode), None);
        Ok(())
    }

    pub fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place_of_something(path)?;
        if self.folder(place.found()?).is_ok() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.set_entry(place.folder(), &place.name, None, None);
        Ok(())
    }

    pub fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place_of_something(path)?;
        if !self.folder(place.found()?)?.cached.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.set_entry(place.folder(), &place.name, None, None);
        Ok(())
    }

    fn place_of_something(&self, path: &Path) -> io::Result<Place> {
        let place = self.place(path)?;
        place.found()?;
        Ok(place)
    }

    /// In an order of its own, as real folders: not sorted, and not that of making.
    pub fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let folder = self.folder(self.follow(path)?.inode())?;
        let mut entries: Vec<Entry> = folder
            .cached
            .iter()
            .map(|(name, inode)| Entry {
                name: name.as_ref().to_owned(),
                kind: self.node(*inode).kind(),
            })
            .collect();
        entries.sort_by_key(|entry| crc32fast::hash(entry.name.as_encoded_bytes()));
        Ok(entries)
    }

    /// A name in a folder that nothing has.
    pub fn free_name(&mut self, prefix: &str) -> Arc<OsStr> {
        OsStr::new(&format!("{prefix}{:08}", self.next_temp())).into()
    }
}

fn file_mode(mode: Mode) -> u32 {
    // The umask is 022.
    if mode == Mode::Private { 0o600 } else { 0o644 }
}
