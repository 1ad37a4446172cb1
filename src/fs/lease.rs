//! Leases: the sole use of an open file for a moment (`fcntl(F_SETLEASE)`, Linux).
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
    // Whoever opens the file signals its holder, and the signal for that would otherwise be SIGIO, which
    // ends a process that does not expect it. SIGURG is ignored by default.
    set(file, F_SETSIG, libc::SIGURG)?;
    match set(file, libc::F_SETLEASE, libc::F_WRLCK) {
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
