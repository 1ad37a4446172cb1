//! Segments: the files of the journal, and places in them.

use std::io;

use crate::error::{Context, Result};
use crate::fs::{self, File, Fs, Open};
use crate::head::Head;
use crate::names::{self, Names};
use crate::record;

/// So much is read to see whether anything but fill stands at a place.
const PEEK_BYTES: usize = 512;

/// A byte of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment, by its first commit.
    pub segment: u64,
    /// Bytes from the segment's beginning.
    pub offset: u64,
}

impl Place {
    /// Where the line after `head` stands, or will stand: at the beginning of the segment named by it
    /// if there is one (that name revokes whatever the segment before holds from there on), else behind
    /// the head.
    ///
    /// # Errors
    /// What the disk says.
    pub fn after(fs: &dyn Fs, names: &Names, head: &Head) -> Result<Self> {
        let next = head.seq + 1;
        let path = names.segment(next);
        let begun = fs::none_if_missing(fs.file_id(&path)).context("look for", &path)?.is_some();
        Ok(if begun {
            Self { segment: next, offset: 0 }
        } else {
            Self { segment: head.segment, offset: head.offset }
        })
    }

    /// Whether anything but fill stands here. A kill cuts a write from its beginning on, so the first bytes
    /// tell; after a power cut all that follows must be read.
    ///
    /// # Errors
    /// What the disk says.
    pub fn has_lines(self, fs: &dyn Fs, names: &Names) -> Result<bool> {
        let path = names.segment(self.segment);
        let opened = fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)?;
        let Some(file) = opened else { return Ok(false) };
        has_lines_at(&*file, self.offset).context("read", &path)
    }
}

/// Whether anything but fill stands at an offset of a segment, as far as the first bytes tell.
///
/// # Errors
/// What the disk says.
pub fn has_lines_at(file: &dyn File, offset: u64) -> io::Result<bool> {
    let mut bytes = [0; PEEK_BYTES];
    let filled = fs::read_full(file, &mut bytes, offset)?;
    Ok(!record::is_fill(&bytes[..filled]))
}

/// The names of all segments, in order.
#[derive(Clone, Debug)]
pub struct Segments(Vec<u64>);

impl Segments {
    /// Lists the segments that are there.
    ///
    /// # Errors
    /// What the disk says.
    pub fn list(fs: &dyn Fs, names: &Names) -> Result<Self> {
        let folder = names.journal();
        let entries = fs.read_dir(&folder).context("list", &folder)?;
        let mut firsts: Vec<u64> =
            entries.iter().filter_map(|entry| names::parse_segment(&entry.name)).collect();
        firsts.sort_unstable();
        Ok(Self(firsts))
    }

    /// The first commit that the journal still holds, or will hold.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.0.first().copied()
    }

    /// The active segment.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.0.last().copied()
    }

    /// The segment that commit `seq` lives in.
    #[must_use]
    pub fn holding(&self, seq: u64) -> Option<u64> {
        self.0.iter().rev().find(|first| **first <= seq).copied()
    }

    /// The segment after `first`: what the one named `first` holds from there on is void.
    #[must_use]
    pub fn after(&self, first: u64) -> Option<u64> {
        self.0.iter().find(|other| **other > first).copied()
    }

    /// The segment before the one named `first`.
    #[must_use]
    pub fn before(&self, first: u64) -> Option<u64> {
        self.0.iter().rev().find(|other| **other < first).copied()
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn firsts(&self) -> &[u64] {
        &self.0
    }
}
