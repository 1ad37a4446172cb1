//! What this process put in place last: a document that lies there as it was left need not be read to know its
//! revision.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::fs::Stat;
use crate::key::Key;
use crate::revision::Revision;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The most documents that are remembered.
const PLACED: usize = 16_384;

/// The documents that were put in place, each with its file at that moment.
#[derive(Debug)]
pub struct Placed {
    /// Times of files are coarse: one that changed more recently than this may have changed again.
    settled: Duration,
    documents: Mutex<HashMap<Key, (Stat, Revision)>>,
}

impl Placed {
    /// Nothing was put in place yet.
    #[must_use]
    pub fn new(settled: Duration) -> Self {
        Self { settled, documents: Mutex::default() }
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
        let documents = self.documents();
        let (stat, revision) = documents.get(key)?;
        (stat.same_content(now) && stat.changed_ns == now.changed_ns && self.is_settled(now))
            .then_some(*revision)
    }

    fn is_settled(&self, stat: &Stat) -> bool {
        let age_ns = Timestamp::now().as_nanosecond() - stat.changed_ns;
        u128::try_from(age_ns).is_ok_and(|age_ns| age_ns >= self.settled.as_nanos())
    }

    fn documents(&self) -> MutexGuard<'_, HashMap<Key, (Stat, Revision)>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
