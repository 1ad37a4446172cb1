//! Times to the microsecond, always with six digits: `2026-11-23T08:10:00.123456Z`.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serializer};

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Appends the text form.
pub fn write(time: Timestamp, buffer: &mut Vec<u8>) {
    if let Err(error) = PRINTER.print_timestamp(&time, buffer) {
        // Writing to memory does not fail.
        unreachable!("a time is always text: {error}");
    }
}

/// The text form.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(64);
    PRINTER.print_timestamp(time, &mut text).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// Reads the text form back.
///
/// # Errors
/// For what is no time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    parse(<&str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Reads a time, in whatever form of RFC 3339 it is written.
///
/// # Errors
/// For what is no time.
pub(super) fn parse(text: &str) -> Result<Timestamp, jiff::Error> {
    if let Some(time) = read(text.as_bytes()) {
        return Ok(time);
    }
    // No more digits than are written, so that what was read compares with what is written next.
    Timestamp::from_microsecond(text.parse::<Timestamp>()?.as_microsecond())
}

/// The one form in which they are written, with a 0 for each digit.
const FORM: &Written = b"0000-00-00T00:00:00.000000Z";

/// A text as long as that.
pub(super) type Written = [u8; 27];

/// Whether a text has that form.
pub(super) fn has_form(text: &Written) -> bool {
    // Each byte is looked at, whatever the others are: so many branches would cost more.
    let is_wrong = |(byte, form): (&u8, &u8)| match form {
        b'0' => !byte.is_ascii_digit(),
        form => byte != form,
    };
    !text.iter().zip(FORM).map(is_wrong).fold(false, |any, wrong| any | wrong)
}

/// Reads that form; `None` for any other, right or not.
fn read(text: &[u8]) -> Option<Timestamp> {
    let text = text.try_into().ok().filter(has_form)?;
    let number = |from: usize, to: usize| {
        text[from..to].iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 || (day > 28 && !has_day(year, month, day)) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Timestamp::from_microsecond(seconds * 1_000_000 + number(20, 26)).ok()
}

fn has_day(year: i64, month: i64, day: i64) -> bool {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    day <= match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, for years from 0. (The year begins in March, so that
/// the leap day is its last.)
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_month = (153 * month + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + before_month
        + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_jiff(text: &str) -> Option<Timestamp> {
        text.parse().ok()
    }

    #[test]
    fn every_day_of_the_calendar_is_read_as_the_calendar_has_it() {
        for year in [0, 1, 4, 100, 400, 1582, 1899, 1900, 1969, 1970, 2000, 2026, 2100, 9998, 9999]
        {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year:04}-{month:02}-{day:02}T23:59:58.999999Z");
                    assert_eq!(read(text.as_bytes()), by_jiff(&text), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_time_that_is_read_is_what_it_is_to_others_too() {
        let good = "2026-11-23T08:10:00.123456Z";
        assert_eq!(read(good.as_bytes()), by_jiff(good));
        assert!(read(good.as_bytes()).is_some());
        for at in 0..good.len() {
            for byte in b"0123456789:-.TZ +" {
                let mut text = good.as_bytes().to_vec();
                text[at] = *byte;
                let time = read(&text);
                let text = String::from_utf8(text).unwrap();
                assert!(time.is_none() || time == by_jiff(&text), "{text}");
            }
            assert_eq!(read(&good.as_bytes()[..at]), None);
        }
    }
}
