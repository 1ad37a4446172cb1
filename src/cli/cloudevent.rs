//! Events as `CloudEvents` 1.0 in JSON, and as lines for people.

use docbox::{RecordedEvent, Store};
use serde::Serialize;
use serde_json::value::RawValue;

/// How much of an event's data is shown on a terminal, in characters.
const SHOWN_CHARS: usize = 120;

/// An event as `CloudEvents` has it. `attempt` and `sequence` are extensions.
#[derive(Debug, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'static str>,
    sequence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl<'a> CloudEvent<'a> {
    /// `attempt` is given with deliveries only.
    pub fn new(store: &Store, event: &'a RecordedEvent, attempt: Option<u32>) -> Self {
        // The journal holds JSON only, so it parses; token by token it stays what it was.
        let data: Option<&RawValue> =
            event.data_json().and_then(|json| serde_json::from_str(json).ok());
        Self {
            specversion: "1.0",
            id: event.id(),
            source: format!("urn:docbox:{}", store.id()),
            kind: event.kind(),
            // CloudEvents knows no empty subject.
            subject: event.about().filter(|subject| !subject.is_empty()),
            time: time(event),
            datacontenttype: data.map(|_| "application/json"),
            sequence: event.position().padded(),
            attempt,
            data,
        }
    }
}

/// One line for people: position, time, type, subject, and the beginning of the data.
pub fn for_people(event: &RecordedEvent, attempt: Option<u32>) -> String {
    let position = event.position().to_string();
    let subject = event.about().unwrap_or("-");
    let data = event.data_json().unwrap_or("");
    let (data, more) = match data.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => (&data[..at], "…"),
        None => (data, ""),
    };
    let again = match attempt {
        Some(attempt) if attempt > 1 => format!("  (attempt {attempt})"),
        _ => String::new(),
    };
    format!("{position:<9} {} {:<20} {subject:<20} {data}{more}{again}", time(event), event.kind())
}

fn time(event: &RecordedEvent) -> String {
    format!("{:.6}", event.time())
}
