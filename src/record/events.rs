//! The events of a line, read without its documents.
//!
//! Whoever hands events over, or looks for a few among many, has no use for the documents, which are most
//! of a line. Events stand before them, so reading stops there, unless changes of documents are asked for. The checksum has been checked over the
//! whole line by then: what is not looked at is what was written. Values are found by their brackets and
//! parsed only for an event that is wanted.
//!
//! This reads lines as this crate writes them. Every other form that the format allows goes the long way.

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::memchr2;

use super::changes::WriteText;
use super::{EventRecord, Record, WriteRecord, decode, microseconds};
use crate::crc::{self, Crc};
use crate::event::{Event, RecordedEvent};
use crate::json::{Json, JsonText};
use crate::layout;
use crate::number;
use crate::position::Position;
use crate::revision::Revision;

/// How far a line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpTo {
    /// Its events, and no further.
    Events,
    /// Its writes too, for those who want changes of documents.
    Writes,
}

/// What a reader of events sees of a line.
#[derive(Debug)]
pub struct EventLine<'a> {
    /// The checksum of this line.
    pub crc: Crc,
    /// The checksum of the line before.
    pub prev: Crc,
    /// The place of this commit.
    pub seq: u64,
    /// The first commit that was synced together with this one.
    pub batch: u64,
    time: Time<'a>,
    /// The events, in order.
    pub events: Vec<EventText<'a>>,
    /// The writes, in order, where they were read.
    pub writes: Vec<WriteText<'a>>,
    meta: Option<Value<'a>>,
}

/// An event in a line. What is not text is not parsed yet.
#[derive(Debug)]
pub struct EventText<'a> {
    /// Its type.
    pub kind: Cow<'a, str>,
    /// What it is about.
    pub subject: Option<Cow<'a, str>>,
    data: Option<Value<'a>>,
    meta: Option<Value<'a>>,
}

/// When a line was committed.
#[derive(Clone, Copy, Debug)]
enum Time<'a> {
    Known(Timestamp),
    /// It has the form of a time, and is not read yet.
    Text(&'a str),
}

/// The bytes of a value, as far as its brackets say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a>(&'a [u8]);

impl Value<'_> {
    /// The value, which is written as it was scanned when it was committed.
    fn json(self) -> Result<Json, String> {
        Json::recorded(self.0).map_err(|error| format!("the line is no record: {error}"))
    }

    /// Its text, which is not parsed.
    pub(super) fn text(&self) -> Result<&str, String> {
        str::from_utf8(self.0).map_err(|error| format!("the line is no record: {error}"))
    }
}

impl EventLine<'_> {
    /// When it was committed.
    ///
    /// # Errors
    /// That it is no time, in words.
    pub fn time(&self) -> Result<Timestamp, String> {
        match self.time {
            Time::Known(time) => Ok(time),
            Time::Text(text) => {
                microseconds::parse(text).map_err(|error| format!("the line is no record: {error}"))
            }
        }
    }

    /// The event `idx`, with its place and time; behind the events, as far as writes were read, that which tells
    /// of a write. So the place of each is the same whoever reads it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn event(&self, idx: usize, epoch: u32) -> Result<Option<RecordedEvent>, String> {
        let event = match self.events.get(idx) {
            Some(event) => event.event()?,
            None => match self.write(idx) {
                Some(write) => write.event()?,
                None => return Ok(None),
            },
        };
        let Ok(idx) = u32::try_from(idx) else { return Ok(None) };
        Ok(Some(RecordedEvent {
            event,
            position: Position::new(self.seq, idx),
            epoch,
            time: self.time()?,
            commit_meta: json(self.meta)?,
        }))
    }

    /// What the event `idx` is about.
    #[must_use]
    pub fn subject(&self, idx: usize) -> Option<&str> {
        match self.events.get(idx) {
            Some(event) => event.subject.as_deref(),
            None => self.write(idx).map(|write| &*write.key),
        }
    }

    fn write(&self, idx: usize) -> Option<&WriteText<'_>> {
        self.writes.get(idx.checked_sub(self.events.len())?)
    }
}

impl EventText<'_> {
    fn event(&self) -> Result<Event, String> {
        Ok(Event {
            kind: self.kind.to_string(),
            subject: self.subject.as_deref().map(str::to_owned),
            data: json(self.data)?,
            meta: json(self.meta)?,
        })
    }
}

fn json(value: Option<Value<'_>>) -> Result<Option<Json>, String> {
    value.map(Value::json).transpose()
}

/// Reads the events of a line, newline excluded, and its writes if wanted; what is wrong with it otherwise.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn decode_events(line: &[u8], up_to: UpTo) -> Result<EventLine<'_>, String> {
    as_written(line, up_to).map_or_else(|| decode(line).map(|record| of_record(record, up_to)), Ok)
}

/// The same of a line that is sound and has the form in which this crate writes it.
pub(super) fn as_written(line: &[u8], up_to: UpTo) -> Option<EventLine<'_>> {
    let crc = crc::check(line)?;
    Text { line, at: 0 }.line(crc, up_to)
}

/// The same of a record that was read whole.
fn of_record(record: Record<'_>, up_to: UpTo) -> EventLine<'_> {
    fn value(text: Option<JsonText<'_>>) -> Option<Value<'_>> {
        text.map(|text| Value(text.as_str().as_bytes()))
    }
    let events = record.events.into_iter().map(|event| {
        let EventRecord { kind, subject, data, meta } = event;
        EventText { kind, subject, data: value(data), meta: value(meta) }
    });
    let writes = if up_to == UpTo::Writes { record.writes } else { Vec::new() };
    let writes = writes.into_iter().map(|write| {
        let WriteRecord { key, was, rev, doc } = write;
        WriteText { key, was, new: rev.zip(value(doc)) }
    });
    EventLine {
        crc: record.crc,
        prev: record.prev,
        seq: record.seq,
        batch: record.batch,
        time: Time::Known(record.time),
        events: events.collect(),
        writes: writes.collect(),
        meta: value(record.meta),
    }
}

/// A line that is being read. Every step says `None` where the text is not what this crate writes.
struct Text<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    fn line(&mut self, crc: Crc, up_to: UpTo) -> Option<EventLine<'a>> {
        self.skip(crc::PREFIX_BYTES)?;
        self.literal(b"\"prev\":\"")?;
        let prev = Crc::of_digits(self.take(8)?)?;
        self.literal(b"\",\"seq\":")?;
        let seq = self.number()?;
        self.literal(b",\"batch\":")?;
        let batch = self.number()?;
        self.literal(b",\"time\":\"")?;
        let time = self.time()?;
        self.member(b",\"token\":")?;
        self.member(b",\"acks\":")?;
        self.member(b",\"settles\":")?;
        let meta = self.member(b",\"meta\":")?;
        self.literal(b",\"events\":[")?;
        let events = self.list(Self::event)?;
        self.literal(b",\"writes\":[")?;
        let writes = match up_to {
            // Whatever follows them is nobody's events.
            UpTo::Events => Vec::new(),
            UpTo::Writes => self.writes()?,
        };
        Position::check_room(events.len(), writes.len()).ok()?;
        Some(EventLine { crc, prev, seq, batch, time, events, writes, meta })
    }

    /// A time in the form in which it is written, and the quote that ends it.
    fn time(&mut self) -> Option<Time<'a>> {
        let (text, _) = self.line[self.at..].split_first_chunk()?;
        if !microseconds::has_form(text) {
            return None;
        }
        self.skip(text.len())?;
        self.literal(b"\"")?;
        str::from_utf8(text).ok().map(Time::Text)
    }

    /// The writes, up to the end of the line. Not inlined: most readers do not come here.
    #[inline(never)]
    fn writes(&mut self) -> Option<Vec<WriteText<'a>>> {
        let writes = self.list(Self::write)?;
        self.literal(b"}")?;
        (self.at == self.line.len()).then_some(writes)
    }

    /// What stands in a list behind its opening bracket, and the bracket that ends it.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if !self.has(b"]") {
            loop {
                items.push(item(self)?);
                if self.has(b"]") {
                    break;
                }
                self.literal(b",")?;
            }
        }
        Some(items)
    }

    fn write(&mut self) -> Option<WriteText<'a>> {
        self.literal(b"{\"key\":\"")?;
        let key = Cow::Borrowed(self.rest_of_text()?);
        self.literal(b",\"was\":")?;
        let was = self.revision()?;
        self.literal(b",\"rev\":")?;
        let new = match (self.revision()?, self.member(b",\"doc\":")?) {
            (Some(revision), Some(document)) => Some((revision, document)),
            (None, None) => None,
            _ => return None,
        };
        self.literal(b"}")?;
        Some(WriteText { key, was, new })
    }

    /// A revision, or that there is none. The outer `None`: it is not understood.
    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn revision(&mut self) -> Option<Option<Revision>> {
        if self.has(b"null") {
            return Some(None);
        }
        self.literal(b"\"")?;
        self.rest_of_text()?.parse().ok().map(Some)
    }

    fn event(&mut self) -> Option<EventText<'a>> {
        self.literal(b"{\"type\":\"")?;
        let kind = Cow::Borrowed(self.rest_of_text()?);
        let subject = if self.has(b",\"subject\":\"") {
            Some(Cow::Borrowed(self.rest_of_text()?))
        } else {
            None
        };
        let data = self.member(b",\"data\":")?;
        let meta = self.member(b",\"meta\":")?;
        self.literal(b"}")?;
        Some(EventText { kind, subject, data, meta })
    }

    /// A member that may be there. The outer `None`: it is there, and not understood.
    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn member<const N: usize>(&mut self, name: &[u8; N]) -> Option<Option<Value<'a>>> {
        if self.has(name) { self.value().map(Some) } else { Some(None) }
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.line.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }

    // Their length is known when this is compiled, so that no call compares them.
    fn has<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        let has = self.line[self.at..].starts_with(literal);
        if has {
            self.at += literal.len();
        }
        has
    }

    fn literal<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.has(literal).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        let rest = &self.line[self.at..];
        // A number of so many digits is no more than a u64 holds.
        let digits = rest.iter().take(19).take_while(|byte| byte.is_ascii_digit());
        let (count, number) = digits.fold((0, 0), |(count, number), digit| {
            (count + 1, number * 10 + u64::from(digit - b'0'))
        });
        self.at += count;
        // As JSON has it: no zero in front.
        let is_number = count > 0 && (count == 1 || rest[0] != b'0');
        (is_number && number <= number::LAST).then_some(number)
    }

    /// The text up to the quote that ends it, if nothing in it is escaped.
    fn rest_of_text(&mut self) -> Option<&'a str> {
        let rest = &self.line[self.at..];
        let end = memchr2(b'"', b'\\', rest)?;
        if rest[end] != b'"' || rest[..end].iter().any(|byte| *byte < b' ') {
            return None;
        }
        self.at += end + 1;
        str::from_utf8(&rest[..end]).ok()
    }

    /// A value, up to the bracket or quote that ends it, or to what follows a number or a word.
    fn value(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match *self.line.get(self.at)? {
                b'"' => self.at = layout::after_string(self.line, self.at)?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let is_plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.');
                    let plain =
                        self.line[self.at..].iter().take_while(|byte| is_plain(byte)).count();
                    if plain == 0 {
                        return None;
                    }
                    self.at += plain;
                }
            }
            if depth == 0 {
                return Some(Value(&self.line[start..self.at]));
            }
        }
    }
}
