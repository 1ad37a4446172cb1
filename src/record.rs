//! Records: commits as lines of the journal, and back.
//!
//! The fields and their order are in docs/format.md. Nothing here does I/O.

mod as_written;
pub mod changes;
mod encode;
pub mod events;
pub mod microseconds;
pub mod sight;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::crc::{self, Crc};
use crate::event::Event;
use crate::json::{Json, JsonText};
use crate::number::bounded;
use crate::position::Position;
use crate::revision::Revision;
use crate::transaction::Write;

/// One line of the journal, without its newline. Borrows from the text it was read from.
#[derive(Debug, Deserialize)]
pub struct Record<'a> {
    /// The checksum of this line.
    #[serde(default)]
    pub crc: Crc,
    /// The checksum of the line before.
    pub prev: Crc,
    /// The place of this commit: 1, 2, 3 …
    #[serde(deserialize_with = "bounded")]
    pub seq: u64,
    /// The first commit that was synced together with this one.
    #[serde(deserialize_with = "bounded")]
    pub batch: u64,
    /// When it was committed.
    #[serde(with = "microseconds")]
    pub time: Timestamp,
    /// The idempotency token.
    #[serde(borrow, default)]
    pub token: Option<Cow<'a, str>>,
    /// Cursors that this commit moves.
    #[serde(default)]
    pub acks: BTreeMap<String, Position>,
    /// Single events that this commit settles, while others before them are not.
    #[serde(default)]
    pub settles: BTreeMap<String, Position>,
    /// What the application sent along.
    #[serde(borrow, default, deserialize_with = "some")]
    pub meta: Option<JsonText<'a>>,
    /// The events, in order. Before the writes, so that a reader of events may stop early.
    #[serde(borrow, default)]
    pub events: Vec<EventRecord<'a>>,
    /// The documents.
    #[serde(borrow, default)]
    pub writes: Vec<WriteRecord<'a>>,
}

/// An event in a line.
#[derive(Debug, Deserialize)]
pub struct EventRecord<'a> {
    /// Its type.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// What it is about.
    #[serde(borrow, default)]
    pub subject: Option<Cow<'a, str>>,
    /// Its data.
    #[serde(borrow, default, deserialize_with = "some")]
    pub data: Option<JsonText<'a>>,
    /// What goes with it.
    #[serde(borrow, default, deserialize_with = "some")]
    pub meta: Option<JsonText<'a>>,
}

/// A document in a line.
#[derive(Debug, Deserialize)]
pub struct WriteRecord<'a> {
    /// The document's key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// The revision that was replaced, as found when the write was validated.
    pub was: Option<Revision>,
    /// The new revision; `None` for a deletion.
    pub rev: Option<Revision>,
    /// The new value, compact; absent for a deletion.
    #[serde(borrow, default, deserialize_with = "some")]
    pub doc: Option<JsonText<'a>>,
}

impl<'a> EventRecord<'a> {
    /// The line's form of an event.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        Self {
            kind: Cow::Borrowed(&event.kind),
            subject: event.subject.as_deref().map(Cow::Borrowed),
            data: event.data.as_ref().map(Json::text),
            meta: event.meta.as_ref().map(Json::text),
        }
    }
}

impl<'a> WriteRecord<'a> {
    /// The line's form of a write that replaced `was`.
    #[must_use]
    pub fn of(write: &'a Write, was: Option<Revision>) -> Self {
        Self {
            key: Cow::Borrowed(write.key.as_str()),
            was,
            rev: write.content.as_ref().map(|content| content.revision),
            doc: write.content.as_ref().map(|content| content.json.text()),
        }
    }
}

/// Reads a line back, newline excluded; what is wrong with it otherwise.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn decode(line: &[u8]) -> Result<Record<'_>, String> {
    if is_fill(line) {
        return Err("nothing stands there".into());
    }
    if crc::check(line).is_none() {
        return Err("the line is cut or its checksum does not match".into());
    }
    let record: Record<'_> =
        serde_json::from_slice(line).map_err(|error| format!("the line is no record: {error}"))?;
    if record.writes.iter().any(|write| write.rev.is_some() != write.doc.is_some()) {
        return Err(
            "a write has a revision without a document, or a document without a revision".into()
        );
    }
    Position::check_room(record.events.len(), record.writes.len())
        .map_err(|what| format!("the line has {what}"))?;
    Ok(record)
}

/// Whether a byte is fill: a newline, or a NUL where a newline was not yet written.
#[must_use]
pub fn is_blank(byte: u8) -> bool {
    byte == b'\n' || byte == 0
}

/// Whether nothing but fill stands in these bytes.
#[must_use]
pub fn is_fill(bytes: &[u8]) -> bool {
    const FILL: [u8; 256] = [b'\n'; 256];
    // A block at a time, as long as it is what is usual.
    let is_blank_block =
        |block: &[u8]| *block == FILL[..block.len()] || block.iter().all(|byte| is_blank(*byte));
    bytes.chunks(FILL.len()).all(is_blank_block)
}

/// A field that may be absent; `null` is a value and not the same.
///
/// # Errors
/// For what is no `T`.
pub fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
