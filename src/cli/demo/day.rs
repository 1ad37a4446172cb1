//! The recorded day: its lines, and what a store must hold once it has lived through them.

use std::collections::BTreeMap;

use docbox::{Key, Position, Result, layout};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::announced::{Announced, Announcements};

const RECORDED: &str = include_str!("../../../fixtures/tavern/day.jsonl");

/// The day, replayed in memory.
pub struct Day {
    /// Each is one transaction, and becomes the commit whose seq is its number.
    pub lines: Vec<&'static str>,
    /// Whether a line came in the same second as the line before it.
    at_once: Vec<bool>,
    pub events: Announcements,
    /// The bytes of each document's file at the end of the day.
    pub documents: BTreeMap<Key, Vec<u8>>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    writes: Vec<Write>,
    #[serde(default)]
    events: Vec<Emitted>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Write {
    key: String,
    doc: Option<Box<RawValue>>,
    #[serde(default)]
    delete: bool,
}

#[derive(Deserialize)]
struct Emitted {
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Meta {
    at: String,
}

impl Day {
    /// The day that is built into the program.
    pub fn recorded() -> Result<Self> {
        Self::read(RECORDED)
    }

    fn read(text: &'static str) -> Result<Self> {
        let mut day = Self {
            lines: text.lines().collect(),
            at_once: Vec::new(),
            events: Announcements::new(),
            documents: BTreeMap::new(),
        };
        let mut before: Option<Timestamp> = None;
        for (index, text) in text.lines().enumerate() {
            let line: Line =
                serde_json::from_str(text).map_err(|error| unreadable(index, &error))?;
            let at = line.meta.at.parse().map_err(|error| unreadable(index, &error))?;
            day.at_once.push(before.replace(at) == Some(at));
            day.live_through(index as u64 + 1, line)?;
        }
        Ok(day)
    }

    fn live_through(&mut self, seq: u64, line: Line) -> Result<()> {
        for write in line.writes {
            let key = Key::new(&write.key)?;
            if write.delete {
                self.documents.remove(&key);
            } else {
                let text = write.doc.as_ref().map_or("null", |doc| doc.get());
                self.documents.insert(key, layout::pretty(&layout::compact(text.as_bytes())?));
            }
        }
        for (idx, event) in (0..).zip(line.events) {
            let data = event.data.map(|data| layout::compact(data.get().as_bytes())).transpose()?;
            // A new store is in its first epoch.
            let id = format!("1-{seq}-{idx}");
            let announced = Announced { id, kind: event.kind, subject: event.subject, data };
            self.events.insert(Position::new(seq, idx), announced);
        }
        Ok(())
    }

    /// How many commits the day makes.
    pub fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    /// The line that becomes commit `seq`; `None` at the end of the day.
    pub fn line(&self, seq: u64) -> Option<&'static str> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.lines.get(index).copied()
    }

    /// Whether that line follows the line before it at once.
    pub fn is_at_once(&self, seq: u64) -> bool {
        let index = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
        self.at_once.get(index).copied().unwrap_or(true)
    }
}

fn unreadable(index: usize, error: &dyn std::fmt::Display) -> docbox::Error {
    docbox::Error::Invalid(format!(
        "line {} of the recorded day cannot be read: {error}",
        index + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = concat!(
        r#"{"writes":[{"key":"a","doc":{"n":1.50}},{"key":"b","doc":[]}],"events":[{"type":"A","subject":"a","data":{"n": 1}}],"meta":{"at":"2026-03-05T07:31:41Z"}}"#,
        "\n",
        r#"{"writes":[{"key":"b","delete":true},{"key":"a","doc":{"n":2}}],"meta":{"at":"2026-03-05T07:31:41Z"}}"#,
        "\n",
        r#"{"events":[{"type":"B"},{"type":"C"}],"meta":{"at":"2026-03-05T07:31:42Z"}}"#,
        "\n",
    );

    #[test]
    fn the_last_version_of_each_document_stays_and_a_deleted_one_is_gone() {
        let day = Day::read(SMALL).unwrap();
        let documents: Vec<_> = day.documents.into_iter().collect();
        assert_eq!(documents, [(Key::new("a").unwrap(), b"{\n  \"n\": 2\n}\n".to_vec())]);
    }

    #[test]
    fn events_stand_at_their_line_and_their_place_in_it() {
        let day = Day::read(SMALL).unwrap();
        let ids: Vec<&str> = day.events.values().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["1-1-0", "1-3-0", "1-3-1"]);
        assert_eq!(day.events[&Position::new(1, 0)].data.as_deref(), Some(r#"{"n":1}"#));
    }

    #[test]
    fn lines_of_the_same_second_come_at_once() {
        let day = Day::read(SMALL).unwrap();
        assert_eq!([1, 2, 3].map(|seq| day.is_at_once(seq)), [false, true, false]);
        assert_eq!((day.line(0), day.line(4)), (None, None));
        assert!(day.line(3).is_some_and(|line| line.contains(r#""C""#)));
    }

    #[test]
    fn the_whole_recorded_day_can_be_read() {
        let day = Day::recorded().unwrap();
        assert_eq!((day.len(), day.events.len()), (1_600, 2_671));
    }
}
