//! Names of snapshots, in `cursors/`: there every name is durable before anything depends on it.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::{Names, SEGMENT_DIGITS};

const SNAPSHOT_END: &str = ".jsonl";
const NUMBER_DIGITS: usize = 16;

/// What the name of a snapshot begins with that is being taken; as of all half-made files.
pub(crate) const SNAPSHOT_DRAFT: &str = ".new-snapshot-";

impl Names {
    /// The snapshot of this number, of the documents as they were at the end of commit `seq`.
    pub(crate) fn snapshot(&self, seq: u64, number: u64) -> PathBuf {
        self.cursors().join(snapshot_stem(seq, number) + SNAPSHOT_END)
    }
}

/// Its name without the ending, by which cursors know it.
pub(crate) fn snapshot_stem(seq: u64, number: u64) -> String {
    format!("{seq:0SEGMENT_DIGITS$}-{number:0NUMBER_DIGITS$x}")
}

/// The commit and the number of which this is the name without the ending; `None` for anything else.
pub(crate) fn parse_snapshot_stem(stem: &str) -> Option<(u64, u64)> {
    let (seq, number) = stem.split_once('-')?;
    let found = (seq.parse().ok()?, u64::from_str_radix(number, 16).ok()?);
    (snapshot_stem(found.0, found.1) == stem).then_some(found)
}

/// The commit and the number of the snapshot that has this name in `cursors/`; `None` for anything else.
pub(crate) fn parse_snapshot(name: &OsStr) -> Option<(u64, u64)> {
    parse_snapshot_stem(name.to_str()?.strip_suffix(SNAPSHOT_END)?)
}
