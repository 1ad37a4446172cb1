//! Reading the journal in order, up to the head and never beyond.

use std::sync::Arc;

use memchr::memchr;

use super::scan::{Expected, continues, damaged, events_continue};
use super::segment::Segments;
use crate::crc::Crc;
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Open};
use crate::head::Head;
use crate::names::Names;
use crate::position::Position;
use crate::record::Record;
use crate::record::events::EventLine;
use crate::record::sight::{NoEvents, Sight, UpTo};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Reads one commit after the other. Everything up to the head had been durable, so whatever cannot be
/// read there is damage.
#[derive(Debug)]
pub struct Reader {
    fs: Arc<dyn Fs>,
    names: Names,
    /// The commit that is wanted next.
    next: u64,
    open: Option<OpenSegment>,
}

/// A line that was looked at before it was there.
#[derive(Clone, Copy, Debug)]
pub struct LookedAhead {
    /// Without the newline.
    len: usize,
    crc: Crc,
}

/// The segment that is being read.
#[derive(Debug)]
struct OpenSegment {
    first: u64,
    file: Arc<dyn File>,
    /// What the line at `at` must be.
    expected: Expected,
    /// Bytes of the file, from `start` on; so many are at hand.
    buffer: Vec<u8>,
    filled: usize,
    start: u64,
    /// Where in `buffer` the next line begins.
    at: usize,
    /// The first commit of the next segment, where that is known to be there.
    boundary: Option<u64>,
}

impl Reader {
    /// A reader whose first commit will be `next`.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, names: Names, next: u64) -> Self {
        Self { fs, names, next: next.max(1), open: None }
    }

    /// The commit that comes next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Takes what stands in front of a head, durably, where that is what would be read next; whether it was.
    pub fn take_in(&mut self, head: &Head, lines: &[u8]) -> bool {
        let from = head.offset.checked_sub(lines.len() as u64);
        if let Some(open) = &mut self.open
            && open.first == head.segment
            && from == Some(open.start + open.filled as u64)
        {
            open.take_in(lines);
            return true;
        }
        false
    }

    /// What `look` sees of the next commit in the first of these lines, which are on their way to the journal; `None`
    /// where it is another, or cannot be read. Nothing is passed.
    pub fn look_ahead<R>(
        &self,
        lines: &[u8],
        sight: &impl Sight,
        look: impl FnOnce(&EventLine<'_>) -> Result<R, String>,
    ) -> Option<(R, LookedAhead)> {
        // What stands before the next commit may be to be passed yet.
        let open = self.open.as_ref().filter(|open| open.expected.seq == self.next)?;
        let line = &lines[..memchr(b'\n', lines)?];
        let events = events_continue(line, open.expected, sight).ok()?;
        Some((look(&events).ok()?, LookedAhead { len: line.len(), crc: events.crc }))
    }

    /// Passes the next commit, which was looked at ahead. Its lines were taken in, and nothing else since the look.
    pub fn pass(&mut self, LookedAhead { len, crc }: LookedAhead) {
        if let Some(open) = &mut self.open {
            open.move_past(len, crc);
            self.next += 1;
        }
    }

    /// The next commit, or `None` when it is beyond the head.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a line cannot be read, [`Error::Compacted`] when it is no longer kept.
    pub fn read(&mut self, head: &Head) -> Result<Option<Record<'_>>> {
        let Some(len) = self.fetch(head)? else { return Ok(None) };
        let Some(open) = &mut self.open else { return Ok(None) };
        let text = &open.buffer[open.at..open.at + len];
        let record =
            continues(text, open.expected).map_err(|what| open.corrupt(&self.names, &what))?;
        // Not by `pass`, which would borrow the buffer that the record lies in.
        open.expected = Expected { seq: record.seq + 1, prev: Some(record.crc) };
        open.at += len + 1;
        self.next += 1;
        Ok(Some(record))
    }

    /// What `look` sees of the next commit, as far as `sight` goes, or `None` when that is beyond the head. Where `look`
    /// says what is wrong with it, the line is as damaged as one that cannot be read.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn look<R>(
        &mut self,
        head: &Head,
        sight: &impl Sight,
        look: impl FnOnce(&EventLine<'_>) -> Result<R, String>,
    ) -> Result<Option<R>> {
        let Some(len) = self.fetch(head)? else { return Ok(None) };
        let Some(open) = &mut self.open else { return Ok(None) };
        let seen = open.pass(&self.names, len, sight, look)?;
        self.next += 1;
        Ok(Some(seen))
    }

    /// Goes to the line of the next commit and brings it to hand; its length.
    fn fetch(&mut self, head: &Head) -> Result<Option<usize>> {
        if self.next > head.seq {
            return Ok(None);
        }
        if self.open.is_none() {
            self.open = Some(self.enter(head)?);
        }
        loop {
            let Some(open) = &mut self.open else { return Ok(None) };
            if open.is_done(&*self.fs, &self.names, head)? {
                let expected = open.expected;
                self.open = Some(self.enter_at(expected.seq, expected)?);
                continue;
            }
            let len = open.fetch_line(&self.names, head)?;
            if open.expected.seq == self.next {
                return Ok(Some(len));
            }
            open.pass(&self.names, len, &NoEvents(UpTo::Events), |_| Ok(()))?;
        }
    }

    fn enter(&self, head: &Head) -> Result<OpenSegment> {
        let segments = Segments::list(&*self.fs, &self.names)?;
        let Some(first) = segments.holding(self.next) else {
            return Err(Error::Compacted {
                asked: Position::end_of(self.next - 1),
                oldest: Position::end_of(segments.oldest().unwrap_or(head.seq + 1) - 1),
            });
        };
        let prev = (first == 1).then_some(Crc::NONE);
        self.enter_at(first, Expected { seq: first, prev })
    }

    fn enter_at(&self, first: u64, expected: Expected) -> Result<OpenSegment> {
        let path = self.names.segment(first);
        let opened = fs::none_if_missing(self.fs.open(&path, Open::Read)).context("open", &path)?;
        let Some(file) = opened else {
            // Listed a moment ago: retention has taken it since.
            let segments = Segments::list(&*self.fs, &self.names)?;
            return Err(Error::Compacted {
                asked: Position::end_of(self.next - 1),
                oldest: Position::end_of(segments.oldest().unwrap_or(self.next) - 1),
            });
        };
        Ok(OpenSegment {
            first,
            file,
            expected,
            buffer: Vec::new(),
            filled: 0,
            start: 0,
            at: 0,
            boundary: None,
        })
    }
}

impl OpenSegment {
    /// Whether the next line lives in the next segment, because that is named by it.
    fn is_done(&mut self, fs: &dyn Fs, names: &Names, head: &Head) -> Result<bool> {
        // Segments up to the head's were there before the head was written: one look is enough.
        if self.boundary.is_none() && head.segment > self.first {
            let segments = Segments::list(fs, names)?;
            // They are dropped oldest first. Where this one is gone by now, the one that was after it may be
            // gone too, and another would be taken for it, unless that is named by the line itself.
            let path = names.segment(self.first);
            if fs::stat_if_there(fs, &path).context("look for", &path)?.is_none()
                && !segments.firsts().contains(&self.expected.seq)
            {
                return Err(Error::Compacted {
                    asked: Position::end_of(self.expected.seq - 1),
                    oldest: Position::end_of(segments.oldest().unwrap_or(head.seq + 1) - 1),
                });
            }
            self.boundary = segments.after(self.first);
        }
        Ok(self.boundary == Some(self.expected.seq))
    }

    fn corrupt(&self, names: &Names, what: &str) -> Error {
        Error::Corrupt {
            path: names.segment(self.first),
            offset: self.start + self.at as u64,
            seq: Some(self.expected.seq),
            what: damaged(what),
        }
    }

    /// Checks the next line, which has `len` bytes, looks at it, and moves past it.
    fn pass<R>(
        &mut self,
        names: &Names,
        len: usize,
        sight: &impl Sight,
        look: impl FnOnce(&EventLine<'_>) -> Result<R, String>,
    ) -> Result<R> {
        let checked = events_continue(&self.buffer[self.at..self.at + len], self.expected, sight)
            .and_then(|events| Ok((look(&events)?, events.crc)));
        let (seen, crc) = checked.map_err(|what| self.corrupt(names, &what))?;
        self.move_past(len, crc);
        Ok(seen)
    }

    /// Moves past the next line, which has `len` bytes and this checksum.
    fn move_past(&mut self, len: usize, crc: Crc) {
        self.expected = Expected { seq: self.expected.seq + 1, prev: Some(crc) };
        self.at += len + 1;
    }

    /// Makes sure that the whole next line is in the buffer; its length without the newline.
    fn fetch_line(&mut self, names: &Names, head: &Head) -> Result<usize> {
        let limit = if self.first == head.segment { head.offset } else { u64::MAX };
        let mut looked_at = 0;
        loop {
            let rest = self.buffer.get(self.at + looked_at..self.filled).unwrap_or_default();
            let len = looked_at + memchr(b'\n', rest).unwrap_or(rest.len());
            if self.at + len < self.filled {
                return Ok(len);
            }
            looked_at = len;
            if !self.fill(limit).context("read", &names.segment(self.first))? {
                return Ok(len);
            }
        }
    }

    /// Takes what follows in the file from somebody who has it.
    fn take_in(&mut self, bytes: &[u8]) {
        self.let_go();
        self.buffer.truncate(self.filled);
        self.buffer.extend_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Lets go of what was read.
    fn let_go(&mut self) {
        // The newline of the last line may not be there: then the next one begins past the end.
        let used = self.at.min(self.filled);
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        self.start += self.at as u64;
        self.at = 0;
    }

    /// Reads on, as far as `limit`; whether there was anything more.
    fn fill(&mut self, limit: u64) -> std::io::Result<bool> {
        self.let_go();
        let from = self.start + self.filled as u64;
        let wanted = limit.saturating_sub(from).min(CHUNK_BYTES.max(self.filled) as u64);
        // `wanted` is at most the larger of a chunk and what is in memory already.
        let end = self.filled + usize::try_from(wanted).unwrap_or(CHUNK_BYTES);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let filled = fs::read_full(&*self.file, &mut self.buffer[self.filled..end], from)?;
        self.filled += filled;
        Ok(filled > 0)
    }
}
