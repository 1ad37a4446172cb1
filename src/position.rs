//! Positions: places in the sequence of all events.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A place in the sequence of all events: the commit `seq`, and in it the event `idx` (from 0).
///
/// Shown as `42-0`; the end of a commit as its number alone, `42`. "After POS" means that what follows
/// POS comes next, so `0` is the beginning.
///
/// ```
/// use docbox::Position;
/// let position: Position = "42-1".parse()?;
/// assert_eq!((position.seq, position.idx), (42, 1));
/// assert!(position < "42".parse()?);
/// assert_eq!(position.padded(), "0000000000000042-00001");
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The commit.
    pub seq: u64,
    /// The event in it, from 0, or behind its events the change of a document; [`Position::LAST_IDX`] for the end
    /// of the commit.
    pub idx: u32,
}

impl Position {
    /// The index of the end of a commit, which no event has: those of its events come first, then those of its
    /// writes, at most 99,999 of both. Five digits, so that a padded position sorts as text.
    pub const LAST_IDX: u32 = 99_999;
    /// Before everything.
    pub const BEGINNING: Self = Self::end_of(0);

    /// The event `idx` of commit `seq`.
    #[must_use]
    pub const fn new(seq: u64, idx: u32) -> Self {
        Self { seq, idx }
    }

    /// The end of commit `seq`, whatever it holds.
    #[must_use]
    pub const fn end_of(seq: u64) -> Self {
        Self { seq, idx: Self::LAST_IDX }
    }

    /// The position that comes next: where a cursor stands once this one is settled.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.idx >= Self::LAST_IDX {
            Self { seq: self.seq + 1, idx: 0 }
        } else {
            Self { seq: self.seq, idx: self.idx + 1 }
        }
    }

    /// The position before: what is settled when this one is the first that is not.
    #[must_use]
    pub const fn before(self) -> Self {
        match (self.seq, self.idx) {
            (0, 0) => Self { seq: 0, idx: 0 },
            (seq, 0) => Self::end_of(seq - 1),
            (seq, idx) => Self { seq, idx: idx - 1 },
        }
    }

    /// Whether all events and writes of a commit have a position in it; what is wrong otherwise, in words.
    pub(crate) fn check_room(events: usize, writes: usize) -> Result<(), String> {
        if events.saturating_add(writes) <= Self::LAST_IDX as usize {
            return Ok(());
        }
        let most = Self::LAST_IDX;
        Err(format!(
            "{events} events and {writes} writes; the limit is {most} of both together in one commit"
        ))
    }

    /// As in file names and in the `CloudEvents` attribute `sequence`: sorts as text.
    #[must_use]
    pub fn padded(self) -> String {
        format!("{:016}-{:05}", self.seq, self.idx)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.idx == Self::LAST_IDX {
            write!(f, "{}", self.seq)
        } else {
            write!(f, "{}-{}", self.seq, self.idx)
        }
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            Error::Invalid(format!(
                "`{text}` is not a position: give a commit and an event in it, as in `42-0`, \
                 or `42` for the end of commit 42"
            ))
        })
    }
}

fn parse(text: &str) -> Option<Position> {
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    // The last seq is never reached; refused, so that `next` cannot overflow.
    let seq = |text| number(text).filter(|seq| *seq < u64::MAX);
    match text.split_once('-') {
        None => seq(text).map(Position::end_of),
        Some((commit, event)) => {
            let idx = u32::try_from(number(event)?).ok()?;
            (idx <= Position::LAST_IDX).then_some(Position { seq: seq(commit)?, idx })
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_shows() {
        for text in ["0", "1-0", "42", "42-65535", "42-99998", "18446744073709551614-3"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_position() {
        for text in
            ["", "-", "1-", "-1", "a", "+1", "1-100000", "1-0-0", "18446744073709551615", " 1"]
        {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn next_and_before_are_inverse() {
        let last = Position::new(3, Position::LAST_IDX - 1);
        for position in [Position::new(3, 0), Position::new(3, 7), last, Position::end_of(3)] {
            assert_eq!(position.next().before(), position);
        }
        assert_eq!(last.next(), Position::end_of(3), "no event is the end of its commit");
        assert_eq!(Position::BEGINNING.next(), Position::new(1, 0));
    }

    #[test]
    fn padded_positions_sort_as_text() {
        let ends = [Position::new(9, 65_536), Position::end_of(9), Position::new(10, 0)];
        let padded = ends.map(Position::padded);
        assert!(padded.is_sorted() && padded.iter().all(|it| it.len() == padded[0].len()));
    }
}
