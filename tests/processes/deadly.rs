//! The real disk for a process that dies at a call: a failpoint of which the store knows nothing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use docbox::fs::{Entry, File, Fs, Lock, Mode, Open, OsFs, Stat};
use rustix::process::{Signal, getpid, kill_process};

/// Hears of each call that changes something: its number from 1, what it is, and of which path.
type Tell = dyn Fn(u64, &str, &Path) + Send + Sync;

/// Passes everything on to the real disk, and kills its own process at a call that changes something.
#[derive(Clone)]
pub struct Deadly {
    calls: Arc<Calls>,
}

struct Calls {
    count: AtomicU64,
    /// Death comes in the place of this call; 0 for never.
    last: u64,
    /// A write is cut in its middle first.
    is_cut: bool,
    tell: Box<Tell>,
}

impl Deadly {
    pub fn new(
        last: u64,
        is_cut: bool,
        tell: impl Fn(u64, &str, &Path) + Send + Sync + 'static,
    ) -> Self {
        let calls = Calls { count: AtomicU64::new(0), last, is_cut, tell: Box::new(tell) };
        Self { calls: Arc::new(calls) }
    }

    fn file(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(DeadlyFile { inner, path: path.to_owned(), calls: Arc::clone(&self.calls) })
    }
}

impl Calls {
    fn pass(&self, what: &str, path: &Path) {
        self.pass_write(what, path, || ());
    }

    fn pass_write(&self, what: &str, path: &Path, cut: impl FnOnce()) {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        (self.tell)(number, what, path);
        if number == self.last {
            if self.is_cut {
                cut();
            }
            die();
        }
    }
}

/// SIGKILL, as anybody else would send it.
pub fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    unreachable!("it is dead")
}

impl fmt::Debug for Deadly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deadly")
    }
}

impl Fs for Deadly {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        if matches!(how, Open::CreateNew(_) | Open::Create(_)) {
            self.calls.pass("open", path);
        }
        Ok(self.file(path, OsFs.open(path, how)?))
    }

    fn create_temp(
        &self,
        dir: &Path,
        prefix: &str,
        mode: Mode,
    ) -> io::Result<(PathBuf, Arc<dyn File>)> {
        self.calls.pass("create_temp", dir);
        let (path, inner) = OsFs.create_temp(dir, prefix, mode)?;
        let file = self.file(&path, inner);
        Ok((path, file))
    }

    fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()> {
        self.calls.pass("create_dir", path);
        OsFs.create_dir(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.calls.pass("rename", to);
        OsFs.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.calls.pass("rename", to);
        OsFs.rename_new(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.calls.pass("exchange", other);
        OsFs.exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.calls.pass("remove_file", path);
        OsFs.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.calls.pass("remove_dir", path);
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
        self.calls.pass("sync_dir", path);
        OsFs.sync_dir(path)
    }

    fn sync_filesystem(&self, path: &Path) -> io::Result<bool> {
        self.calls.pass("sync_filesystem", path);
        OsFs.sync_filesystem(path)
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
        OsFs.can_watch()
    }
}

struct DeadlyFile {
    inner: Arc<dyn File>,
    path: PathBuf,
    calls: Arc<Calls>,
}

impl fmt::Debug for DeadlyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} before a death", self.path.display())
    }
}

impl File for DeadlyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.calls.pass_write("write_at", &self.path, || {
            self.inner.write_at(&buf[..buf.len() / 2], offset).expect("half of it is written");
        });
        self.inner.write_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.calls.pass("set_len", &self.path);
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.calls.pass("sync_data", &self.path);
        self.inner.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.inner.stat()
    }

    fn stat_when_opened(&self) -> io::Result<Stat> {
        self.inner.stat_when_opened()
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.calls.pass("set_mode", &self.path);
        self.inner.set_mode(mode)
    }

    fn try_lease(&self) -> io::Result<bool> {
        self.calls.pass("try_lease", &self.path);
        self.inner.try_lease()
    }

    fn has_no_writer(&self) -> io::Result<bool> {
        self.inner.has_no_writer()
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        self.calls.pass("try_lock", &self.path);
        self.inner.try_lock(lock)
    }

    fn lock(&self) -> io::Result<()> {
        self.calls.pass("lock", &self.path);
        self.inner.lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.calls.pass("unlock", &self.path);
        self.inner.unlock()
    }
}
