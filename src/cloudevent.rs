//! Events as `CloudEvents` 1.0 has them, in JSON.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::event::RecordedEvent;
use crate::json::Json;

/// An event as `CloudEvents` 1.0 has it, to be serialised. `sequence` and `attempt` are extensions.
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
    /// An event of the store of this id. `attempt` is given with deliveries only.
    #[must_use]
    pub fn new(store: &str, event: &'a RecordedEvent, attempt: Option<u32>) -> Self {
        let data = event.event.data.as_ref().map(Json::raw);
        Self {
            specversion: "1.0",
            id: event.id(),
            source: format!("urn:docbox:{store}"),
            kind: event.kind(),
            // CloudEvents knows no empty subject.
            subject: event.about().filter(|subject| !subject.is_empty()),
            time: format!("{:.6}", event.time()),
            datacontenttype: data.map(|_| "application/json"),
            sequence: event.position().padded(),
            attempt,
            data,
        }
    }
}
