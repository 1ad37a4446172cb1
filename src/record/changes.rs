//! Changes of documents, as events that nobody emitted: they are not in the journal, but follow from the
//! writes of its lines whenever these are read.

use std::borrow::Cow;

use super::events::Value;
use crate::event::{Event, PUT, REMOVE};
use crate::json::Json;
use crate::key::{self, Key};
use crate::revision::Revision;

/// A write in a line. Its document is not parsed.
#[derive(Debug)]
pub struct WriteText<'a> {
    /// The document's key.
    pub key: Cow<'a, str>,
    /// The revision that was replaced.
    pub was: Option<Revision>,
    /// The new revision and document; `None` for a deletion.
    pub(super) new: Option<(Revision, Value<'a>)>,
}

impl WriteText<'_> {
    /// The type of the event that tells of it; `None` where the document is the store's own, which is nobody's
    /// change.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        if key::is_own(&self.key) {
            return None;
        }
        Some(if self.new.is_some() { PUT } else { REMOVE })
    }

    /// The event that tells of it.
    pub(super) fn event(&self) -> Result<Event, String> {
        let key = Key::from_journal(&self.key).map_err(|error| error.to_string())?;
        let was = self.was.map_or_else(|| "null".to_owned(), |was| format!("\"{was}\""));
        let (kind, data) = match &self.new {
            Some((revision, document)) => {
                let document = document.text()?;
                (PUT, format!(r#"{{"revision":"{revision}","was":{was},"document":{document}}}"#))
            }
            None => (REMOVE, format!(r#"{{"was":{was}}}"#)),
        };
        let data = Json::recorded(data.as_bytes())
            .map_err(|error| format!("the line is no record: {error}"))?;
        Ok(Event { data: Some(data), ..Event::bare(kind).subject(key.as_str()) })
    }
}

#[cfg(test)]
mod tests;
