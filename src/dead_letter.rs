//! Dead letters: events that were given up, as files that one can read and edit. No I/O.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::attempts::Failure;
use crate::cloudevent::CloudEvent;
use crate::error::{Error, Result};
use crate::event::{Event, RecordedEvent};
use crate::identity::Identity;
use crate::json::{Json, refused};
use crate::layout::{self, LETTER_LEVELS};
use crate::position::Position;

/// So many attempts are kept in a letter: the last ones.
const MAX_ATTEMPTS: usize = 1000;

/// An event whose attempts are used, or that was rejected: out of the way, and not lost.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub(crate) subscription: String,
    pub(crate) event: RecordedEvent,
    pub(crate) attempts: Vec<Failure>,
    /// When it was asked to be delivered again.
    pub(crate) redrive: Option<Timestamp>,
}

/// A letter as it is written.
#[derive(Serialize)]
struct Written<'a> {
    subscription: &'a str,
    position: Position,
    attempts: &'a [Failure],
    #[serde(skip_serializing_if = "Option::is_none")]
    redrive: Option<String>,
    event: CloudEvent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_meta: Option<&'a RawValue>,
}

/// A letter as it is read, perhaps after somebody edited it.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    subscription: Cow<'a, str>,
    position: Position,
    #[serde(default)]
    attempts: Vec<Failure>,
    #[serde(default)]
    redrive: Option<Time>,
    #[serde(borrow)]
    event: ReadEvent<'a>,
    #[serde(borrow, default)]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    commit_meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadEvent<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    subject: Option<String>,
    time: Time,
    #[serde(borrow, default, deserialize_with = "crate::record::some")]
    data: Option<&'a RawValue>,
}

/// A time as somebody may write it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Time(Timestamp);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is no time; give one as in 2026-11-23T08:10:00Z"))
    }
}

impl DeadLetter {
    /// Whose it is.
    #[must_use]
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The event, as it is to be delivered again.
    #[must_use]
    pub fn event(&self) -> &RecordedEvent {
        &self.event
    }

    /// The attempts that failed, those after each redrive counted anew.
    #[must_use]
    pub fn attempts(&self) -> &[Failure] {
        &self.attempts
    }

    /// Whether it is to be delivered again, before newer events.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        self.redrive.is_some()
    }

    /// Adds attempts; the oldest go when there are too many.
    pub(crate) fn add(&mut self, attempts: Vec<Failure>) {
        self.attempts.extend(attempts);
        let more = self.attempts.len().saturating_sub(MAX_ATTEMPTS);
        self.attempts.drain(..more);
    }

    /// The letter as JSON, in one line: `{"subscription":…,"position":…,"attempts":[…],"event":{…}}`, the
    /// event as `CloudEvents` has it.
    ///
    /// # Errors
    /// None that is expected: a letter is JSON.
    pub fn json(&self, store: &str) -> Result<String> {
        Ok(self.to_json(store)?.as_str().to_owned())
    }

    pub(crate) fn to_json(&self, store: &str) -> Result<Json> {
        let event = &self.event;
        let written = Written {
            subscription: &self.subscription,
            position: event.position,
            attempts: &self.attempts,
            redrive: self.redrive.map(|time| format!("{time:.6}")),
            event: CloudEvent::new(store, event, None),
            meta: event.event.meta.as_ref().map(Json::raw),
            commit_meta: event.commit_meta.as_ref().map(Json::raw),
        };
        Json::of_within(&written, LETTER_LEVELS)
    }

    /// Reads the letter of a subscription at a position.
    ///
    /// # Errors
    /// [`Error::Json`] with line and column, for what is no JSON or no letter; [`Error::Invalid`] for another
    /// letter than this.
    pub(crate) fn parse(
        text: &[u8],
        subscription: &str,
        position: Position,
        identity: &Identity,
    ) -> Result<Self> {
        // Bounds its levels, too.
        layout::compact_within(text, LETTER_LEVELS)?;
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        deserializer.disable_recursion_limit();
        let read = Read::deserialize(&mut deserializer).map_err(|error| refused(&error))?;
        if read.subscription != subscription || read.position != position {
            return Err(Error::Invalid(format!(
                "it says that it is the letter of `{}` at {}: put `{subscription}` and {position} back",
                read.subscription, read.position
            )));
        }
        let json = |raw: Option<&RawValue>| {
            raw.map(|raw| Json::parse_within(raw.get().as_bytes(), LETTER_LEVELS)).transpose()
        };
        let ReadEvent { kind, subject, time, data } = read.event;
        let event = Event { kind, subject, data: json(data)?, meta: json(read.meta)? };
        Ok(Self {
            subscription: read.subscription.into_owned(),
            event: RecordedEvent {
                event,
                position,
                epoch: identity.epoch,
                time: time.0,
                commit_meta: json(read.commit_meta)?,
            },
            attempts: read.attempts,
            redrive: read.redrive.map(|Time(time)| time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: Position = Position::new(51, 0);

    fn identity() -> Identity {
        Identity { store: "s".into(), epoch: 1 }
    }

    fn letter() -> DeadLetter {
        let event =
            Event::bare("AgentFailed").subject("agents/a").with_json(r#"{"n":1.0}"#).unwrap();
        DeadLetter {
            subscription: "ui".into(),
            event: RecordedEvent {
                event: event.meta(&"m").unwrap(),
                position: POSITION,
                epoch: 1,
                time: "2026-11-23T08:10:00.123456Z".parse().unwrap(),
                commit_meta: Some(Json::parse(b"[1]").unwrap()),
            },
            attempts: vec![Failure::unsaid(1), Failure::now(2, "a \"reason\"")],
            redrive: None,
        }
    }

    fn parse(text: &str) -> Result<DeadLetter> {
        DeadLetter::parse(text.as_bytes(), "ui", POSITION, &identity())
    }

    #[test]
    fn a_letter_reads_back_as_it_was_written_and_as_its_file_has_it() {
        let mut letter = letter();
        for redrive in [None, Some(Timestamp::UNIX_EPOCH)] {
            letter.redrive = redrive;
            let text = letter.json("s").unwrap();
            assert_eq!(parse(&text).unwrap().json("s").unwrap(), text);
            let file = String::from_utf8(layout::pretty(&text)).unwrap();
            assert_eq!(parse(&file).unwrap().json("s").unwrap(), text);
        }
        assert!(letter.json("s").unwrap().contains(r#""data":{"n":1.0}"#), "token by token");
    }

    #[test]
    fn what_is_no_json_or_no_letter_is_refused_with_line_and_column() {
        let file = String::from_utf8(layout::pretty(&letter().json("s").unwrap())).unwrap();
        let broken = file.replacen("\"ui\",", "\"ui\"", 1);
        assert!(matches!(parse(&broken), Err(Error::Json { line: 3, .. })), "{:?}", parse(&broken));
        let no_letter = file.replacen("\"51-0\"", "51", 1);
        assert!(matches!(parse(&no_letter), Err(Error::Json { line: 3, .. })));
        let another = file.replacen("\"51-0\"", "\"52-0\"", 1);
        assert!(matches!(parse(&another), Err(Error::Invalid(_))));
    }

    #[test]
    fn the_last_attempts_are_kept() {
        let mut letter = letter();
        letter.add((1..=2000).map(Failure::unsaid).collect());
        assert_eq!(letter.attempts.len(), MAX_ATTEMPTS);
        assert_eq!(letter.attempts[999].attempt, 2000);
    }
}
