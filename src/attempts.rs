//! Attempts: how often events were handed over and what became of it, as a cursor keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::position::Position;
use crate::record::microseconds;

/// The longest text of a failure that is kept, in bytes.
pub const MAX_ERROR_BYTES: usize = 300;
/// How many failures of one event are kept: the last ones.
pub const MAX_FAILURES: usize = 32;

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which, from 1.
    pub attempt: u32,
    /// When it was said to have failed; `None` where nobody said so.
    #[serde(default, with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Why.
    pub error: String,
}

impl Failure {
    /// An attempt that failed just now.
    #[must_use]
    pub fn now(attempt: u32, why: &str) -> Self {
        Self { attempt, time: Some(Timestamp::now()), error: cut(why, MAX_ERROR_BYTES).to_owned() }
    }

    /// An attempt of which only that it was made is known: its consumer died in it, or there was no room for more.
    #[must_use]
    pub fn unsaid(attempt: u32) -> Self {
        let error = "nothing more is known: its consumer ended in the midst of it, or the cursor had no room".to_owned();
        Self { attempt, time: None, error }
    }

    /// The same with at most so many bytes of text.
    #[must_use]
    pub fn within(&self, bytes: usize) -> Self {
        Self { error: cut(&self.error, bytes).to_owned(), ..self.clone() }
    }
}

/// The beginning of a text, in whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Adds a failure; the oldest go when there are too many.
pub fn note(failures: &mut Vec<Failure>, failure: Failure) {
    if failures.len() >= MAX_FAILURES {
        failures.remove(0);
    }
    failures.push(failure);
}

/// Events that were handed over and are not settled: one, or all from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which, or the first of them.
    pub at: Position,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Position>,
    /// How often each was handed over.
    pub attempt: u32,
    /// It is a dead letter that is delivered again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redriven: bool,
    /// What became of the attempts, as far as there was room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

impl Tried {
    /// The last event that it speaks of.
    #[must_use]
    pub fn last(&self) -> Position {
        self.to.unwrap_or(self.at)
    }

    /// Whether it speaks of an event, or of a letter.
    #[must_use]
    pub fn is_of(&self, position: Position, redriven: bool) -> bool {
        self.redriven == redriven && self.at <= position && position <= self.last()
    }
}

/// Events from the first to the last, all of them settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run(pub Position, pub Position);

impl Run {
    /// Whether it holds an event.
    #[must_use]
    pub fn has(self, position: Position) -> bool {
        self.0 <= position && position <= self.1
    }
}

/// As [`microseconds`], of what may be absent.
mod optional_time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Timestamp, microseconds};

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "microseconds")] Timestamp);

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Time).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::<Time>::deserialize(deserializer).map(|time| time.map(|Time(time)| time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_whole_characters_of_its_text() {
        let long = "é".repeat(MAX_ERROR_BYTES);
        let failure = Failure::now(1, &long);
        assert_eq!(failure.error.len(), MAX_ERROR_BYTES);
        assert_eq!(failure.within(3).error, "é");
    }

    #[test]
    fn only_the_last_failures_are_kept() {
        let mut failures = Vec::new();
        for attempt in 1..=40 {
            note(&mut failures, Failure::now(attempt, "as a test"));
        }
        assert_eq!(failures.len(), MAX_FAILURES);
        assert_eq!((failures[0].attempt, failures[31].attempt), (9, 40));
    }

    #[test]
    fn what_was_tried_reads_back_as_it_was_written() {
        let failures = vec![Failure::now(1, "one"), Failure::unsaid(2)];
        let tried =
            Tried { at: Position::new(3, 1), to: None, attempt: 2, redriven: true, failures };
        let text = serde_json::to_string(&tried).unwrap();
        let back: Tried = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert!(back.is_of(Position::new(3, 1), true) && !back.is_of(Position::new(3, 1), false));
    }
}
