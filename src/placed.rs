//! What this process put in place last: a document that lies there as it was left need not be read to know its
//! revision.

use std::collections::HashMap;

use crate::fs::{Stat, Tick};
use crate::key::Key;
use crate::revision::Revision;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The most documents that are remembered.
const PLACED: usize = 16_384;

/// The documents that were put in place, each with its file at that moment.
#[derive(Debug)]
pub struct Placed {
    /// How coarse the times of files may be.
    tick: Tick,
    documents: Mutex<HashMap<Key, (Stat, Revision)>>,
}

impl Placed {
    /// Nothing was put in place yet.
    #[must_use]
    pub fn new(tick: Tick) -> Self {
        Self { tick, documents: Mutex::default() }
    }

    /// A document was put in place; its file was this while nobody else could open it.
    pub fn note(&self, key: Key, stat: Stat, revision: Revision) {
        let mut documents = self.documents();
        if documents.len() >= PLACED && !documents.contains_key(&key) {
            // Those that are written often are back at once.
            documents.clear();
        }
        documents.insert(key, (stat, revision));
    }

    /// Nothing is known of a document any more.
    pub fn forget(&self, key: &Key) {
        self.documents().remove(key);
    }

    /// The revision of a document whose file is this now, if it is as it was put there.
    #[must_use]
    pub fn revision(&self, key: &Key, now: &Stat) -> Option<Revision> {
        // Somebody may have written to it in the very second in which it was put there.
        if now.may_be_coarse() {
            return None;
        }
        let documents = self.documents();
        let (stat, revision) = documents.get(key)?;
        (stat == now && self.tick.is_past(now)).then_some(*revision)
    }

    fn documents(&self) -> MutexGuard<'_, HashMap<Key, (Stat, Revision)>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::fs::Kind;

    /// A file that changed so long ago.
    fn stat(ago: Duration) -> Stat {
        let changed_ns = Timestamp::now().as_nanosecond() - ago.as_nanos().cast_signed();
        // Not a whole second, by chance.
        let changed_ns = changed_ns | 1;
        Stat {
            kind: Kind::File,
            len: 10,
            mode: 0o644,
            device: 1,
            inode: 2,
            links: 1,
            modified_ns: changed_ns - 5,
            changed_ns,
        }
    }

    #[test]
    fn a_document_is_known_as_long_as_its_file_is_as_it_was_put_and_not_just_changed() {
        // Its lock is one of those that are tried in schedules.
        shuttle::check_random(known_while_it_is_as_it_was_put, 1);
    }

    fn known_while_it_is_as_it_was_put() {
        const HOUR: Duration = Duration::from_hours(1);
        let (placed, key) = (Placed::new(Tick::of(HOUR)), Key::new("a").unwrap());
        let (old, revision) = (stat(2 * HOUR), Revision::of(b"1"));
        assert_eq!(placed.revision(&key, &old), None);
        placed.note(key.clone(), old, revision);
        assert_eq!(placed.revision(&key, &old), Some(revision));
        for other in [
            Stat { inode: 3, ..old },
            Stat { device: 3, ..old },
            Stat { len: 11, ..old },
            Stat { modified_ns: old.modified_ns + 1, ..old },
            Stat { changed_ns: old.changed_ns + 1, ..old },
        ] {
            assert_eq!(placed.revision(&key, &other), None, "{other:?}");
        }
        placed.forget(&key);
        assert_eq!(placed.revision(&key, &old), None);
        let whole = Stat { changed_ns: old.changed_ns / 1_000_000_000 * 1_000_000_000, ..old };
        placed.note(key.clone(), whole, revision);
        assert_eq!(placed.revision(&key, &whole), None, "the filesystem may know no others");
        // Times are coarse: it may have changed again since. One of the future is as of now.
        for recent in [stat(Duration::ZERO), Stat { changed_ns: i128::MAX / 2, ..old }] {
            placed.note(key.clone(), recent, revision);
            assert_eq!(placed.revision(&key, &recent), None);
        }
    }
}
