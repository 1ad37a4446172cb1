//! A door that passes every call on, but may say other things of the process and of the page cache, and
//! can make a whole filesystem durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use docbox::fs::{Entry, File, Fs, Mode, Open, Stat};

use super::sim::Disk;

/// Passes every call on.
#[derive(Debug)]
pub struct Other {
    door: Arc<dyn Fs>,
    child: AtomicBool,
    knows_its_cache: bool,
    /// The disk that is durable as a whole once that is asked for.
    filesystem: Option<Disk>,
}

impl Other {
    /// A door whose process can become a forked child.
    pub fn forking(door: Arc<dyn Fs>) -> Self {
        Self { door, child: AtomicBool::new(false), knows_its_cache: true, filesystem: None }
    }

    /// The door of a system that cannot tell one page cache from the next.
    pub fn unknowing(door: Arc<dyn Fs>) -> Self {
        Self { knows_its_cache: false, ..Self::forking(door) }
    }

    /// The door of a system that can be asked to make all of a disk durable at once.
    pub fn syncing(disk: &Disk) -> Self {
        Self { filesystem: Some(disk.clone()), ..Self::forking(disk.process()) }
    }

    /// From here on the caller is the child.
    pub fn be_the_child(&self) {
        self.child.store(true, Ordering::SeqCst);
    }
}

impl Fs for Other {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        self.door.open(path, how)
    }

    fn create_temp(
        &self,
        dir: &Path,
        prefix: &str,
        mode: Mode,
    ) -> io::Result<(PathBuf, Arc<dyn File>)> {
        self.door.create_temp(dir, prefix, mode)
    }

    fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()> {
        self.door.create_dir(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.door.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.door.rename_new(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.door.exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.door.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.door.remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.door.read_dir(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.door.stat(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.door.sync_dir(path)
    }

    fn sync_filesystem(&self, _path: &Path) -> io::Result<bool> {
        if let Some(disk) = &self.filesystem {
            disk.settle();
        }
        Ok(self.filesystem.is_some())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.door.canonical(path)
    }

    fn incarnation(&self, path: &Path) -> io::Result<Option<String>> {
        if self.knows_its_cache { self.door.incarnation(path) } else { Ok(None) }
    }

    fn process_id(&self) -> u32 {
        self.door.process_id() + u32::from(self.child.load(Ordering::SeqCst))
    }

    fn can_watch(&self) -> bool {
        self.door.can_watch()
    }
}
