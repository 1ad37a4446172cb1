//! Folders that are entered once, and whose names are used from then on.
//!
//! Putting a document in place takes several calls on two folders. To go the whole way to them for each call
//! would cost more than the call; and a folder that was entered needs no descriptor any more when the
//! document must be put in place.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Entry, File, Fs, Handle, Nameless, Open, Stat};

/// A folder that was entered. Where the disk has no such call it is its path, and each call goes the whole way.
#[derive(Clone, Debug)]
pub struct Folder {
    fs: Arc<dyn Fs>,
    path: Arc<Path>,
    handle: Option<Arc<Handle>>,
}

#[expect(clippy::missing_errors_doc, reason = "each returns what the system said")]
impl Folder {
    /// The folder of a path, whatever is there.
    #[must_use]
    pub fn by_path(fs: &Arc<dyn Fs>, path: impl Into<Arc<Path>>) -> Self {
        Self { fs: Arc::clone(fs), path: path.into(), handle: None }
    }

    /// Enters it; no link on the way to it is followed where the disk has such a call.
    pub fn enter(&self) -> io::Result<Self> {
        let handle = self.fs.enter(&self.path)?.map(Arc::new);
        Ok(Self { handle, ..self.clone() })
    }

    /// Whether names in it are used without going the way to it again.
    #[must_use]
    pub fn is_entered(&self) -> bool {
        self.handle.is_some()
    }

    /// Where it was when it was entered.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`Fs::stat`].
    pub fn stat(&self, name: &str) -> io::Result<Stat> {
        match &self.handle {
            #[cfg(target_os = "linux")]
            Some(handle) => handle.stat(name),
            _ => self.fs.stat(&self.path.join(name)),
        }
    }

    /// As [`Fs::read_dir`].
    pub fn read_dir(&self) -> io::Result<Vec<Entry>> {
        self.fs.read_dir(&self.path)
    }

    /// As [`Fs::open`].
    pub fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        match &self.handle {
            #[cfg(target_os = "linux")]
            Some(handle) => super::os::open_in(handle, name, how),
            _ => self.fs.open(&self.path.join(name), how),
        }
    }

    /// As [`Fs::rename`], to a name in another folder or in this one.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        match (&self.handle, &to.handle) {
            #[cfg(target_os = "linux")]
            (Some(from), Some(to)) => from.rename(name, to, new),
            _ => self.fs.rename(&self.path.join(name), &to.path.join(new)),
        }
    }

    /// As [`Fs::rename_new`], to a name in another folder.
    pub fn rename_new(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        match (&self.handle, &to.handle) {
            #[cfg(target_os = "linux")]
            (Some(from), Some(to)) => from.rename_new(name, to, new),
            _ => self.fs.rename_new(&self.path.join(name), &to.path.join(new)),
        }
    }

    /// As [`Fs::exchange`], with a name in another folder.
    pub fn exchange(&self, name: &str, other: &Self, its: &str) -> io::Result<()> {
        match (&self.handle, &other.handle) {
            #[cfg(target_os = "linux")]
            (Some(one), Some(other)) => one.exchange(name, other, its),
            _ => self.fs.exchange(&self.path.join(name), &other.path.join(its)),
        }
    }

    /// As [`Fs::remove_file`], but where the disk has such a call the file keeps its space, until what is returned is
    /// dropped.
    pub fn unlink(&self, name: &str) -> io::Result<Option<Nameless>> {
        match &self.handle {
            #[cfg(target_os = "linux")]
            Some(handle) => handle.unlink(name),
            _ => self.fs.remove_file(&self.path.join(name)).map(|()| None),
        }
    }
}
