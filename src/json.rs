//! JSON text that has passed the scan: compact, every token as it came.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::layout;

/// One JSON value, without white space between its tokens.
#[derive(Clone, Debug)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Scans a text.
    ///
    /// # Errors
    /// [`Error::Json`] with line and column.
    pub fn parse(text: &[u8]) -> Result<Self> {
        Self::parse_within(text, layout::MAX_LEVELS)
    }

    /// The same, with so many levels.
    pub(crate) fn parse_within(text: &[u8], levels: usize) -> Result<Self> {
        let compact = layout::compact_within(text, levels)?;
        RawValue::from_string(compact).map(Self).map_err(|error| refused(&error))
    }

    /// The JSON of a typed value.
    ///
    /// # Errors
    /// [`Error::Json`] for what is no JSON value.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::of_within(value, layout::MAX_LEVELS)
    }

    /// The same, with so many levels.
    pub(crate) fn of_within<T: Serialize + ?Sized>(value: &T, levels: usize) -> Result<Self> {
        // The scan again: a `RawValue` inside of `T` may hold anything.
        Self::parse_within(&serde_json::to_vec(value).map_err(|error| refused(&error))?, levels)
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value, typed.
    ///
    /// # Errors
    /// [`Error::Json`] when it is no `T`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        typed(self.as_str())
    }

    /// What a text says, typed: as [`Json::parse`] and then [`Json::to`], without keeping the value.
    ///
    /// # Errors
    /// [`Error::Json`] with line and column when the text is no JSON, or no `T`.
    pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
        typed(&layout::compact(text)?)
    }

    /// Takes a text that was put together of what was scanned before, as a whole.
    pub(crate) fn written(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(Self)
    }

    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }

    /// Takes a value out of a text that was scanned when it was written.
    pub(crate) fn scanned(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get().as_bytes()).map_err(D::Error::custom)
    }
}

/// The value of a text that has passed the scan.
fn typed<T: DeserializeOwned>(compact: &str) -> Result<T> {
    // A value has up to 128 levels, one more than `serde_json` allows of itself; the scan has bounded
    // them, so its own limit is off.
    let mut deserializer = serde_json::Deserializer::from_str(compact);
    deserializer.disable_recursion_limit();
    T::deserialize(&mut deserializer).map_err(|error| refused(&error))
}

/// What `serde_json` said, as ours: its text ends with the place, which we give apart.
pub(crate) fn refused(error: &serde_json::Error) -> Error {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    Error::Json {
        line: error.line().max(1),
        column: error.column().max(1),
        what: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
    }
}
