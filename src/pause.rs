//! Pauses: a subscription that is to hand nothing over for a while.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::record::microseconds;

/// The longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// That a subscription hands nothing over, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why, as whoever paused it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(with = "microseconds")]
    pub since: Timestamp,
    /// From then on it goes on of itself; `None`: only once it is resumed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub until: Option<Timestamp>,
}

impl Pause {
    /// A pause that begins now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an end that has passed, and for a reason that is too long or has control
    /// characters.
    pub fn new(reason: Option<&str>, until: Option<Timestamp>) -> Result<Self> {
        let since = Timestamp::now();
        if let Some(until) = until.filter(|until| *until <= since) {
            return Err(Error::Invalid(format!(
                "a pause until {until:.0} would have ended by now ({since:.0}): give a time to come, or none"
            )));
        }
        if let Some(reason) = reason
            && (reason.len() > MAX_REASON_BYTES || reason.chars().any(char::is_control))
        {
            return Err(Error::Invalid(format!(
                "the reason of a pause has at most {MAX_REASON_BYTES} bytes and no control characters"
            )));
        }
        Ok(Self { reason: reason.map(str::to_owned), since, until })
    }

    /// Whether it holds at a time.
    #[must_use]
    pub fn holds_at(&self, time: Timestamp) -> bool {
        self.until.is_none_or(|until| time < until)
    }

    /// How long it still holds; `None` where it has no end.
    #[must_use]
    pub fn rest(&self) -> Option<Duration> {
        let rest = self.until?.duration_since(Timestamp::now());
        Some(Duration::try_from(rest).unwrap_or_default())
    }
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn write_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => microseconds::serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    microseconds::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_reads_back_as_it_is_written() {
        for until in [None, Some("2099-01-01T00:00:00.000001Z".parse().unwrap())] {
            let since = "2026-11-25T08:00:00.123456Z".parse().unwrap();
            let pause = Pause { reason: Some("mail is down".into()), since, until };
            let text = serde_json::to_string(&pause).unwrap();
            assert_eq!(serde_json::from_str::<Pause>(&text).unwrap(), pause, "{text}");
        }
    }

    #[test]
    fn it_holds_until_its_end_and_without_one_for_ever() {
        let now = Timestamp::now();
        let pause = Pause::new(None, Some(now + Duration::from_mins(1))).unwrap();
        assert!(pause.holds_at(now) && !pause.holds_at(now + Duration::from_mins(1)));
        assert!(Pause::new(None, None).unwrap().holds_at(now + Duration::from_secs(1 << 30)));
    }

    #[test]
    fn refuses_an_end_that_has_passed_and_a_reason_that_is_none() {
        assert!(Pause::new(None, Some(Timestamp::now())).is_err());
        assert!(Pause::new(Some("two\nlines"), None).is_err());
        assert!(Pause::new(Some(&"x".repeat(MAX_REASON_BYTES + 1)), None).is_err());
        assert!(Pause::new(Some(&"x".repeat(MAX_REASON_BYTES)), None).is_ok());
    }
}
