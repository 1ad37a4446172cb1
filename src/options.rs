//! Ways to open a store.

use std::path::Path;
use std::sync::Arc;

use crate::core::{Core, Opening};
use crate::creation;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Fs, OsFs};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::names::Names;
use crate::policy;
use crate::read_only;
use crate::recovery;
use crate::retain::Retain;
use crate::store::Store;

/// How to open a store.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a store is opened with them"]
pub struct Options {
    create: bool,
    housekeeping: bool,
    limits: Limits,
    retain: Option<Retain>,
    fs: Arc<dyn Fs>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            housekeeping: true,
            limits: Limits::default(),
            retain: None,
            fs: Arc::new(OsFs),
        }
    }
}

impl Options {
    /// Whether a store is made where there is none; it is, unless said otherwise.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// What is kept of the journal. The store keeps it: it holds for every process, until the store is told
    /// something else.
    pub fn retain(mut self, retain: Retain) -> Self {
        self.retain = Some(retain);
        self
    }

    /// Another disk, for tests.
    #[doc(hidden)]
    pub fn disk(mut self, fs: Arc<dyn Fs>) -> Self {
        self.fs = fs;
        self
    }

    /// Other sizes and ages, for tests.
    #[doc(hidden)]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether a thread keeps house, for tests.
    #[doc(hidden)]
    pub fn housekeeping(mut self, housekeeping: bool) -> Self {
        self.housekeeping = housekeeping;
        self
    }

    /// Opens the store in a folder; the first to open it recovers it.
    ///
    /// # Errors
    /// [`Error::Unusable`] when there is none and none is to be made, or it has another format;
    /// [`Error::Invalid`] for what cannot be kept so;
    /// [`Error::Corrupt`] when recovery finds damage; [`Error::Blocked`] when it cannot put a document
    /// in place; what the disk says.
    pub fn open(self, folder: impl AsRef<Path>) -> Result<Store> {
        self.retain.as_ref().map_or(Ok(()), Retain::check)?;
        let (names, identity) = self.find(folder.as_ref(), self.create)?;
        let Self { housekeeping, limits, retain, fs, .. } = self;
        let core = Core::new(Opening { fs, names, identity, limits, read_only: false })?;
        recovery::join(&core)?;
        if let Some(retain) = retain {
            policy::tell(&core, retain)?;
        }
        Store::start(core, housekeeping)
    }

    /// Opens the store in a folder without writing anything, as it stands.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open_read_only(self, folder: impl AsRef<Path>) -> Result<Store> {
        let (names, identity) = self.find(folder.as_ref(), false)?;
        let Self { limits, fs, .. } = self;
        let mut core = Core::new(Opening { fs, names, identity, limits, read_only: true })?;
        core.unapplied = read_only::unapplied(&core)?;
        Store::start(core, false)
    }

    fn find(&self, folder: &Path, create: bool) -> Result<(Names, Identity)> {
        let fs = &*self.fs;
        let folder = std::path::absolute(folder).context("find", folder)?;
        if create {
            fs::make_folders(fs, &folder)?;
        }
        let root = fs::none_if_missing(fs.canonical(&folder)).context("find", &folder)?;
        let no_store = |what: &str| {
            let hint = format!("{what}; make a store with `docbox init {}`", folder.display());
            Error::unusable(&folder, hint)
        };
        let root = root.ok_or_else(|| no_store("there is no such folder"))?;
        let names = Names::new(root);
        if let Some(store) = creation::read(fs, &names)? {
            return Ok((names, store.identity));
        }
        let home = names.home();
        let entries = fs::none_if_missing(fs.read_dir(&home)).context("list", &home)?;
        if entries.is_some_and(|entries| !entries.is_empty()) {
            // Somebody may have made it since.
            if let Some(store) = creation::read(fs, &names)? {
                return Ok((names, store.identity));
            }
            return Err(Error::unusable(
                &folder,
                "its `.docbox` has no `store.json`; restore it from a backup, or move `.docbox` away",
            ));
        }
        if !create {
            return Err(no_store("there is no store in this folder"));
        }
        creation::create(fs, &names)?;
        let store =
            creation::read(fs, &names)?.ok_or_else(|| no_store("it vanished while it was made"))?;
        Ok((names, store.identity))
    }
}
