//! The last commits of this process: who is woken for them here need not read files.

use std::sync::Arc;

use crate::head::{Head, Looked};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Longer lines are read from the file: they are not to stay in memory.
const MOST_BYTES: usize = 64 << 10;

/// Where the commits of this process moved the head last. It may be behind the file, where others commit too, and
/// is never before it: it can tell that there is something, and never that there is nothing.
#[derive(Debug, Default)]
pub struct Latest(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    moved: Option<Moved>,
    /// The lines of a batch on their way to the disk.
    coming: Option<Arc<Vec<u8>>>,
}

/// A head that a commit has moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The head; `since`: other than by commits of this process nobody wrote it from then on.
    pub looked: Looked,
    /// What stands in front of it in the journal: the lines of the last batch, or nothing.
    pub lines: Arc<Vec<u8>>,
}

impl Latest {
    /// A batch of these lines is about to be synced. What was said here of the one before counts no more, whatever became
    /// of it.
    pub fn announce(&self, lines: &Arc<Vec<u8>>) {
        self.known().coming = (lines.len() <= MOST_BYTES).then(|| Arc::clone(lines));
    }

    /// A batch of these lines has moved the head, and wrote this version of it over the one before.
    pub fn note(&self, version: u64, head: Head, mut lines: Arc<Vec<u8>>) {
        let mut known = self.known();
        let before = version - 1;
        let follows = known.moved.as_ref().filter(|moved| moved.looked.version == before);
        let since = follows.map_or(before, |moved| moved.looked.since);
        if lines.len() > MOST_BYTES {
            lines = Arc::default();
        }
        let looked = Looked { head: Arc::new(head), version, since };
        *known = Known { moved: Some(Moved { looked, lines }), coming: None };
    }

    /// The lines that were announced last, as long as no batch has moved the head since. Who makes ready what they say
    /// keeps that to itself until the very same lines are those of a [`Moved`]: they may have been taken back, and a
    /// power cut may take them.
    #[must_use]
    pub fn coming(&self) -> Option<Arc<Vec<u8>>> {
        self.known().coming.clone()
    }

    /// Where the head was moved to, if that is newer than this version.
    #[must_use]
    pub fn after(&self, version: u64) -> Option<Moved> {
        self.known().moved.as_ref().filter(|moved| moved.looked.version > version).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn head(seq: u64) -> Head {
        let identity = Identity { store: "s".to_owned(), epoch: 1 };
        Head { seq, ..Head::empty(identity) }
    }

    #[test]
    fn only_commits_that_follow_each_other_are_known_to_have_told_nobody_anything() {
        // Its lock is one of those that are tried in schedules.
        shuttle::check_random(known_since, 1);
    }

    fn known_since() {
        let latest = Latest::default();
        assert!(latest.after(0).is_none());
        for (version, since) in [(3, 2), (4, 2), (5, 2), (7, 6), (8, 6)] {
            latest.note(version, head(version), Arc::new(b"a line\n".to_vec()));
            let Moved { looked, lines } = latest.after(version - 1).unwrap();
            assert_eq!((looked.version, looked.since, looked.head.seq), (version, since, version));
            assert_eq!(*lines, b"a line\n");
            assert!(latest.after(version).is_none());
        }
    }

    #[test]
    fn long_lines_do_not_stay_in_memory() {
        shuttle::check_random(long_lines, 1);
    }

    fn long_lines() {
        let latest = Latest::default();
        for (len, kept) in [(MOST_BYTES, MOST_BYTES), (MOST_BYTES + 1, 0)] {
            latest.note(2, head(1), Arc::new(vec![b'\n'; len]));
            assert_eq!(latest.after(0).unwrap().lines.len(), kept);
        }
    }
}
