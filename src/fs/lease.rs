//! Leases: the sole use of an open file for a moment, or that nobody writes to it (`fcntl(F_SETLEASE)`, Linux).
//!
//! `unsafe`, as in `write_back`: no library that is kept offers these calls.

#![expect(clippy::disallowed_types, reason = "the one place that touches std::fs")]
#![expect(unsafe_code, reason = "two calls of fcntl with whole numbers for arguments")]

use std::fs;
use std::io;
use std::os::fd::AsRawFd;

/// Which signal tells of what happens to a descriptor (asm-generic/fcntl.h).
const F_SETSIG: libc::c_int = 10;

/// Takes the sole use of a file: from here on whoever opens it waits. `false` while anybody has it open
/// or mapped. It ends when the file is closed.
///
/// # Errors
/// `Unsupported` where the system has no leases for it.
pub fn try_take(file: &fs::File) -> io::Result<bool> {
    take(file, libc::F_WRLCK)
}

/// Filesystems of this machine's own disks, on which whoever maps a file is noticed at its first store, and moves
/// the times of the file (`page_mkwrite`): ext2 to ext4, XFS and btrfs, by their numbers in statfs(2). It is not so in
/// memory (tmpfs: who has read a page may write it unnoticed); and elsewhere files may be written by who is not seen
/// here.
const TIMES_TELL: [u64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];

/// Whether nobody has a file open or mapped for writing that is open here for reading; then nobody has until it is
/// closed. `false` too where the times of the file would not tell of who has later.
///
/// # Errors
/// What the system says.
pub fn has_no_writer(file: &fs::File) -> io::Result<bool> {
    // Of another width on other machines.
    let number = u64::try_from(rustix::fs::fstatfs(file)?.f_type);
    Ok(number.is_ok_and(|number| TIMES_TELL.contains(&number)) && take(file, libc::F_RDLCK)?)
}

fn take(file: &fs::File, what: libc::c_int) -> io::Result<bool> {
    // Whoever opens the file signals its holder, and the signal for that would otherwise be SIGIO, which
    // ends a process that does not expect it. SIGURG is ignored by default.
    set(file, F_SETSIG, libc::SIGURG)?;
    match set(file, libc::F_SETLEASE, what) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES | libc::EPERM) => Ok(false),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, error)),
        },
    }
}

fn set(file: &fs::File, what: libc::c_int, to: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed, and neither command takes a pointer.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), what, to) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
