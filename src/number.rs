//! Numbers as they stand in files: places in sequences, versions, offsets.

use serde::{Deserialize, Deserializer};

/// No commit, version or byte of a file has a higher one. So there is a next one to each, and a sum of two.
pub const LAST: u64 = i64::MAX as u64;

/// Reads a number that is not above [`LAST`].
///
/// # Errors
/// For what is none.
pub fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number <= LAST {
        return Ok(number);
    }
    Err(serde::de::Error::custom(format_args!("{number} is more than {LAST}")))
}

/// The last hex digits of a number, lower-case.
#[must_use]
pub fn hex_digits<const N: usize>(number: u64) -> [u8; N] {
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (4 * (N - 1 - at)) & 15) as usize])
}
