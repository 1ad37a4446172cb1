//! Write-back: the disk begins to take what was written before anybody waits for it (`sync_file_range`, Linux).
//!
//! `unsafe`, as in `lease`: no library that is kept offers the call.

#![expect(clippy::disallowed_types, reason = "the one place that touches std::fs")]
#![expect(unsafe_code, reason = "a call with whole numbers for arguments")]

use std::fs;
use std::os::fd::AsRawFd;

/// Begins to write a range of a file to the disk, and does not wait for it. It says nothing about durability,
/// and what goes wrong is for the sync to say.
pub fn begin(file: &fs::File, offset: u64, len: u64) {
    let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else { return };
    // SAFETY: the descriptor is open as long as `file` is borrowed, and no argument is a pointer.
    let _ = unsafe {
        libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE)
    };
}
