//! The way to a file: no symbolic link on it is followed, whoever plants one and at whatever moment.
//!
//! Looking at each folder first would not do: between the look and the use a folder may turn into a link.
//! So the kernel is told to follow none (`openat2`), and what changes a name is done from the folder that
//! was opened in this way. A kernel without that call is led there from folder to folder.

#![expect(clippy::disallowed_types, reason = "the one place that touches std::fs")]

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat,
};
#[cfg(target_os = "linux")]
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::{Errno, retry_on_intr};

use super::{Entry, Kind, Stat};

/// How to open a folder only to go on from it, which takes no right to read it.
#[cfg(target_os = "linux")]
const ENTER: OFlags = OFlags::PATH.union(FOLDER);
#[cfg(not(target_os = "linux"))]
const ENTER: OFlags = FOLDER;
/// How to have a file that is not to be read.
#[cfg(target_os = "linux")]
const HOLD: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(target_os = "linux")]
const EXCHANGE: RenameFlags = RenameFlags::EXCHANGE;
#[cfg(target_os = "linux")]
const NO_REPLACE: RenameFlags = RenameFlags::NOREPLACE;
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// NONBLOCK and NOCTTY: a pipe or a terminal in the place of a file must not hold us up.
const FILE: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file. What it is, too.
pub fn open(path: &Path, how: OFlags, mode: u32) -> io::Result<(fs::File, Stat)> {
    let mode = Mode::from_raw_mode(mode);
    let opened = patiently(|| retry_on_intr(|| open_at(path, how | FILE, mode)));
    regular(opened.map_err(said)?)
}

/// What a regular file is, which is not opened: that would wait for whoever has the sole use of it.
#[cfg(target_os = "linux")]
pub fn stat(path: &Path) -> io::Result<Stat> {
    let held = retry_on_intr(|| open_at(path, HOLD, Mode::empty())).map_err(said)?;
    regular(held).map(|(_, stat)| stat)
}

/// Refuses what is no regular file. What it is, too.
fn regular(opened: OwnedFd) -> io::Result<(fs::File, Stat)> {
    let file = fs::File::from(opened);
    let stat = Stat::of_file(&file)?;
    if stat.kind != Kind::File {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a folder, a pipe or a device, where a file must be; move it away",
        ));
    }
    Ok((file, stat))
}

/// Opens again where somebody has the sole use of the file just now: a lease is held for as long as a
/// commit takes, and the system breaks it after a while (45 s) if its holder hangs.
fn patiently(open: impl Fn() -> rustix::io::Result<OwnedFd>) -> rustix::io::Result<OwnedFd> {
    const FIRST: Duration = Duration::from_micros(20);
    const LONGEST: Duration = Duration::from_millis(2);
    const TOO_LONG: Duration = Duration::from_mins(1);
    let begun = Instant::now();
    let mut pause = FIRST;
    loop {
        match open() {
            Err(Errno::AGAIN) if begun.elapsed() < TOO_LONG => {
                std::thread::sleep(pause);
                pause = LONGEST.min(pause * 2);
            }
            other => return other,
        }
    }
}

/// A folder that was reached without following a link. Names in it are used from here on, wherever it is
/// moved meanwhile.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Handle(OwnedFd);

#[cfg(target_os = "linux")]
impl Handle {
    /// Enters a folder, which takes no right to read it.
    pub(super) fn enter(path: &Path) -> io::Result<Self> {
        let entered = retry_on_intr(|| open_at(path, ENTER, Mode::empty()));
        entered.map(Self).map_err(said)
    }

    /// What a name leads to; a link is not followed.
    pub(super) fn stat(&self, name: &str) -> io::Result<Stat> {
        Ok(Stat::of_found(&statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Opens a regular file.
    pub(super) fn open(&self, name: &str, how: OFlags, mode: u32) -> io::Result<(fs::File, Stat)> {
        let mode = Mode::from_raw_mode(mode);
        // One name, and no link: there is no way that leads elsewhere.
        let open = || retry_on_intr(|| openat(&self.0, name, how | FILE, mode));
        regular(patiently(open).map_err(said)?)
    }

    /// Removes a file, of which what is returned keeps the space.
    pub(super) fn unlink(&self, name: &str) -> io::Result<Option<Nameless>> {
        // To hold it in this way breaks no lease, and takes no right to read it.
        let held = openat(&self.0, name, HOLD, Mode::empty());
        unlinkat(&self.0, name, AtFlags::empty())?;
        Ok(held.ok().map(Nameless))
    }

    /// Renames over whatever file has the new name.
    pub(super) fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(renameat(&self.0, name, &to.0, new)?)
    }

    /// Renames, if nothing has the new name.
    pub(super) fn rename_new(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        known(renameat_with(&self.0, name, &to.0, new, NO_REPLACE))
    }

    /// Lets two names change places.
    pub(super) fn exchange(&self, name: &str, other: &Self, its: &str) -> io::Result<()> {
        known(renameat_with(&self.0, name, &other.0, its, EXCHANGE))
    }
}

/// A file that was removed, and whose space is given back when this is dropped: that may be to wait for the disk.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Nameless(#[expect(dead_code, reason = "held, and closed in the end")] OwnedFd);

/// Opens a folder.
pub fn open_folder(path: &Path) -> io::Result<fs::File> {
    let opened = retry_on_intr(|| open_at(path, FOLDER, Mode::empty()));
    opened.map(fs::File::from).map_err(said)
}

/// What a folder holds.
pub fn read_dir(path: &Path) -> io::Result<Vec<Entry>> {
    let folder = open_folder(path)?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let file_type = match entry.file_type() {
            // Some filesystems do not say.
            FileType::Unknown => match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                // It has gone since.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            },
            known => known,
        };
        let kind = match file_type {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            _ => Kind::Other,
        };
        entries.push(Entry { name: OsStr::from_bytes(name.to_bytes()).to_owned(), kind });
    }
    Ok(entries)
}

/// Makes a folder; a private one is 0700 whatever the umask.
pub fn create_dir(path: &Path, is_private: bool) -> io::Result<()> {
    const PRIVATE: Mode = Mode::RWXU;
    let spot = Spot::of(path)?;
    let mode = if is_private { PRIVATE } else { Mode::from_raw_mode(0o777) };
    mkdirat(&spot.folder, spot.name, mode)?;
    if is_private {
        let stat = statat(&spot.folder, spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
        if Mode::from_raw_mode(stat.st_mode) & Mode::from_raw_mode(0o777) != PRIVATE {
            spot.set_folder_mode(PRIVATE)?;
        }
    }
    Ok(())
}

/// Marks a folder as the top of a hierarchy (`chattr +T`): ext4 puts the folders in it into block groups of
/// their own, and what is made in them too.
#[cfg(target_os = "linux")]
pub fn keep_folders_apart(path: &Path) -> io::Result<()> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let folder = open_folder(path)?;
    Ok(ioctl_setflags(&folder, ioctl_getflags(&folder)? | IFlags::TOPDIR)?)
}

/// Renames over whatever file has the new name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (Spot::of(from)?, Spot::of(to)?);
    Ok(renameat(&from.folder, from.name, &to.folder, to.name)?)
}

/// Renames, if nothing has the new name.
#[cfg(target_os = "linux")]
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (Spot::of(from)?, Spot::of(to)?);
    known(renameat_with(&from.folder, from.name, &to.folder, to.name, NO_REPLACE))
}

/// Lets two names change places.
#[cfg(target_os = "linux")]
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let (one, other) = (Spot::of(one)?, Spot::of(other)?);
    known(renameat_with(&one.folder, one.name, &other.folder, other.name, EXCHANGE))
}

/// What became of a rename of a sort that not every filesystem knows; an error of kind `Unsupported` where it does not.
#[cfg(target_os = "linux")]
fn known(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(error @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, io::Error::from(error)))
        }
        other => Ok(other?),
    }
}

/// Removes a file.
pub fn remove_file(path: &Path) -> io::Result<()> {
    let spot = Spot::of(path)?;
    Ok(unlinkat(&spot.folder, spot.name, AtFlags::empty())?)
}

/// Removes an empty folder.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    let spot = Spot::of(path)?;
    Ok(unlinkat(&spot.folder, spot.name, AtFlags::REMOVEDIR)?)
}

/// A name in a folder that was reached without following a link.
struct Spot<'p> {
    folder: OwnedFd,
    name: &'p OsStr,
}

impl<'p> Spot<'p> {
    fn of(path: &'p Path) -> io::Result<Self> {
        let (Some(above), Some(name)) = (path.parent(), path.components().next_back()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = retry_on_intr(|| open_at(above, ENTER, Mode::empty())).map_err(said)?;
        Ok(Self { folder, name: name.as_os_str() })
    }

    /// By the folder itself, not by its name, which may lead elsewhere by now. It may be one that its own
    /// owner cannot open for reading.
    #[cfg(target_os = "linux")]
    fn set_folder_mode(&self, mode: Mode) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let folder = openat(&self.folder, self.name, ENTER, Mode::empty())?;
        let itself = format!("/proc/self/fd/{}", folder.as_raw_fd());
        Ok(rustix::fs::chmodat(CWD, itself, mode, AtFlags::empty())?)
    }

    #[cfg(not(target_os = "linux"))]
    fn set_folder_mode(&self, mode: Mode) -> io::Result<()> {
        Ok(rustix::fs::chmodat(&self.folder, self.name, mode, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// Opens a path on which no component is a link.
fn open_at(path: &Path, how: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        // Without NOFOLLOW, of which it would say that a link to a folder is no folder.
        let asked = how.difference(OFlags::NOFOLLOW);
        match openat2(CWD, path, asked, mode, ResolveFlags::NO_SYMLINKS) {
            // An older kernel, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            other => return other,
        }
    }
    step_by_step(path, how, mode)
}

/// The same, from folder to folder.
fn step_by_step(path: &Path, how: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let mut folder = None;
    let mut steps = path.components().peekable();
    while let Some(step) = steps.next() {
        let is_last = steps.peek().is_none();
        let (how, mode) = if is_last { (how, mode) } else { (ENTER, Mode::empty()) };
        let next = match (&folder, step) {
            (None, Component::RootDir) => openat(CWD, "/", how, mode)?,
            (None, _) => enter(CWD, step.as_os_str(), how, mode)?,
            (Some(folder), _) => enter(folder, step.as_os_str(), how, mode)?,
        };
        folder = Some(next);
    }
    folder.ok_or(Errno::NOENT)
}

fn enter(
    folder: impl std::os::fd::AsFd,
    name: &OsStr,
    how: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let opened = openat(&folder, name, how, mode);
    if let Err(Errno::NOTDIR) = opened
        && let Ok(stat) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
    {
        // A link in the place of a folder is not the same as nothing there.
        return Err(Errno::LOOP);
    }
    opened
}

/// What the system said; of a link in words that tell what to do.
fn said(error: Errno) -> io::Error {
    if error == Errno::LOOP {
        return io::Error::other(
            "it is, or lies behind, a symbolic link, and none is followed here; \
             put the file or folder itself in its place",
        );
    }
    error.into()
}

#[cfg(test)]
mod tests;
