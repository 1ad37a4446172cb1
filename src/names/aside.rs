//! Names of what is about to become a document, or was one: in `spool/` and in `recovered/`.

use sha2::{Digest, Sha256};

use super::encoded_segments;
use crate::key::Key;
use crate::revision::Revision;

const DISPLACED_DIGITS: usize = 32;

/// The file in the spool that a document displaced. Of so many bits that nobody makes two keys with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Displaced(u128);

impl Displaced {
    /// The one that the document `key` displaces.
    pub(crate) fn by(key: &Key) -> Self {
        let digest = Sha256::digest(key.as_str().as_bytes());
        Self(digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }

    /// The one of this name in the spool; `None` where it is no displaced file's.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is_one = name.len() == DISPLACED_DIGITS
            && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| u128::from_str_radix(name, 16).ok()).flatten().map(Self)
    }

    /// Its name in the spool.
    pub(crate) fn name(self) -> String {
        format!("{:0DISPLACED_DIGITS$x}", self.0)
    }
}

/// What the names of a document's new files in the spool begin with.
pub(crate) fn spool_prefix(key: &Key) -> String {
    format!("{}-", Revision::of(key.as_str().as_bytes()))
}

/// What the name of a document that is kept in `recovered/` begins with, so that one sees which it was. Encoded,
/// because a key may hold what a terminal would obey or hide.
pub(crate) fn kept_prefix(key: &Key) -> String {
    const SHOWN: usize = 40;
    let encoded: Vec<_> = encoded_segments(key.as_str()).collect();
    let shown: String = encoded.join("%2F").chars().take(SHOWN).collect();
    shown + "."
}
