//! The events of a line, read without its documents.
//!
//! Whoever hands events over, or looks for a few among many, has no use for the documents, which are most
//! of a line. Events stand before them, so reading stops there, unless changes of documents are asked for. The checksum has been checked over the
//! whole line by then: what is not looked at is what was written. The values of an event that is wanted are
//! scanned where they stand; of any other, the ends are found by their brackets.
//!
//! This reads lines as this crate writes them. Every other form that the format allows goes the long way.

use std::borrow::Cow;

use super::changes::WriteText;
use super::{EventRecord, Record, WriteRecord, decode, microseconds};
use crate::crc::{self, Crc};
use crate::event::{Event, RecordedEvent};
use crate::json::{Json, JsonText};
use crate::layout;
use crate::number;
use crate::position::Position;
use crate::revision::Revision;
use jiff::Timestamp;

/// How far a line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpTo {
    /// Its events, and no further.
    Events,
    /// Its writes too, for those who want changes of documents.
    Writes,
}

/// What a reader wants to see of lines.
pub trait Sight {
    /// How far they are read.
    fn up_to(&self) -> UpTo;

    /// Whether an event is wanted, by its type and subject.
    fn wants(&self, kind: &str, subject: Option<&str>) -> bool;
}

/// Everything, so far.
impl Sight for UpTo {
    fn up_to(&self) -> UpTo {
        *self
    }

    fn wants(&self, _: &str, _: Option<&str>) -> bool {
        true
    }
}

/// Everything so far but the events: for those who pass lines by, or want their writes alone.
#[derive(Clone, Copy, Debug)]
pub struct NoEvents(pub UpTo);

impl Sight for NoEvents {
    fn up_to(&self) -> UpTo {
        self.0
    }

    fn wants(&self, _: &str, _: Option<&str>) -> bool {
        false
    }
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
    /// How many events there are, wanted or not.
    pub event_count: usize,
    /// The events that are wanted, in order.
    pub events: Vec<EventText<'a>>,
    /// The writes, in order, where they were read.
    pub writes: Vec<WriteText<'a>>,
    meta: Option<Value<'a>>,
}

/// An event in a line. What is not text is not parsed yet.
#[derive(Debug)]
pub struct EventText<'a> {
    /// Its place among the events of the line, from 0.
    pub idx: usize,
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

/// A value in a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Scanned.
    Json(JsonText<'a>),
    /// Its bytes, as far as its brackets say.
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// The value, which is written as it was scanned when it was committed.
    fn json(self) -> Result<Json, String> {
        match self {
            Self::Json(text) => Ok(Json::of_text(text)),
            Self::Bytes(bytes) => Json::recorded(bytes).map_err(no_record),
        }
    }

    /// Its text, which may not be parsed.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Json(text) => Ok(text.as_str()),
            Self::Bytes(bytes) => str::from_utf8(bytes).map_err(no_record),
        }
    }
}

fn no_record(error: impl std::fmt::Display) -> String {
    format!("the line is no record: {error}")
}

impl EventLine<'_> {
    /// When it was committed.
    ///
    /// # Errors
    /// That it is no time, in words.
    pub fn time(&self) -> Result<Timestamp, String> {
        match self.time {
            Time::Known(time) => Ok(time),
            Time::Text(text) => microseconds::parse(text).map_err(no_record),
        }
    }

    /// The event `idx`, if it is wanted, with its place and time; behind the events, as far as writes were read, that
    /// which tells of a write. So the place of each is the same whoever reads it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn event(&self, idx: usize, epoch: u32) -> Result<Option<RecordedEvent>, String> {
        let event = match (self.wanted(idx), self.write(idx)) {
            (Some(event), _) => event.event()?,
            (None, Some(write)) => write.event()?,
            (None, None) => return Ok(None),
        };
        self.recorded(event, idx, epoch).map(Some)
    }

    /// An event that is wanted, with its place and time.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn wanted_event(&self, event: &EventText<'_>, epoch: u32) -> Result<RecordedEvent, String> {
        self.recorded(event.event()?, event.idx, epoch)
    }

    fn recorded(&self, event: Event, idx: usize, epoch: u32) -> Result<RecordedEvent, String> {
        // That there is room for as many was checked.
        let idx = u32::try_from(idx).map_err(no_record)?;
        let (position, time) = (Position::new(self.seq, idx), self.time()?);
        Ok(RecordedEvent { event, position, epoch, time, commit_meta: json(self.meta)? })
    }

    /// What the event `idx` is about, if it is wanted.
    #[must_use]
    pub fn subject(&self, idx: usize) -> Option<&str> {
        match self.wanted(idx) {
            Some(event) => event.subject.as_deref(),
            None => self.write(idx).map(|write| &*write.key),
        }
    }

    fn wanted(&self, idx: usize) -> Option<&EventText<'_>> {
        let at = self.events.binary_search_by_key(&idx, |event| event.idx).ok()?;
        self.events.get(at)
    }

    fn write(&self, idx: usize) -> Option<&WriteText<'_>> {
        self.writes.get(idx.checked_sub(self.event_count)?)
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

/// Reads the wanted events of a line, newline excluded, and its writes if wanted; what is wrong with it otherwise.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn decode_events<'a, S: Sight>(line: &'a [u8], sight: &S) -> Result<EventLine<'a>, String> {
    as_written(line, sight).map_or_else(|| decode(line).map(|record| of_record(record, sight)), Ok)
}

/// The same of a line that is sound and has the form in which this crate writes it.
pub(super) fn as_written<'a, S: Sight>(line: &'a [u8], sight: &S) -> Option<EventLine<'a>> {
    let crc = crc::check(line)?;
    Text { line, at: 0 }.line(crc, sight)
}

/// The same of a record that was read whole.
fn of_record<'a, S: Sight>(record: Record<'a>, sight: &S) -> EventLine<'a> {
    // `serde_json` lets more through than the scan.
    fn value(text: Option<JsonText<'_>>) -> Option<Value<'_>> {
        text.map(|text| Value::Bytes(text.as_str().as_bytes()))
    }
    let event_count = record.events.len();
    let events = record.events.into_iter().enumerate().map(|(idx, event)| {
        let EventRecord { kind, subject, data, meta } = event;
        EventText { idx, kind, subject, data: value(data), meta: value(meta) }
    });
    let events = events.filter(|event| sight.wants(&event.kind, event.subject.as_deref()));
    let up_to = sight.up_to();
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
        event_count,
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
    fn line<S: Sight>(&mut self, crc: Crc, sight: &S) -> Option<EventLine<'a>> {
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
        let mut events = Vec::new();
        let event_count = self.list(|text, idx| {
            events.extend(text.event(idx, sight)?);
            Some(())
        })?;
        self.literal(b",\"writes\":[")?;
        let mut writes = Vec::new();
        if sight.up_to() == UpTo::Writes {
            self.writes(&mut writes)?;
        }
        Position::check_room(event_count, writes.len()).ok()?;
        Some(EventLine { crc, prev, seq, batch, time, event_count, events, writes, meta })
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
    fn writes(&mut self, into: &mut Vec<WriteText<'a>>) -> Option<()> {
        self.list(|text, _| {
            into.push(text.write()?);
            Some(())
        })?;
        self.literal(b"}")?;
        (self.at == self.line.len()).then_some(())
    }

    /// What stands in a list behind its opening bracket, and the bracket that ends it: how many items there are.
    fn list(&mut self, mut item: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<usize> {
        let mut count = 0;
        if !self.has(b"]") {
            loop {
                item(self, count)?;
                count += 1;
                if self.has(b"]") {
                    break;
                }
                self.literal(b",")?;
            }
        }
        Some(count)
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

    /// An event. The outer `None`: it is not understood; the inner one: it is not wanted.
    #[expect(clippy::option_option, reason = "not wanted and not understood are not the same")]
    fn event<S: Sight>(&mut self, idx: usize, sight: &S) -> Option<Option<EventText<'a>>> {
        self.literal(b"{\"type\":\"")?;
        let kind = self.rest_of_text()?;
        let subject = if self.has(b",\"subject\":\"") { Some(self.rest_of_text()?) } else { None };
        let is_wanted = sight.wants(kind, subject);
        let value = if is_wanted { Self::scanned } else { Self::value };
        let data = self.member_by(b",\"data\":", value)?;
        let meta = self.member_by(b",\"meta\":", value)?;
        self.literal(b"}")?;
        let (kind, subject) = (Cow::Borrowed(kind), subject.map(Cow::Borrowed));
        Some(is_wanted.then_some(EventText { idx, kind, subject, data, meta }))
    }

    /// A member that may be there. The outer `None`: it is there, and not understood.
    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn member<const N: usize>(&mut self, name: &[u8; N]) -> Option<Option<Value<'a>>> {
        self.member_by(name, Self::value)
    }

    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn member_by<const N: usize>(
        &mut self,
        name: &[u8; N],
        value: impl Fn(&mut Self) -> Option<Value<'a>>,
    ) -> Option<Option<Value<'a>>> {
        if self.has(name) { value(self).map(Some) } else { Some(None) }
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
        let (text, rest) = self.line[self.at..].split_at(layout::plain(&self.line[self.at..]));
        if !rest.starts_with(b"\"") {
            return None;
        }
        self.at += text.len() + 1;
        str::from_utf8(text).ok()
    }

    /// A value, scanned where it is as it would be written.
    fn scanned(&mut self) -> Option<Value<'a>> {
        let Some(text) = JsonText::first(&self.line[self.at..]) else { return self.value() };
        self.at += text.as_str().len();
        Some(Value::Json(text))
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
                return Some(Value::Bytes(&self.line[start..self.at]));
            }
        }
    }
}
