//! The real disk behind a door that tells of what passes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use docbox::fs::{Entry, File, Fs, Lock, Mode, Open, OsFs, Stat};

/// Whether a path lies in `journal/`; a segment keeps the name that it was opened by.
pub fn is_journal(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("journal"))
}

type Hook = dyn Fn(&str, &Path) + Send + Sync;

/// Passes everything on to the real disk, and tells `hook` first what is done to which path.
#[derive(Clone)]
pub struct Door {
    hook: Arc<Hook>,
    can_watch: bool,
}

impl Door {
    pub fn new(hook: impl Fn(&str, &Path) + Send + Sync + 'static) -> Self {
        Self { hook: Arc::new(hook), can_watch: true }
    }

    /// A system that does not tell of changes.
    pub fn without_watching() -> Self {
        Self { can_watch: false, ..Self::new(|_, _| ()) }
    }

    fn file(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(Doorway { inner, path: path.to_owned(), hook: Arc::clone(&self.hook) })
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

impl Fs for Door {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        (self.hook)("open", path);
        Ok(self.file(path, OsFs.open(path, how)?))
    }

    fn create_temp(
        &self,
        dir: &Path,
        prefix: &str,
        mode: Mode,
    ) -> io::Result<(PathBuf, Arc<dyn File>)> {
        (self.hook)("create_temp", dir);
        let (path, inner) = OsFs.create_temp(dir, prefix, mode)?;
        let file = self.file(&path, inner);
        Ok((path, file))
    }

    fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()> {
        OsFs.create_dir(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.hook)("rename", to);
        OsFs.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.hook)("rename", to);
        OsFs.rename_new(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        (self.hook)("exchange", other);
        OsFs.exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsFs.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsFs.remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        OsFs.read_dir(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        OsFs.stat(path)
    }

    fn stat_strict(&self, path: &Path) -> io::Result<Stat> {
        OsFs.stat_strict(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsFs.sync_dir(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        OsFs.canonical(path)
    }

    fn incarnation(&self, path: &Path) -> io::Result<Option<String>> {
        OsFs.incarnation(path)
    }

    fn process_id(&self) -> u32 {
        OsFs.process_id()
    }

    fn can_watch(&self) -> bool {
        self.can_watch
    }
}

struct Doorway {
    inner: Arc<dyn File>,
    path: PathBuf,
    hook: Arc<Hook>,
}

impl fmt::Debug for Doorway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doorway to {}", self.path.display())
    }
}

impl File for Doorway {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.hook)("read_at", &self.path);
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        (self.hook)("write_at", &self.path);
        self.inner.write_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        (self.hook)("sync_data", &self.path);
        self.inner.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }

    fn stat_when_opened(&self) -> io::Result<Stat> {
        self.inner.stat_when_opened()
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.inner.set_mode(mode)
    }

    fn try_lease(&self) -> io::Result<bool> {
        (self.hook)("try_lease", &self.path);
        self.inner.try_lease()
    }

    fn has_no_writer(&self) -> io::Result<bool> {
        self.inner.has_no_writer()
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        self.inner.try_lock(lock)
    }

    fn lock(&self) -> io::Result<()> {
        self.inner.lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }
}
