//! Reading the journal to where it stops, and saying what stands there.
//!
//! This is how recovery and roll forward read: they do not know how far the journal goes. (Delivery
//! knows, and reads with [`Reader`](super::Reader).)

use std::path::Path;

use jiff::Timestamp;
use memchr::memchr2;

use super::segment::{Place, Segments};
use crate::crc::Crc;
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Open};
use crate::names::Names;
use crate::record::events::{EventLine, decode_events};
use crate::record::sight::Sight;
use crate::record::{self, Record};

/// What the next line must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Its place in the sequence.
    pub seq: u64,
    /// The checksum that it names as its predecessor's; `None` where that line is not at hand.
    pub prev: Option<Crc>,
}

/// A valid line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins.
    pub place: Place,
    /// Its length, newline included.
    pub len: u64,
    /// Its place in the sequence.
    pub seq: u64,
    /// Its checksum.
    pub crc: Crc,
    /// Its time.
    pub time: Timestamp,
}

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing but fill from here to the end of the journal.
    Blank,
    /// Something stands here that is not the line expected.
    Unreadable {
        /// What is wrong with it.
        what: String,
        /// A later line, or a later segment, proves that the line expected had been durable.
        had_been_durable: bool,
    },
}

/// Where a scan stopped.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The last valid line, if there was any.
    pub last: Option<Line>,
    /// Where the next line would begin.
    pub end: Place,
    /// What the next line must be.
    pub expected: Expected,
    /// What stands there instead.
    pub stop: Stop,
}

/// Reads from `start` on, through all later segments, and hands each valid line to `visit`.
///
/// # Errors
/// What the disk or `visit` says. Damage is no error here: see [`Scan::stop`].
pub fn scan(
    fs: &dyn Fs,
    names: &Names,
    start: Place,
    mut expected: Expected,
    visit: &mut dyn FnMut(&Record<'_>, Line) -> Result<()>,
) -> Result<Scan> {
    let segments = Segments::list(fs, names)?;
    let mut last = None;
    let mut place = start;
    loop {
        let boundary = segments.after(place.segment);
        let path = names.segment(place.segment);
        let bytes = match fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)? {
            Some(file) => read_from(&*file, place.offset, u64::MAX).context("read", &path)?,
            None => Vec::new(),
        };
        let mut at = 0;
        let unreadable = loop {
            if Some(expected.seq) == boundary {
                break None;
            }
            let text = line_at(&bytes[at..]);
            match continues(text, expected) {
                Ok(record) => {
                    let len = (text.len() + 1) as u64;
                    let line =
                        Line { place, len, seq: record.seq, crc: record.crc, time: record.time };
                    visit(&record, line)?;
                    expected = Expected { seq: record.seq + 1, prev: Some(record.crc) };
                    last = Some(line);
                    place.offset += len;
                    at = bytes.len().min(at + text.len() + 1);
                }
                Err(what) => break Some(what),
            }
        };
        match (unreadable, boundary) {
            (None, Some(next)) => place = Place { segment: next, offset: 0 },
            (None, None) => unreachable!("only a boundary ends a segment without a reason"),
            (Some(what), boundary) => {
                let stop = if boundary.is_some() {
                    Stop::Unreadable { what, had_been_durable: true }
                } else {
                    judge(&bytes[at..], expected.seq, what)
                };
                return Ok(Scan { last, end: place, expected, stop });
            }
        }
    }
}

/// The one line at a place, which must be there.
///
/// # Errors
/// [`Error::Corrupt`] when it is not what `expected` says.
pub fn read_line(
    fs: &dyn Fs,
    path: &Path,
    place: Place,
    len: u64,
    expected: Expected,
) -> Result<Crc> {
    let file = fs.open(path, Open::Read).context("open", path)?;
    let bytes = read_from(&*file, place.offset, len).context("read", path)?;
    continues(line_at(&bytes), expected).map(|record| record.crc).map_err(|what| Error::Corrupt {
        path: path.to_owned(),
        offset: place.offset,
        seq: Some(expected.seq),
        what: damaged(&what),
    })
}

/// What to say of a line that had been durable.
#[must_use]
pub fn damaged(what: &str) -> String {
    format!(
        "{what}; this commit had been durable, so nothing from it on is served or written over; \
         restore the file from a backup, or keep a copy of the store and look at it with `docbox verify`; \
         if this is a copy that was made while the store was in use, make it again"
    )
}

/// The record of a line, if it is the one expected.
pub(super) fn continues(text: &[u8], expected: Expected) -> Result<Record<'_>, String> {
    let record = record::decode(text)?;
    expected.check(record.seq, record.prev, record.batch)?;
    Ok(record)
}

/// The events of a line, and its writes if wanted, if it is the one expected.
pub(super) fn events_continue<'a, S: Sight>(
    text: &'a [u8],
    expected: Expected,
    sight: &S,
) -> Result<EventLine<'a>, String> {
    let events = decode_events(text, sight)?;
    expected.check(events.seq, events.prev, events.batch)?;
    Ok(events)
}

impl Expected {
    fn check(self, seq: u64, prev: Crc, batch: u64) -> Result<(), String> {
        if seq != self.seq {
            return Err(format!("it is the line of commit {seq}, not of {}", self.seq));
        }
        if self.prev.is_some_and(|expected| expected != prev) {
            return Err("it does not continue the line before".into());
        }
        if batch > seq {
            return Err("its batch begins after it".into());
        }
        Ok(())
    }
}

/// The bytes up to the next line end. A NUL counts as one: fill whose bytes were lost reads as NULs.
pub(super) fn line_at(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr2(b'\n', 0, bytes).unwrap_or(bytes.len())]
}

fn judge(rest: &[u8], seq: u64, what: String) -> Stop {
    if record::is_fill(rest) {
        return Stop::Blank;
    }
    // A batch is written only after the one before it was synced: a later line of a later batch proves
    // that this one had been durable.
    let had_been_durable = rest
        .split(|byte| record::is_blank(*byte))
        .filter_map(|text| record::decode(text).ok())
        .any(|record| record.batch > seq && record.seq >= record.batch);
    Stop::Unreadable { what, had_been_durable }
}

/// At most `most` bytes; a number in a register makes no buffer larger than the file.
fn read_from(file: &dyn File, offset: u64, most: u64) -> std::io::Result<Vec<u8>> {
    let len = file.stat()?.len.saturating_sub(offset).min(most);
    let mut bytes = vec![0; usize::try_from(len).map_err(std::io::Error::other)?];
    let filled = fs::read_full(file, &mut bytes, offset)?;
    bytes.truncate(filled);
    Ok(bytes)
}
