//! The one door to the disk.
//!
//! [`Fs`] and [`File`] stand at the level of single system calls, because a crash falls between two of
//! them: a test puts a simulated disk behind the same door and stops it at every call. What takes
//! several calls is a free function over `&dyn Fs` here, so that the simulated disk sees each step.
//!
//! No other module touches `std::fs`.

mod folder;
#[cfg(target_os = "linux")]
mod lease;
mod os;
#[cfg(not(unix))]
mod plain;
mod stat;
mod tick;
#[cfg(unix)]
mod way;
#[cfg(target_os = "linux")]
mod write_back;

pub use folder::Folder;
pub use os::{OsFs, open_given};
pub use stat::{FileId, Kind, Stat};
pub(crate) use tick::Tick;
#[cfg(target_os = "linux")]
pub use way::{Handle, Nameless};

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Context, Result};

/// What the names of files begin with that are to replace another and were not renamed yet.
pub const HALF_MADE: &str = ".new-";

/// There are no folders that can be entered.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub enum Handle {}
/// A file that loses its last name gives its space back at once.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub enum Nameless {}

/// The calls on paths. All paths are absolute. [`Fs::canonical`] follows symbolic links; [`Fs::stat`] does
/// on the way to the last component, which changes nothing; no other call follows any, wherever on the path it
/// stands, so that the paths given to them begin with a canonical one.
#[expect(clippy::missing_errors_doc, reason = "each returns what the system said")]
pub trait Fs: fmt::Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Makes a file in `dir` under a new name that begins with `prefix`, open for reading and writing.
    fn create_temp(
        &self,
        dir: &Path,
        prefix: &str,
        mode: Mode,
    ) -> io::Result<(PathBuf, Arc<dyn File>)>;
    /// Enters a folder, so that names in it can be used whatever becomes of the way to it. `None` where there
    /// is no such call: see [`Folder`].
    fn enter(&self, folder: &Path) -> io::Result<Option<Handle>> {
        let _ = folder;
        Ok(None)
    }
    /// Makes one folder.
    fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()>;
    /// Asks the filesystem to keep what will be made in one folder of `folder` away from what is in another.
    /// It may not know how, and nothing depends on it but speed: where a file and those beside it share a
    /// block of the inode table, a sync of it may write what changed of theirs.
    fn keep_folders_apart(&self, folder: &Path) {
        let _ = folder;
    }
    /// Renames atomically, over whatever file has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames atomically, if nothing has the new name: an error of kind `AlreadyExists` where something has, and of
    /// kind `Unsupported` where there is no such call.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _ = (from, to);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Lets two names change places in one step: each leads to what the other led to. An error of kind
    /// `Unsupported` where there is no such call.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let _ = (one, other);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// What a folder holds, in no particular order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// What a path is, without following a link.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// What the regular file at the end of a path is; as opening it would, this follows no link on the way either.
    fn stat_strict(&self, path: &Path) -> io::Result<Stat> {
        self.open(path, Open::Read)?.stat_when_opened()
    }
    /// Which file a path leads to, without following a link. Nothing else is asked for: Linux writes the times
    /// of a file at each change once somebody has asked for them, and a sync of it takes longer then.
    fn file_id(&self, path: &Path) -> io::Result<FileId> {
        self.stat(path).map(|stat| stat.id())
    }
    /// Makes the entries of a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything on the filesystem of `path` durable at once; `false` where that cannot be asked
    /// for, and nothing was done.
    fn sync_filesystem(&self, path: &Path) -> io::Result<bool> {
        let _ = path;
        Ok(false)
    }
    /// The path with every link resolved.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
    /// A text that stays the same exactly as long as the page cache that `path` was written through
    /// cannot have been lost (same boot, same mount, same file). `None` where that cannot be known.
    fn incarnation(&self, path: &Path) -> io::Result<Option<String>>;
    /// The process that asks. A store is dead in a forked child.
    fn process_id(&self) -> u32;
    /// Whether the operating system can tell of changes under these paths.
    fn can_watch(&self) -> bool;
}

/// The calls on an open file. Closing it gives back whatever lock it holds, at once.
#[expect(clippy::missing_errors_doc, reason = "each returns what the system said")]
pub trait File: fmt::Debug + Send + Sync {
    /// Reads at an offset; fewer bytes than asked for, and 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset; may write fewer bytes than given.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Lets the disk begin to take what was written at a place, and does not wait: a sync that follows soon
    /// waits the less. It may not know how, and nothing depends on it but speed.
    fn begin_sync(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }
    /// Makes the bytes and the length durable (`fdatasync`; `F_FULLFSYNC` on macOS).
    fn sync_data(&self) -> io::Result<()>;
    /// What the open file is.
    fn stat(&self) -> io::Result<Stat>;
    /// What it was when it was opened, which costs no call.
    fn stat_when_opened(&self) -> io::Result<Stat>;
    /// Sets the permission bits.
    fn set_mode(&self, mode: u32) -> io::Result<()>;
    /// Takes the sole use of the file, which must be open for writing, until it is closed: whoever opens it
    /// meanwhile waits. `false` while anybody else has it open or mapped. An error of kind `Unsupported`
    /// where there is no such call.
    fn try_lease(&self) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Whether nobody has the file, which must be open for reading only, open or mapped for writing; then nobody
    /// has until it is closed: whoever opens it for that waits. `false` too where that is not to be found out, or a
    /// write could leave the times of the file as they are.
    fn has_no_writer(&self) -> io::Result<bool> {
        Ok(false)
    }
    /// Whether each change of the file, which must be open for writing, has another time than the look before it saw.
    /// It is tried: what the file holds stays as it is. `false` where that is not to be found out.
    fn tells_each_change(&self) -> io::Result<bool> {
        Ok(false)
    }
    /// Takes a lock if it is free; `false` when somebody else holds it.
    fn try_lock(&self, lock: Lock) -> io::Result<bool>;
    /// Waits for the exclusive lock.
    fn lock(&self) -> io::Result<()>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must be there; reading only.
    Read,
    /// It must be there; reading and writing.
    Write,
    /// It must not be there yet.
    CreateNew(Mode),
    /// Made when missing; reading and writing.
    Create(Mode),
}

/// Who may read what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0600 for files, 0700 for folders, whatever the umask.
    Private,
    /// As the user's own files: 0666, 0777 less the umask.
    Shared,
}

/// A lock on an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Any number of holders.
    Shared,
    /// One holder.
    Exclusive,
}

/// One name in a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name, without the folder.
    pub name: OsString,
    /// What it leads to; a link is not followed.
    pub kind: Kind,
}

/// Reads a file from its beginning to its end.
///
/// # Errors
/// What the disk says.
pub fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.stat_when_opened()?.len).map_err(io::Error::other)?;
    // One byte more than the length: where that is asked for and not given, the file ends, and no second call
    // need find out. Where less is given the disk may have failed in the middle, and the next call says so.
    let mut bytes = vec![0; len + 1];
    let mut filled = 0;
    loop {
        match read_some(file, &mut bytes[filled..], filled as u64)? {
            0 => break,
            n => filled += n,
        }
        if filled == len {
            break;
        }
        if filled == bytes.len() {
            bytes.resize(bytes.len() * 2, 0);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Fills `buf` as far as the file goes; how many bytes it got.
///
/// # Errors
/// What the disk says.
pub fn read_full(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match read_some(file, &mut buf[filled..], offset + filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

fn read_some(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buf, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Writes all of `bytes` at an offset.
///
/// # Errors
/// What the disk says.
pub fn write_all(file: &dyn File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Puts `bytes` under `path` so that after a crash either the old file is there or the whole new one,
/// and the new one once this has returned: temp file, sync, rename, sync of the folder.
///
/// # Errors
/// What the disk says; the temp file is removed again.
pub fn replace_durably(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = parent(path);
    let (temp, file) =
        fs.create_temp(dir, HALF_MADE, Mode::Private).context("make a file in", dir)?;
    let written = write_all(&*file, bytes, 0)
        .and_then(|()| file.sync_data())
        .context("write", &temp)
        .and_then(|()| fs.rename(&temp, path).context("put in place", path));
    if written.is_err() {
        // The error says what went wrong; a temp file that stays behind does no harm.
        let _ = fs.remove_file(&temp);
    }
    written?;
    fs.sync_dir(dir).context("sync the folder", dir)
}

/// What lies at `path`, or `None` when nothing does (a missing folder above it included).
///
/// # Errors
/// Whatever else the disk says.
pub fn stat_if_there(fs: &dyn Fs, path: &Path) -> io::Result<Option<Stat>> {
    none_if_missing(fs.stat(path))
}

/// Turns "there is no such file" into `None`.
///
/// # Errors
/// Every other error is passed on.
pub fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The folder that holds `path`. Every path that this crate makes has one.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Makes a folder and whatever is missing above it, durably. What is there already may be reached through
/// links. The folder with every link resolved.
///
/// # Errors
/// What the disk says.
pub fn make_folders(fs: &dyn Fs, folder: &Path) -> Result<PathBuf> {
    let mut there = folder;
    while stat_if_there(fs, there).context("look at", there)?.is_none() {
        let Some(above) = there.parent() else { break };
        there = above;
    }
    let mut made = fs.canonical(there).context("find", there)?;
    for missing in folder.strip_prefix(there).into_iter().flat_map(Path::components) {
        made.push(missing);
        match fs.create_dir(&made, Mode::Shared) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.context("make the folder", &made)?,
        }
        fs.sync_dir(parent(&made)).context("sync the folder", parent(&made))?;
    }
    Ok(made)
}
