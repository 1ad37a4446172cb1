//! What a file is, and when it was changed.

#![expect(clippy::disallowed_types, reason = "the one place that touches std::fs")]

use std::fs;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;

const SECOND_NS: i128 = 1_000_000_000;
/// No filesystem tells times further apart than 2 s for the same one; and one tick of a clock.
const COARSEST: Duration = Duration::from_secs(3);

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link, a device, a socket.
    Other,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, folder or something else.
    pub kind: Kind,
    /// Length in bytes.
    pub len: u64,
    /// Permission bits.
    pub mode: u32,
    /// The filesystem.
    pub device: u64,
    /// The file on that filesystem.
    pub inode: u64,
    /// How many names lead to it.
    pub links: u64,
    /// Last write, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Last change of anything, its names and its mode included, nanoseconds since 1970.
    pub changed_ns: i128,
}

/// By which a file is told from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The filesystem.
    pub device: u64,
    /// The file on that filesystem.
    pub inode: u64,
}

impl Stat {
    /// Which file it is.
    #[must_use]
    pub fn id(&self) -> FileId {
        FileId { device: self.device, inode: self.inode }
    }

    /// Whether both show the same file, whatever was written to it.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        self.id() == other.id()
    }

    /// Whether both show the same file, and nothing was written between them as far as times tell.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.same_file(other) && self.len == other.len && self.modified_ns == other.modified_ns
    }

    /// Whether its time is a whole second: its filesystem may know no others.
    #[must_use]
    pub fn may_be_coarse(&self) -> bool {
        self.changed_ns % SECOND_NS == 0
    }

    /// Whether it has not been changed for so long that a change from now on is one of another time, where a clock
    /// moves on within `tick`.
    #[must_use]
    pub fn is_settled(&self, tick: Duration) -> bool {
        let tick = if self.may_be_coarse() { tick.max(COARSEST) } else { tick };
        let age_ns = Timestamp::now().as_nanosecond() - self.changed_ns;
        u128::try_from(age_ns).is_ok_and(|age_ns| age_ns >= tick.as_nanos())
    }

    /// What an open file is.
    #[cfg(target_os = "linux")]
    pub(super) fn of_file(file: &fs::File) -> io::Result<Self> {
        Ok(Self::of_found(&rustix::fs::fstat(file)?))
    }

    /// What an open file is.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of_file(file: &fs::File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of(&metadata))
    }

    /// The same from what `std` says.
    #[cfg(unix)]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            kind: Kind::of(metadata.file_type()),
            len: metadata.len(),
            mode: metadata.mode() & 0o7777,
            device: metadata.dev(),
            inode: metadata.ino(),
            links: metadata.nlink(),
            modified_ns: modified_ns(metadata),
            changed_ns: i128::from(metadata.ctime()) * SECOND_NS
                + i128::from(metadata.ctime_nsec()),
        }
    }

    /// The same from what `std` says.
    #[cfg(not(unix))]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            kind: Kind::of(metadata.file_type()),
            len: metadata.len(),
            mode: if metadata.permissions().readonly() { 0o400 } else { 0o600 },
            device: 0,
            inode: 0,
            links: 1,
            modified_ns: modified_ns(metadata),
            changed_ns: modified_ns(metadata),
        }
    }

    /// The same from what the system itself says.
    #[cfg(target_os = "linux")]
    #[expect(clippy::useless_conversion, reason = "some machines count links in fewer bits")]
    pub(super) fn of_found(found: &rustix::fs::Stat) -> Self {
        use rustix::fs::FileType;
        let kind = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            _ => Kind::Other,
        };
        let ns = |s: i128, ns: i128| s * SECOND_NS + ns;
        Self {
            kind,
            len: u64::try_from(found.st_size).unwrap_or(0),
            mode: found.st_mode & 0o7777,
            device: found.st_dev,
            inode: found.st_ino,
            links: found.st_nlink.into(),
            modified_ns: ns(found.st_mtime.into(), found.st_mtime_nsec.into()),
            changed_ns: ns(found.st_ctime.into(), found.st_ctime_nsec.into()),
        }
    }
}

impl Kind {
    /// What `std` says.
    pub(super) fn of(file_type: fs::FileType) -> Self {
        if file_type.is_file() {
            Self::File
        } else if file_type.is_dir() {
            Self::Dir
        } else {
            Self::Other
        }
    }
}

fn modified_ns(metadata: &fs::Metadata) -> i128 {
    let Ok(modified) = metadata.modified() else { return 0 };
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_after_a_tick_and_later_where_its_times_may_be_whole_seconds() {
        const HOUR: Duration = Duration::from_hours(1);
        const HOUR_NS: i128 = 3600 * SECOND_NS;
        let now_ns = Timestamp::now().as_nanosecond();
        let this_second_ns = now_ns - now_ns % SECOND_NS;
        let is_settled = |changed_ns, tick| {
            let (kind, len, mode, links, modified_ns) = (Kind::File, 1, 0o644, 1, changed_ns);
            let stat =
                Stat { kind, len, mode, device: 1, inode: 1, links, modified_ns, changed_ns };
            stat.is_settled(tick)
        };
        assert!(!is_settled(this_second_ns - HOUR_NS / 2 + 1, HOUR));
        assert!(is_settled(this_second_ns - HOUR_NS + 1 - SECOND_NS, HOUR));
        assert!(!is_settled(now_ns + HOUR_NS, Duration::ZERO), "the clock was put back");
        // No longer ago than this test takes, nor than the coarsest times; a nanosecond tells them apart.
        assert!(is_settled(this_second_ns - SECOND_NS + 1, Duration::ZERO));
        let of_this_second = is_settled(this_second_ns, Duration::ZERO);
        let age_ns = Timestamp::now().as_nanosecond() - this_second_ns;
        assert!(!of_this_second || age_ns > 3 * SECOND_NS);
        assert!(is_settled(this_second_ns - 4 * SECOND_NS, Duration::ZERO));
    }
}
