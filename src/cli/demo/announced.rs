//! An event as its parts: what the day says, what the journal holds and what was delivered are compared in this form.

use std::collections::BTreeMap;

use docbox::{Position, RecordedEvent};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Events by their positions.
pub type Announcements = BTreeMap<Position, Announced>;

/// One event, with its data as the text that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    pub id: String,
    pub kind: String,
    pub subject: Option<String>,
    pub data: Option<String>,
}

impl From<&RecordedEvent> for Announced {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            id: event.id(),
            kind: event.kind().to_owned(),
            subject: event.about().map(str::to_owned),
            data: event.data_json().map(str::to_owned),
        }
    }
}

/// An event as `docbox subscribe` printed it.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub position: Position,
    pub time: Timestamp,
    pub announced: Announced,
}

#[derive(Deserialize)]
struct CloudEvent {
    id: String,
    sequence: String,
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    time: String,
    data: Option<Box<RawValue>>,
}

impl Delivered {
    /// Reads one line of `docbox subscribe --json`; `None` for anything else.
    pub fn read(line: &str) -> Option<Self> {
        let event: CloudEvent = serde_json::from_str(line).ok()?;
        Some(Self {
            position: event.sequence.parse().ok()?,
            time: event.time.parse().ok()?,
            announced: Announced {
                id: event.id,
                kind: event.kind,
                subject: event.subject,
                data: event.data.map(|data| data.get().to_owned()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivered_line_is_read_with_its_data_as_it_was_written() {
        let line = r#"{"specversion":"1.0","id":"1-42-0","source":"urn:docbox:x","type":"A","subject":"agents/a","time":"2026-11-23T08:10:00.123456Z","datacontenttype":"application/json","data":{"n":1.50},"sequence":"0000000000000042-00000","attempt":1}"#;
        let delivered = Delivered::read(line).unwrap();
        assert_eq!(delivered.position, Position::new(42, 0));
        assert_eq!(delivered.time.to_string(), "2026-11-23T08:10:00.123456Z");
        let data = Some(r#"{"n":1.50}"#.to_owned());
        let (id, kind, subject) =
            ("1-42-0".to_owned(), "A".to_owned(), Some("agents/a".to_owned()));
        assert_eq!(delivered.announced, Announced { id, kind, subject, data });
    }

    #[test]
    fn a_line_cut_short_is_no_delivery() {
        assert!(Delivered::read(r#"{"id":"1-42-0","sequence":"0000"#).is_none());
    }
}
