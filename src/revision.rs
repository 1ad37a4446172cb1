//! Revisions: what a document's bytes are, in 16 digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::number;

/// The first 16 hex digits of the SHA-256 of a document's file: `sha256sum FILE | cut -c1-16`.
///
/// ```
/// use docbox::Revision;
/// assert_eq!(Revision::of(b"{}\n").to_string(), "ca3d163bab055381");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a file with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(first))
    }

    /// Its digits, as they are written.
    pub(crate) fn digits(self) -> [u8; 16] {
        number::hex_digits(self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Revision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.len() == 16
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        digits.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or_else(|| {
            Error::Invalid(format!(
                "`{text}` is not a revision: give the 16 lower-case hex digits that `put` and \
                     `sha256sum FILE | cut -c1-16` print"
            ))
        })
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Revision {
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
        let revision = Revision::of(b"{}\n");
        assert_eq!(revision.to_string().parse::<Revision>().unwrap(), revision);
    }

    #[test]
    fn refuses_what_is_no_revision() {
        for text in
            ["", "CA3D163BAB055381", "ca3d163bab05538", "ca3d163bab0553811", "+a3d163bab055381"]
        {
            assert!(text.parse::<Revision>().is_err(), "{text:?}");
        }
    }
}
