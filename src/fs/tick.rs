//! How soon a change of a file moves its time.
//!
//! Most systems note the time of a change by a clock that ticks some hundred times in a second: two changes within
//! a tick have one time. Linux from 6.13 on takes a finer clock for a change that follows a look at the time, on the
//! filesystems that can hold it (ext4, XFS, btrfs, tmpfs: `FS_MGTIME`). Nothing says so: it is tried.

use std::io;
use std::time::{Duration, Instant};

use super::{File, Stat};

/// So many changes are tried.
const CHANGES: u32 = 8;
/// No clock for the times of files ticks more often.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long a file may change again without having another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// On any filesystem.
    longest: Duration,
    /// The one on which each change after a look has another time.
    exact: Option<u64>,
}

impl Tick {
    /// So long, wherever a file is.
    #[must_use]
    pub fn of(longest: Duration) -> Self {
        Self { longest, exact: None }
    }

    /// Tries it with a file whose times matter to nobody, for its filesystem. Where it cannot be tried: so long.
    #[must_use]
    pub fn find(file: &dyn File, longest: Duration) -> Self {
        let is_exact = file.tells_each_change().unwrap_or(false);
        let opened = is_exact.then(|| file.stat_when_opened().ok()).flatten();
        Self { longest, exact: opened.map(|opened| opened.device) }
    }

    /// Whether a change of a file, from now on, will be one of another time.
    #[must_use]
    pub fn is_past(&self, stat: &Stat) -> bool {
        let is_exact = self.exact == Some(stat.device);
        stat.is_settled(if is_exact { Duration::ZERO } else { self.longest })
    }
}

/// Whether each change of a file that is open for writing has another time than the look before it saw. What it
/// holds stays as it is.
///
/// # Errors
/// What the system says.
pub(super) fn tells_each_change(file: &dyn File) -> io::Result<bool> {
    let len = file.stat()?.len;
    moves_each_time(|| {
        file.set_len(len)?;
        file.stat().map(|stat| stat.changed_ns)
    })
}

/// The same of whatever changes something and says when that was.
fn moves_each_time(mut change: impl FnMut() -> io::Result<i128>) -> io::Result<bool> {
    let began = Instant::now();
    let mut last = change()?;
    for _ in 0..CHANGES {
        let now = change()?;
        if now == last {
            return Ok(false);
        }
        last = now;
    }
    // If it took long, a clock may have ticked between any two of them.
    Ok(began.elapsed() < SHORTEST * (CHANGES - 1))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Kind;
    use super::*;

    fn now_ns(began: Instant, tick: Duration) -> i128 {
        let ticks = began.elapsed().as_nanos() / tick.as_nanos();
        i128::try_from(ticks * tick.as_nanos()).unwrap()
    }

    #[test]
    fn a_clock_that_ticks_does_not_tell_each_change_however_slowly_it_is_tried() {
        let began = Instant::now();
        // A busy machine may take long for anything; never as often as this.
        let is_exact =
            |tick| (0..100).any(|_| moves_each_time(|| Ok(now_ns(began, tick))).unwrap());
        assert!(is_exact(Duration::from_nanos(1)));
        assert!(!is_exact(Duration::from_millis(1)));
        assert!(!is_exact(Duration::from_millis(10)));
        let slowly = || {
            thread::sleep(2 * SHORTEST);
            Ok(now_ns(began, SHORTEST))
        };
        assert!(!moves_each_time(slowly).unwrap());
        assert!(moves_each_time(|| Err(io::ErrorKind::PermissionDenied.into())).is_err());
    }

    #[test]
    fn a_file_that_has_just_changed_is_believed_only_where_each_change_is_told() {
        const HOUR: Duration = Duration::from_hours(1);
        let now_ns = jiff::Timestamp::now().as_nanosecond() | 1;
        let just = Stat {
            kind: Kind::File,
            len: 1,
            mode: 0o644,
            device: 1,
            inode: 1,
            links: 1,
            modified_ns: now_ns,
            changed_ns: now_ns,
        };
        let elsewhere = Stat { device: 2, ..just };
        let exact = Tick { longest: HOUR, exact: Some(1) };
        assert!(exact.is_past(&just));
        assert!(!exact.is_past(&elsewhere), "of another filesystem nothing is known");
        assert!(!Tick::of(HOUR).is_past(&just));
        let of_the_future = Stat { changed_ns: now_ns + 3_600_000_000_000, ..just };
        assert!(!exact.is_past(&of_the_future), "the clock was put back");
    }
}
