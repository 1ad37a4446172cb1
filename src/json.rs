//! JSON text that has passed the scan: compact, every token as it came.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::layout;

/// One JSON value, without white space between its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Box<str>);

/// The text of a JSON value that stands in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonText<'a>(&'a str);

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
        layout::compact_within(text, levels).map(|compact| Self(compact.into()))
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
        Self("null".into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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

    /// Takes a value out of what was committed: it passed the scan then, and does so again, which checks it and
    /// copies it at once. What another writer let through is a value all the same, if it is JSON.
    pub(crate) fn recorded(text: &[u8]) -> serde_json::Result<Self> {
        match layout::compact_within(text, layout::LETTER_LEVELS) {
            Ok(compact) if compact.len() == text.len() => Ok(Self(compact.into())),
            _ => serde_json::from_slice(text).map(Self::of_text),
        }
    }

    /// Keeps a value of a line that was read whole.
    pub(crate) fn of_text(text: JsonText<'_>) -> Self {
        Self(text.0.into())
    }

    pub(crate) fn text(&self) -> JsonText<'_> {
        JsonText(&self.0)
    }

    /// For what `serde_json` writes. It looks through the text once more.
    pub(crate) fn raw(&self) -> &RawValue {
        match serde_json::from_str(&self.0) {
            Ok(raw) => raw,
            Err(error) => unreachable!("what passed the scan is JSON: {error}"),
        }
    }
}

impl<'a> JsonText<'a> {
    /// The value with which a text begins, if the scan would leave it as it is.
    pub(crate) fn first(text: &'a [u8]) -> Option<Self> {
        layout::first_compact(text, layout::LETTER_LEVELS).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
