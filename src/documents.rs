//! Documents: JSON files in the user's own folder.
//!
//! Reading them, listing them, and what lies in the way of one. How new bytes get there is in
//! [`place`](crate::place).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Kind, Open, Stat};
use crate::key::Key;
use crate::names::{self, Folder, Names};
use crate::revision::Revision;

/// A document as it lies in the folder.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file's exact bytes.
    pub bytes: Vec<u8>,
    /// The file that they were read from.
    pub stat: Stat,
}

impl Found {
    /// The revision of these bytes.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision::of(&self.bytes)
    }
}

/// What lies in the folder, in the order of the keys' bytes.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The documents.
    pub keys: Vec<Key>,
    /// `*.json` files whose name is no key's name.
    pub strays: Vec<PathBuf>,
}

/// The documents of a store.
#[derive(Clone, Debug)]
pub struct Documents {
    fs: Arc<dyn Fs>,
    names: Names,
    /// The filesystem takes `A.json` and `a.json` for one file.
    ignores_case: bool,
    /// The filesystem of `.docbox`, from which alone a file can be put in place in one step.
    device: u64,
    spool: fs::Folder,
}

impl Documents {
    /// The documents below a root that has a `.docbox`.
    ///
    /// # Errors
    /// What the disk says.
    pub fn new(fs: Arc<dyn Fs>, names: Names) -> Result<Self> {
        let other_case = names.root().join(".DOCBOX");
        let ignores_case =
            fs::stat_if_there(&*fs, &other_case).context("look at", &other_case)?.is_some();
        let home = names.home();
        let device = fs.stat(&home).context("look at", &home)?.device;
        let spool = fs::Folder::by_path(&fs, names.spool());
        Ok(Self { fs, names, ignores_case, device, spool })
    }

    /// Reads a document; `None` when there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read(&self, key: &Key) -> Result<Option<Found>> {
        self.read_after(key, |_, _| ())
    }

    /// The same for who looks at the open file before it is read.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read_after(
        &self,
        key: &Key,
        mut look: impl FnMut(&dyn File, &Stat),
    ) -> Result<Option<Found>> {
        let path = self.names.document(key);
        loop {
            let opened = self.fs.open(&path, Open::Read);
            let Some(file) = self.opened(key, &path, opened)? else { return Ok(None) };
            // As it was before it was read, so that whoever edits it meanwhile is noticed later.
            let stat = file.stat_when_opened().context("look at", &path)?;
            look(&*file, &stat);
            let bytes = fs::read_all(&*file).context("read", &path)?;
            // A file that was displaced before it was opened may be another document's by now.
            let now = fs::none_if_missing(self.fs.file_id(&path)).context("look at", &path)?;
            if now.is_none_or(|now| now == stat.id()) {
                return Ok(Some(Found { bytes, stat }));
            }
        }
    }

    /// Reads a document of a folder that was found, for who holds `commit.lock`: nobody displaces a file meanwhile, so
    /// that what was opened is the document's own.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read_under_lock(
        &self,
        key: &Key,
        folder: &fs::Folder,
        path: &Path,
    ) -> Result<Option<Found>> {
        let opened = folder.open(names::last(path), Open::Read);
        let Some(file) = self.opened(key, path, opened)? else { return Ok(None) };
        let stat = file.stat_when_opened().context("look at", path)?;
        let bytes = fs::read_all(&*file).context("read", path)?;
        Ok(Some(Found { bytes, stat }))
    }

    /// The file of a document, which was asked for; `None` when there is none. Opening goes through no link and gives
    /// nothing but files, so that nothing need be looked at before.
    fn opened(
        &self,
        key: &Key,
        path: &Path,
        opened: io::Result<Arc<dyn File>>,
    ) -> Result<Option<Arc<dyn File>>> {
        match fs::none_if_missing(opened) {
            Ok(opened) => Ok(opened),
            // What is no file, or lies behind a link, is not ours.
            Err(_) if self.look(key)?.is_none() => Ok(None),
            Err(error) => Err(error).context("open", path),
        }
    }

    /// What the file of a document is, without reading it; `None` when there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn look(&self, key: &Key) -> Result<Option<Stat>> {
        if !self.has_real_folders(key)? {
            return Ok(None);
        }
        let path = self.names.document(key);
        let there = fs::stat_if_there(&*self.fs, &path).context("look at", &path)?;
        Ok(there.filter(|stat| stat.kind == Kind::File))
    }

    /// Lists all documents whose key begins with `prefix`, and the strays beside them.
    ///
    /// # Errors
    /// What the disk says.
    pub fn list(&self, prefix: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        // `None` below a folder whose name is no key's.
        let mut folders = vec![(PathBuf::new(), Some(Folder::root()))];
        while let Some((relative, folder)) = folders.pop() {
            let path = self.names.root().join(&relative);
            let entries = fs::none_if_missing(self.fs.read_dir(&path)).context("list", &path)?;
            for entry in entries.unwrap_or_default() {
                let relative = relative.join(&entry.name);
                if entry.name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                if entry.kind == Kind::Dir {
                    let below = folder.as_ref().and_then(|folder| folder.folder(&entry.name));
                    folders.push((relative, below));
                } else if entry.kind == Kind::File && names::is_document_name(&entry.name) {
                    match folder.as_ref().and_then(|folder| folder.document(&entry.name)) {
                        Some(key) if self.leads_to(&key, &relative)? => {
                            if key.as_str().starts_with(prefix) {
                                listing.keys.push(key);
                            }
                        }
                        _ => listing.strays.push(relative),
                    }
                }
            }
        }
        listing.keys.sort_unstable();
        listing.strays.sort_unstable();
        Ok(listing)
    }

    /// Whether a key's own path leads to a file found under `relative`: a name that is not in NFC is the
    /// key's only where the filesystem takes both for one.
    fn leads_to(&self, key: &Key, relative: &Path) -> Result<bool> {
        let own = names::document_path(key);
        if own == relative {
            return Ok(true);
        }
        let look = |path: PathBuf| fs::stat_if_there(&*self.fs, &path).context("look at", &path);
        let (found, own) =
            (look(self.names.root().join(relative))?, look(self.names.root().join(own))?);
        Ok(found.zip(own).is_some_and(|(found, own)| found.same_file(&own)))
    }

    /// Refuses a key whose file would be one of another spelling (`A` beside `a`).
    ///
    /// # Errors
    /// [`Error::Invalid`] naming both.
    pub fn check_spelling(&self, key: &Key) -> Result<()> {
        if !self.ignores_case {
            return Ok(());
        }
        let relative = names::document_path(key);
        let mut folder = self.names.root().to_owned();
        for part in &relative {
            let wanted = part.to_string_lossy();
            let entries =
                fs::none_if_missing(self.fs.read_dir(&folder)).context("list", &folder)?;
            for entry in entries.unwrap_or_default() {
                let there = entry.name.to_string_lossy();
                if there != wanted && there.to_lowercase() == wanted.to_lowercase() {
                    return Err(Error::Invalid(format!(
                        "the key `{key}` would land on `{}`, which differs in case only, and this filesystem \
                         takes both for one: use that spelling, or another name",
                        folder.join(&*there).display()
                    )));
                }
            }
            folder.push(part);
        }
        Ok(())
    }

    /// Whether all folders above a document are real ones. What lies behind a link is not ours.
    pub(crate) fn has_real_folders(&self, key: &Key) -> Result<bool> {
        Ok(self.real_folders(key)?.len() == self.folders(key).len())
    }

    /// The folders above a document, outermost first, as far as they are real ones.
    pub(crate) fn real_folders(&self, key: &Key) -> Result<Vec<PathBuf>> {
        let mut folders = self.folders(key);
        for (at, folder) in folders.iter().enumerate() {
            let stat = fs::stat_if_there(&*self.fs, folder).context("look at", folder)?;
            if stat.is_none_or(|stat| stat.kind != Kind::Dir) {
                folders.truncate(at);
                break;
            }
        }
        Ok(folders)
    }

    /// The folders between the root and a document, outermost first.
    pub(crate) fn folders(&self, key: &Key) -> Vec<PathBuf> {
        let relative = names::document_path(key);
        let mut folder = self.names.root().to_owned();
        let parts = relative.parent().map(Path::components).into_iter().flatten();
        parts
            .map(|part| {
                folder.push(part);
                folder.clone()
            })
            .collect()
    }

    /// As many descriptors as putting a document in place needs: a rename opens both folders. To be held
    /// while a batch becomes durable, and dropped then.
    ///
    /// # Errors
    /// What the disk says: above all, that there are none.
    pub fn reserve(&self) -> Result<[Arc<dyn File>; 2]> {
        let path = self.names.store_json();
        let open = || self.fs.open(&path, Open::Read).context("open", &path);
        Ok([open()?, open()?])
    }

    /// Whether a folder is on the filesystem of the store.
    pub(crate) fn is_at_home(&self, folder: &Stat) -> bool {
        folder.device == self.device
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    pub(crate) fn shared_fs(&self) -> &Arc<dyn Fs> {
        &self.fs
    }

    /// The spool, by its path.
    pub(crate) fn spool(&self) -> &fs::Folder {
        &self.spool
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}
