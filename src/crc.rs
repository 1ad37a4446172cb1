//! The checksum at the beginning of journal lines and register slots.
//!
//! `{"crc":"9ae0daaf",…}`: CRC-32 (IEEE) over every byte from byte 18 up to and including the closing
//! brace. It stands first and has a fixed width, so that it can be checked before anything is parsed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::number;

/// Bytes before those that the checksum covers: `{"crc":"xxxxxxxx",`.
pub const PREFIX_BYTES: usize = 18;
const DIGITS: std::ops::Range<usize> = 8..16;

/// A CRC-32, shown as eight lower-case hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc(u32);

impl Crc {
    /// What the first line of a journal names as its predecessor.
    pub const NONE: Self = Self(0);
}

impl Crc {
    /// Eight lower-case hex digits.
    #[must_use]
    pub fn of_digits(digits: &[u8]) -> Option<Self> {
        parse(digits)
    }

    /// The same, as they are written.
    #[must_use]
    pub fn digits(self) -> [u8; 8] {
        number::hex_digits(self.0.into())
    }
}

impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for Crc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(&self.digits()) {
            Ok(digits) => serializer.serialize_str(digits),
            Err(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Crc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        parse(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("not a checksum"))
    }
}

/// What each byte is worth as a lower-case hex digit; [`NO_DIGIT`] where it is none.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0x80;

// Digits and letters alternate by chance: a branch for each would be mispredicted every other time.
fn parse(digits: &[u8]) -> Option<Crc> {
    let digits: [u8; 8] = digits.try_into().ok()?;
    let values = digits.map(|digit| VALUES[usize::from(digit)]);
    if values.iter().fold(0, |all, value| all | value) & NO_DIGIT != 0 {
        return None;
    }
    Some(Crc(values.iter().fold(0, |crc, value| crc << 4 | u32::from(*value))))
}

/// The checksum of an object that begins with `{"crc":"…",` and ends with its brace, if it is right.
#[must_use]
pub fn check(object: &[u8]) -> Option<Crc> {
    if !object.starts_with(b"{\"crc\":\"") || object.get(16..PREFIX_BYTES)? != b"\"," {
        return None;
    }
    if object.last() != Some(&b'}') {
        return None;
    }
    let stated = parse(&object[DIGITS])?;
    (stated.0 == crc32fast::hash(&object[PREFIX_BYTES..])).then_some(stated)
}

/// Puts the right checksum into an object whose checksum is still `00000000`.
pub fn seal(object: &mut [u8]) -> Crc {
    let crc = Crc(crc32fast::hash(&object[PREFIX_BYTES..]));
    object[DIGITS].copy_from_slice(&crc.digits());
    crc
}
