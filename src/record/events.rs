//! The events of a line, read without its documents.
//!
//! Whoever hands events over, or looks for a few among many, has no use for the documents. A line as this crate writes
//! it is read only as far as that takes (`as_written`); every other form that the format allows goes the long way.

use std::borrow::Cow;

use jiff::Timestamp;

use super::as_written::as_written;
use super::changes::WriteText;
use super::sight::{Sight, UpTo};
use super::{EventRecord, Record, WriteRecord, decode, microseconds};
use crate::crc::Crc;
use crate::event::{Event, RecordedEvent};
use crate::json::{Json, JsonText};
use crate::position::Position;

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
    pub(super) time: Time<'a>,
    /// How many events there are, wanted or not.
    pub event_count: usize,
    /// The events that are wanted, in order.
    pub events: Vec<EventText<'a>>,
    /// The writes, in order, where they were read.
    pub writes: Vec<WriteText<'a>>,
    pub(super) meta: Option<Value<'a>>,
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
    pub(super) data: Option<Value<'a>>,
    pub(super) meta: Option<Value<'a>>,
}

/// When a line was committed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time<'a> {
    Known(Timestamp),
    /// It has the form in which times are written, and is not read yet.
    Written(&'a microseconds::Written),
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
            Time::Written(text) => {
                microseconds::parse(str::from_utf8(text).map_err(no_record)?).map_err(no_record)
            }
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
