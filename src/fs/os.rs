//! The real disk.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the one place that touches std::fs"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(target_os = "linux")]
use super::{FileId, Handle};
#[cfg(target_os = "linux")]
use rustix::io::Errno;

#[cfg(not(unix))]
use super::plain as way;
#[cfg(unix)]
use super::way;
use super::{Entry, File, Fs, Lock, Mode, Open, Stat};

/// The operating system's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFs;

/// Opens a file that a person named, for reading: links are followed, and it may be a pipe. Never for
/// what is the store's own.
///
/// # Errors
/// What the system says.
pub fn open_given(path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
    Ok(Box::new(fs::File::open(path)?))
}

impl Fs for OsFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        opened(open(path, how)?, how)
    }

    fn create_temp(
        &self,
        dir: &Path,
        prefix: &str,
        mode: Mode,
    ) -> io::Result<(PathBuf, Arc<dyn File>)> {
        let temp = tempfile::Builder::new()
            .prefix(prefix)
            .rand_bytes(8)
            .make_in(dir, |path| self.open(path, Open::CreateNew(mode)))?;
        let (file, path) = temp.into_parts();
        let path = path.keep().map_err(|error| error.error)?;
        Ok((path, file))
    }

    #[cfg(target_os = "linux")]
    fn enter(&self, folder: &Path) -> io::Result<Option<Handle>> {
        Handle::enter(folder).map(Some)
    }

    fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()> {
        way::create_dir(path, mode == Mode::Private)
    }

    #[cfg(target_os = "linux")]
    fn keep_folders_apart(&self, folder: &Path) {
        let _ = way::keep_folders_apart(folder);
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        way::rename(from, to)
    }

    #[cfg(target_os = "linux")]
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        way::rename_new(from, to)
    }

    #[cfg(target_os = "linux")]
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        way::exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        way::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        way::remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        way::read_dir(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        fs::symlink_metadata(path).map(|metadata| Stat::of(&metadata))
    }

    #[cfg(target_os = "linux")]
    fn stat_strict(&self, path: &Path) -> io::Result<Stat> {
        way::stat(path)
    }

    #[cfg(target_os = "linux")]
    fn file_id(&self, path: &Path) -> io::Result<FileId> {
        use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
        match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::INO) {
            // An older kernel, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => self.stat(path).map(|stat| stat.id()),
            found => {
                let found = found?;
                let device = makedev(found.stx_dev_major, found.stx_dev_minor);
                Ok(FileId { device, inode: found.stx_ino })
            }
        }
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        way::open_folder(path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        // Other systems offer no sync of a folder; their filesystems journal the names.
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn sync_filesystem(&self, path: &Path) -> io::Result<bool> {
        rustix::fs::syncfs(way::open_folder(path)?)?;
        Ok(true)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    #[cfg(target_os = "linux")]
    fn incarnation(&self, path: &Path) -> io::Result<Option<String>> {
        use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
        // A mount id that is never used again within a boot (Linux 6.8). The plain one is reused after
        // an unmount, so it proves nothing.
        const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);
        let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::INO | MNT_ID_UNIQUE)?;
        if found.stx_mask & MNT_ID_UNIQUE.bits() == 0 {
            return Ok(None);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Some(format!("{}/{}/{}", boot.trim(), found.stx_mnt_id, found.stx_ino)))
    }

    #[cfg(not(target_os = "linux"))]
    fn incarnation(&self, _path: &Path) -> io::Result<Option<String>> {
        Ok(None)
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }

    fn can_watch(&self) -> bool {
        true
    }
}

/// A file that was opened, or made.
fn opened((file, opened): (fs::File, Stat), how: Open) -> io::Result<Arc<dyn File>> {
    let file = OsFile { file, opened, locked_by: AtomicU32::new(0) };
    let is_private = matches!(how, Open::CreateNew(Mode::Private) | Open::Create(Mode::Private));
    if is_private && cfg!(unix) && file.opened.mode & 0o777 != 0o600 {
        file.set_mode(0o600)?;
    }
    Ok(Arc::new(file))
}

/// Opens a file in a folder.
#[cfg(target_os = "linux")]
pub(super) fn open_in(folder: &Handle, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
    let (flags, bits) = flags(how);
    opened(folder.open(name, flags, bits)?, how)
}

#[derive(Debug)]
struct OsFile {
    file: fs::File,
    /// What it was when it was opened.
    opened: Stat,
    /// The process that locked it; 0 while it is not locked.
    locked_by: AtomicU32,
}

impl Drop for OsFile {
    fn drop(&mut self) {
        // A child that is just being started shares the descriptor until it runs its program, and the
        // lock with it: closing alone would give it back only then. A forked child, though, must not
        // give back what its parent holds. (Nothing is lost if this fails.)
        let locked_by = self.locked_by.load(Ordering::Acquire);
        if locked_by != 0 && locked_by == std::process::id() {
            let _ = fs2::FileExt::unlock(&self.file);
        }
    }
}

impl File for OsFile {
    #[cfg(unix)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buf, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buf, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.file, buf, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.file, buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[cfg(target_os = "linux")]
    fn begin_sync(&self, offset: u64, len: u64) {
        super::write_back::begin(&self.file, offset, len);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        Stat::of_file(&self.file)
    }

    fn stat_when_opened(&self) -> io::Result<Stat> {
        Ok(self.opened)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mut permissions = self.file.metadata()?.permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, mode);
        #[cfg(not(unix))]
        permissions.set_readonly(mode & 0o200 == 0);
        self.file.set_permissions(permissions)
    }

    #[cfg(target_os = "linux")]
    fn try_lease(&self) -> io::Result<bool> {
        super::lease::try_take(&self.file)
    }

    #[cfg(target_os = "linux")]
    fn has_no_writer(&self) -> io::Result<bool> {
        super::lease::has_no_writer(&self.file)
    }

    fn tells_each_change(&self) -> io::Result<bool> {
        super::tick::tells_each_change(self)
    }

    // By path: from Rust 1.89 on, std's own methods of these names would be taken otherwise.
    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        let taken = match lock {
            Lock::Shared => fs2::FileExt::try_lock_shared(&self.file),
            Lock::Exclusive => fs2::FileExt::try_lock_exclusive(&self.file),
        };
        match taken {
            Ok(()) => {
                self.locked_by.store(std::process::id(), Ordering::Release);
                Ok(true)
            }
            Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> io::Result<()> {
        loop {
            match fs2::FileExt::lock_exclusive(&self.file) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    self.locked_by.store(std::process::id(), Ordering::Release);
                    return other;
                }
            }
        }
    }

    fn unlock(&self) -> io::Result<()> {
        fs2::FileExt::unlock(&self.file)?;
        self.locked_by.store(0, Ordering::Release);
        Ok(())
    }
}

#[cfg(unix)]
fn open(path: &Path, how: Open) -> io::Result<(fs::File, Stat)> {
    let (flags, bits) = flags(how);
    way::open(path, flags, bits)
}

#[cfg(unix)]
fn flags(how: Open) -> (rustix::fs::OFlags, u32) {
    use rustix::fs::OFlags;
    let (flags, mode) = match how {
        Open::Read => (OFlags::RDONLY, None),
        Open::Write => (OFlags::RDWR, None),
        Open::CreateNew(mode) => (OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, Some(mode)),
        Open::Create(mode) => (OFlags::RDWR | OFlags::CREATE, Some(mode)),
    };
    let bits = match mode {
        None => 0,
        Some(Mode::Private) => 0o600,
        Some(Mode::Shared) => 0o666,
    };
    (flags, bits)
}

#[cfg(not(unix))]
fn open(path: &Path, how: Open) -> io::Result<(fs::File, Stat)> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(how != Open::Read);
    match how {
        Open::Read | Open::Write => {}
        Open::CreateNew(_) => drop(options.create_new(true)),
        Open::Create(_) => drop(options.create(true)),
    }
    let file = options.open(path)?;
    let stat = Stat::of_file(&file)?;
    Ok((file, stat))
}

#[cfg(test)]
mod tests;
