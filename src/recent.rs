//! Documents that are read often: one whose file is as it was need not be read, scanned and hashed once more.
//!
//! What is kept is believed as long as its path leads to the same file and no time of that file has moved. This
//! proves that nobody has written to it since, because of how it was read: its times were settled, so that a change
//! moves them; and nobody had it open for writing or mapped for it. Who writes to it later has opened it later, and
//! moves its times with the first byte.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::Duration;

use crate::fs::{File, Fs, Stat};
use crate::json::Json;
use crate::key::Key;
use crate::revision::Revision;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most that is kept, in bytes.
const RECENT_BYTES: usize = 4 << 20;
/// The longest file of a document that is kept, in bytes.
const FILE_BYTES: u64 = 64 << 10;
/// What a document takes beside its value, about.
const BESIDE: usize = 256;
/// So many keys are remembered that were read once: most are not read again, and not worth keeping.
const ONCE: usize = 4096;
/// A key may stand in so many places: were it one, two that are read in turn could drive each other out for ever.
const PLACES: usize = 4;

/// Documents as they were read last.
#[derive(Debug)]
pub struct Recent {
    /// What changed more recently than this is not worth keeping, and its times may not tell of another change.
    settled: Duration,
    shelf: Mutex<Shelf>,
}

/// A document as it was read.
#[derive(Debug)]
pub struct Kept {
    /// Where its file lies.
    pub path: PathBuf,
    /// What the file was before it was read.
    pub stat: Stat,
    /// Its revision.
    pub revision: Revision,
    /// Its value.
    pub json: Json,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: HashMap<Key, Arc<Kept>>,
    /// How much they take.
    bytes: usize,
    /// Hashes of keys that were read once; of those that share their places the newest stand, newest first.
    once: Box<[[u64; PLACES]]>,
}

impl Recent {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(settled: Duration) -> Self {
        Self { settled, shelf: Mutex::default() }
    }

    /// A document that was kept, if its file is as it was.
    pub fn find(&self, fs: &dyn Fs, key: &str) -> Option<Arc<Kept>> {
        let kept = self.shelf().kept.get(key).cloned()?;
        if fs.stat_strict(&kept.path).is_ok_and(|now| now == kept.stat) {
            return Some(kept);
        }
        // What is there instead is looked at by whoever reads it.
        self.shelf().remove(key);
        None
    }

    /// Whether a document is worth keeping, and can be kept, that is about to be read from an open file.
    pub fn can_keep(&self, key: &Key, file: &dyn File, stat: &Stat) -> bool {
        self.shelf().was_read(key)
            && stat.len <= FILE_BYTES
            && stat.is_settled(self.settled)
            // It is about speed: where it cannot be known, the document is read each time.
            && file.has_no_writer().unwrap_or(false)
    }

    /// Keeps a document that can be kept.
    pub fn keep(&self, key: Key, kept: Kept) {
        self.shelf().insert(key, kept);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.json.as_str().len() + self.path.as_os_str().len() + BESIDE
    }
}

impl Shelf {
    /// Whether it was read before, lately, as far as that is remembered.
    fn was_read(&mut self, key: &Key) -> bool {
        if self.once.is_empty() {
            self.once = vec![[0; PLACES]; ONCE / PLACES].into();
        }
        let hash = self.kept.hasher().hash_one(key);
        let shared = usize::try_from(hash % self.once.len() as u64).unwrap_or(0);
        let places = &mut self.once[shared];
        let was_read = places.contains(&hash);
        if !was_read {
            places.rotate_right(1);
            places[0] = hash;
        }
        was_read
    }

    fn insert(&mut self, key: Key, kept: Kept) {
        self.remove(key.as_str());
        if self.bytes + kept.bytes() > RECENT_BYTES {
            // Those that are read often are back at once.
            self.kept.clear();
            self.bytes = 0;
        }
        self.bytes += kept.bytes();
        self.kept.insert(key, Arc::new(kept));
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= kept.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::fs::Open;
    use crate::support::sim::Disk;

    fn key(number: usize) -> Key {
        Key::new(format!("agents/{number}")).unwrap()
    }

    #[test]
    fn a_document_is_kept_that_is_read_again_and_that_nobody_may_have_changed_unseen() {
        // Its lock is one of those that are tried in schedules.
        shuttle::check_random(kept_if_nobody_may_have_changed_it, 1);
    }

    fn kept_if_nobody_may_have_changed_it() {
        const HOUR: Duration = Duration::from_hours(1);
        let disk = Disk::new();
        disk.write("/a", b"1");
        let fs = disk.process();
        let file = fs.open("/a".as_ref(), Open::Read).unwrap();
        let now_ns = Timestamp::now().as_nanosecond();
        let recent = Recent::new(HOUR);
        let hours = |count| count * i128::try_from(HOUR.as_nanos()).unwrap();
        let old = Stat { changed_ns: now_ns - hours(2), ..file.stat().unwrap() };
        assert!(!recent.can_keep(&key(1), &*file, &old), "it may never be read again");
        assert!(recent.can_keep(&key(1), &*file, &old));
        for other in [
            Stat { changed_ns: now_ns, ..old },
            Stat { changed_ns: now_ns + hours(1), ..old },
            Stat { len: FILE_BYTES + 1, ..old },
        ] {
            assert!(!recent.can_keep(&key(1), &*file, &other), "{other:?}");
        }
        drop(file);
        let writing = fs.open("/a".as_ref(), Open::Write).unwrap();
        let file = fs.open("/a".as_ref(), Open::Read).unwrap();
        assert!(!recent.can_keep(&key(1), &*file, &old), "somebody may be writing to it");
        drop(writing);
        assert!(recent.can_keep(&key(1), &*file, &old));
    }

    #[test]
    fn documents_that_are_read_in_turn_are_found_to_be_read_again() {
        const DOCUMENTS: usize = 1000;
        let mut shelf = Shelf::default();
        let mut read_again = || (0..DOCUMENTS).filter(|at| shelf.was_read(&key(*at))).count();
        assert_eq!(read_again(), 0);
        // But for those whose places more than four share.
        let again = read_again();
        assert!(again > DOCUMENTS * 9 / 10, "{again}");
    }

    #[test]
    fn what_is_kept_stays_within_its_bytes() {
        let mut shelf = Shelf::default();
        let json = Json::of(&"x".repeat(60_000)).unwrap();
        let revision = Revision::of(b"1");
        let stat = Disk::new().process().stat("/".as_ref()).unwrap();
        let kept = |json| Kept { path: "/a".into(), stat, revision, json };
        for round in 0..3 {
            for number in 0..100 {
                shelf.insert(key(number), kept(json.clone()));
                let bytes = shelf.kept.values().map(|kept| kept.bytes()).sum::<usize>();
                assert_eq!(shelf.bytes, bytes, "round {round}, {number}");
                assert!(bytes <= RECENT_BYTES);
                assert!(shelf.kept.contains_key(&key(number)));
            }
        }
        assert!(shelf.bytes > RECENT_BYTES / 4);
        shelf.insert(key(99), kept(Json::null()));
        for number in 0..100 {
            shelf.remove(key(number).as_str());
        }
        assert_eq!((shelf.bytes, shelf.kept.len()), (0, 0));
    }
}
