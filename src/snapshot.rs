//! Snapshots: every document as it was at the end of one commit, in a file of JSON lines in the order of keys.
//!
//! A file is made as a whole and never changes. Each line is checked, and knows which it is; the last one says
//! how many there are, so that a file that was cut is noticed.

pub mod lines;
pub mod reader;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::crc::{self, Crc};
use crate::event::{Event, RecordedEvent, SNAPSHOT};
use crate::json::Json;
use crate::names;
use crate::number::bounded;
use crate::position::Position;
use crate::record::microseconds;
use crate::revision::Revision;

/// Which snapshot: the commit at whose end it was taken, and a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotId {
    /// The commit.
    pub seq: u64,
    /// Told from all others of that commit by it.
    pub number: u64,
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names::snapshot_stem(self.seq, self.number))
    }
}

impl FromStr for SnapshotId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = names::parse_snapshot_stem(text).filter(|(seq, _)| *seq <= crate::number::LAST);
        let (seq, number) = found.ok_or_else(|| format!("`{text}` is no snapshot's name"))?;
        Ok(Self { seq, number })
    }
}

impl Serialize for SnapshotId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SnapshotId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A document of a snapshot: one line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Item<'a> {
    /// The checksum of this line.
    #[serde(default)]
    pub crc: Crc,
    /// Which it is, from 0.
    #[serde(rename = "item")]
    pub number: u32,
    /// The document's key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// Its revision.
    pub rev: Revision,
    /// Its value, compact.
    #[serde(borrow)]
    pub doc: &'a RawValue,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
pub struct End<'a> {
    /// The checksum of this line.
    #[serde(default)]
    pub crc: Crc,
    /// How many items there are.
    pub items: u32,
    /// The commit at whose end the documents were so.
    #[serde(deserialize_with = "bounded")]
    pub seq: u64,
    /// When that was seen.
    #[serde(with = "microseconds")]
    pub time: Timestamp,
    /// Whose documents they are.
    #[serde(borrow)]
    pub store: Cow<'a, str>,
    /// In which of its lives.
    pub epoch: u32,
}

/// Appends a line and its newline.
pub fn encode<T: Serialize>(line: &T, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    if let Err(error) = serde_json::to_writer(&mut *buffer, line) {
        // Writing to memory does not fail, and every field is a JSON value.
        unreachable!("a line of a snapshot is always JSON: {error}");
    }
    crc::seal(&mut buffer[start..]);
    buffer.push(b'\n');
}

/// Reads a line back, newline excluded.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
    check(line)?;
    serde_json::from_slice(line)
        .map_err(|error| format!("the line is not what it must be: {error}"))
}

/// Whether a line is what was written.
///
/// # Errors
/// That it is not, in words.
pub fn check(line: &[u8]) -> Result<(), String> {
    let damaged = || "the line is cut or its checksum does not match".to_owned();
    crc::check(line).map(drop).ok_or_else(damaged)
}

impl Item<'_> {
    /// The event that hands it over.
    ///
    /// # Errors
    /// That it is no JSON, in words.
    pub fn event(&self, end: &End<'_>) -> Result<RecordedEvent, String> {
        let data = format!(r#"{{"revision":"{}","document":{}}}"#, self.rev, self.doc.get());
        let data = Json::recorded(data.as_bytes()).map_err(|error| error.to_string())?;
        Ok(RecordedEvent {
            event: Event {
                kind: SNAPSHOT.to_owned(),
                subject: Some(self.key.to_string()),
                data: Some(data),
                meta: None,
            },
            position: Position::of_item(end.seq, self.number),
            epoch: end.epoch,
            time: end.time,
            commit_meta: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Vec<u8> {
        let doc: &RawValue = serde_json::from_str(text).unwrap();
        let (crc, key, rev) = (Crc::NONE, Cow::Borrowed("a/\u{e9}\""), Revision::of(b"{}\n"));
        let mut line = Vec::new();
        encode(&Item { crc, number: 7, key, rev, doc }, &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    fn end() -> End<'static> {
        let time = "2026-11-23T08:10:00.123456Z".parse().unwrap();
        End { crc: Crc::NONE, items: 8, seq: 42, time, store: "s".into(), epoch: 3 }
    }

    #[test]
    fn a_line_reads_back_as_it_was_written_and_becomes_an_event() {
        let line = item(r#"{"n":1.0,"n":[]}"#);
        let read: Item<'_> = decode(&line).unwrap();
        let event = read.event(&end()).unwrap();
        assert_eq!((event.id().as_str(), event.kind()), ("3-42-s7", "docbox.snapshot"));
        assert_eq!(event.about(), Some("a/\u{e9}\""));
        let data = r#"{"revision":"ca3d163bab055381","document":{"n":1.0,"n":[]}}"#;
        assert_eq!(event.data_json(), Some(data), "token by token");
    }

    #[test]
    fn a_line_of_which_any_byte_differs_or_is_missing_is_refused() {
        let line = item("[1]");
        for at in 0..line.len() {
            let mut other = line.clone();
            other[at] ^= 1;
            assert!(decode::<Item<'_>>(&other).is_err(), "byte {at}");
            assert!(decode::<Item<'_>>(&line[..at]).is_err(), "cut at {at}");
        }
        let mut last = Vec::new();
        encode(&end(), &mut last);
        assert!(decode::<Item<'_>>(&last[..last.len() - 1]).is_err(), "the end is no item");
        assert!(decode::<End<'_>>(&line).is_err(), "an item is no end");
    }

    #[test]
    fn the_worked_example_of_the_format_is_what_is_written() {
        let docs = include_str!("../docs/format.md");
        let example = docs.split("\n## Snapshots\n").nth(1).unwrap().split("```").nth(1).unwrap();
        let [item, end] = example.trim().lines().collect::<Vec<_>>()[..] else {
            panic!("two lines")
        };
        let (read, last): (Item<'_>, End<'_>) =
            (decode(item.as_bytes()).unwrap(), decode(end.as_bytes()).unwrap());
        let mut written = Vec::new();
        encode(&read, &mut written);
        encode(&last, &mut written);
        // What was read has its checksum already, over which the new one is put.
        assert_eq!(String::from_utf8(written).unwrap().trim(), example.trim());
    }

    #[test]
    fn its_name_reads_back_and_no_other_text_is_one() {
        let id = SnapshotId { seq: 42, number: 0x9f };
        assert_eq!(id.to_string(), "0000000000000042-000000000000009f");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "42-9f", "0000000000000042-000000000000009F", "0000000000000042-", "ui"] {
            assert!(text.parse::<SnapshotId>().is_err(), "{text:?}");
        }
    }
}
