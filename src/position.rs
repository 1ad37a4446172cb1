//! Positions: places in the sequence of all events.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A place in the sequence of all events: the commit `seq`, and in it the event `idx` (from 0).
///
/// Shown as `42-0`; the end of a commit as its number alone, `42`. "After POS" means that what follows
/// POS comes next, so `0` is the beginning. The items of a snapshot that was taken at the end of commit 42 lie
/// between its last event and its end: `42-s0` is the first, `42-s` the place before it.
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
    /// The event in it, from 0, or behind its events the change of a document. Above [`Position::LAST_IDX`] the items
    /// of a snapshot, and the end of the commit.
    pub idx: u32,
}

/// Before the first item of a snapshot that was taken at the end of a commit.
const ITEMS: u32 = 100_000;
/// The end of a commit: after the items of every snapshot that was taken there.
const END: u32 = u32::MAX;

impl Position {
    /// No event has this index or a higher one: those of its events come first, then those of its
    /// writes, at most 99,999 of both. Five digits, so that a padded position sorts as text.
    pub const LAST_IDX: u32 = 99_999;
    /// The highest number of an item of a snapshot.
    pub(crate) const LAST_ITEM: u32 = END - ITEMS - 3;
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
        Self { seq, idx: END }
    }

    /// The item of this number, from 0, of a snapshot that was taken at the end of commit `seq`.
    #[must_use]
    pub(crate) const fn of_item(seq: u64, item: u32) -> Self {
        Self { seq, idx: ITEMS + 1 + item }
    }

    /// The number of the item of a snapshot that this is.
    #[must_use]
    pub(crate) fn item(self) -> Option<u32> {
        self.is_in_snapshot().then(|| self.idx.checked_sub(ITEMS + 1)).flatten()
    }

    /// Whether it is an item of a snapshot, or the place before the first.
    #[must_use]
    pub const fn is_in_snapshot(self) -> bool {
        self.idx >= ITEMS && self.idx < END
    }

    /// The first commit of which any event is at this position or after it.
    #[must_use]
    pub(crate) const fn first_commit(self) -> u64 {
        if self.is_in_snapshot() { self.seq + 1 } else { self.seq }
    }

    /// The position that comes next: where a cursor stands once this one is settled.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.idx {
            END => Self { seq: self.seq + 1, idx: 0 },
            idx => Self { seq: self.seq, idx: idx + 1 },
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
        let Self { seq, idx } = self;
        match (self.item(), idx) {
            (Some(item), _) => format!("{seq:016}-s{item:010}"),
            (None, ITEMS) => format!("{seq:016}-s"),
            // No file has it for a name; it comes after all others of its commit.
            (None, END) => format!("{seq:016}-zzzzz"),
            (None, idx) => format!("{seq:016}-{idx:05}"),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.item(), self.idx) {
            (Some(item), _) => write!(f, "{}-s{item}", self.seq),
            (None, ITEMS) => write!(f, "{}-s", self.seq),
            (None, END) => write!(f, "{}", self.seq),
            (None, idx) => write!(f, "{}-{idx}", self.seq),
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
        Some((commit, "s")) => Some(Position::new(seq(commit)?, ITEMS)),
        Some((commit, event)) => {
            let seq = seq(commit)?;
            if let Some(item) = event.strip_prefix('s') {
                let item = u32::try_from(number(item)?).ok()?;
                return (item <= Position::LAST_ITEM).then(|| Position::of_item(seq, item));
            }
            match u32::try_from(number(event)?).ok()? {
                idx if idx < Position::LAST_IDX => Some(Position { seq, idx }),
                Position::LAST_IDX => Some(Position::end_of(seq)),
                _ => None,
            }
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
        for text in [
            "0",
            "1-0",
            "42",
            "42-65535",
            "42-99998",
            "18446744073709551614-3",
            "42-s",
            "42-s0",
            "0-s4294867292",
        ] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_position() {
        for text in [
            "",
            "-",
            "1-",
            "-1",
            "a",
            "+1",
            "1-100000",
            "1-0-0",
            "18446744073709551615",
            " 1",
            "1-s+1",
            "1-S1",
            "1-s4294867293",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn next_and_before_are_inverse() {
        for text in ["3-0", "3-7", "3-99998", "3", "3-s", "3-s0", "3-s4294867292"] {
            let position: Position = text.parse().unwrap();
            assert!(position.next() > position);
            assert_eq!(position.next().before(), position);
        }
        assert_eq!("3-99999".parse::<Position>().unwrap(), Position::end_of(3), "no event has it");
        assert_eq!(Position::BEGINNING.next(), Position::new(1, 0));
    }

    #[test]
    fn padded_positions_sort_as_text() {
        let ends = [Position::new(9, 65_536), Position::end_of(9), Position::new(10, 0)];
        let padded = ends.map(Position::padded);
        assert!(padded.is_sorted() && padded.iter().all(|it| it.len() == padded[0].len()));
    }

    #[test]
    fn items_of_a_snapshot_lie_between_the_events_of_a_commit_and_its_end() {
        let order = ["42-0", "42-65535", "42-s", "42-s0", "42-s9", "42-s10", "42", "43-0"];
        let order = order.map(|text| text.parse::<Position>().unwrap());
        assert!(order.is_sorted(), "{order:?}");
        let padded = order.map(Position::padded);
        assert!(padded.is_sorted(), "{padded:?}");
        assert_eq!(padded[4], "0000000000000042-s0000000009");
        for text in &padded[..6] {
            assert_eq!(text.parse::<Position>().unwrap().padded(), *text);
        }
        assert_eq!(
            order.map(Position::item),
            [None, None, None, Some(0), Some(9), Some(10), None, None]
        );
        assert_eq!(order.map(Position::first_commit), [42, 42, 43, 43, 43, 43, 42, 43]);
    }
}
