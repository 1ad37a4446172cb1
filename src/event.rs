//! Events: what a commit announces.

use std::ops::Deref;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::json::Json;
use crate::position::Position;

/// The longest type of an event, in bytes.
pub const MAX_TYPE_BYTES: usize = 255;
/// The longest subject of an event, in bytes.
pub const MAX_SUBJECT_BYTES: usize = 1024;
/// Types that begin with this are the store's own.
pub const OWN_TYPES: &str = "docbox.";
/// The type of the event that tells of a document that was written.
pub const PUT: &str = "docbox.put";
/// The type of the event that tells of a document that was deleted.
pub const REMOVE: &str = "docbox.remove";
/// The type of the event that hands over a document of a snapshot.
pub const SNAPSHOT: &str = "docbox.snapshot";

/// An event: a type, and if wanted a subject (most often the key of the document that it is about) and
/// data (any JSON value).
///
/// ```
/// use docbox::Event;
/// let event = Event::new("AgentSpawned", &["Jake"])?.subject("agents/3f2a");
/// assert_eq!(event.data::<Vec<String>>()?, ["Jake"]);
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) data: Option<Json>,
    pub(crate) meta: Option<Json>,
}

impl Event {
    /// An event of a type, with data.
    ///
    /// # Errors
    /// [`Error::Json`] for data that is no JSON value (a map whose keys are not strings, say).
    pub fn new<T: Serialize + ?Sized>(kind: impl Into<String>, data: &T) -> Result<Self> {
        Ok(Self { data: Some(Json::of(data)?), ..Self::bare(kind) })
    }

    /// An event of a type, without data.
    #[must_use]
    pub fn bare(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), subject: None, data: None, meta: None }
    }

    /// What the event is about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Data as JSON text, instead of what was there.
    ///
    /// # Errors
    /// [`Error::Json`] with line and column.
    pub fn with_json(mut self, data: impl AsRef<[u8]>) -> Result<Self> {
        self.data = Some(Json::parse(data.as_ref())?);
        Ok(self)
    }

    /// Whatever else goes with the event (a JSON value of the application's own).
    ///
    /// # Errors
    /// [`Error::Json`] for what is no JSON value.
    pub fn meta<T: Serialize + ?Sized>(mut self, meta: &T) -> Result<Self> {
        self.meta = Some(Json::of(meta)?);
        Ok(self)
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The subject, if it has one.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The data, parsed. An event without data reads as `null`.
    ///
    /// # Errors
    /// [`Error::Json`] when the data is no `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        self.data.as_ref().map_or_else(|| Json::null().to(), Json::to)
    }

    /// The data as JSON text without white space, if there is any.
    #[must_use]
    pub fn data_json(&self) -> Option<&str> {
        self.data.as_ref().map(Json::as_str)
    }

    /// What else goes with the event, as JSON text.
    #[must_use]
    pub fn meta_json(&self) -> Option<&str> {
        self.meta.as_ref().map(Json::as_str)
    }

    /// Whether a transaction may emit it.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { kind, subject, .. } = self;
        let refuse = |what: String| Err(Error::Invalid(what));
        if kind.is_empty() || kind.len() > MAX_TYPE_BYTES || kind.chars().any(char::is_control) {
            return refuse(format!(
                "an event's type has 1 to {MAX_TYPE_BYTES} bytes and no control characters: {kind:?} does not"
            ));
        }
        if kind.starts_with(OWN_TYPES) {
            return refuse(format!(
                "the event type `{kind}` begins with `{OWN_TYPES}`, which is the store's own: choose another"
            ));
        }
        if let Some(subject) = subject
            && (subject.len() > MAX_SUBJECT_BYTES || subject.chars().any(char::is_control))
        {
            return refuse(format!(
                "an event's subject has at most {MAX_SUBJECT_BYTES} bytes and no control characters: \
                 that of this `{kind}` does not"
            ));
        }
        Ok(())
    }
}

/// An event as it stands in the journal. It is an [`Event`] with a place and a time.
#[derive(Clone, Debug)]
pub struct RecordedEvent {
    pub(crate) event: Event,
    pub(crate) position: Position,
    pub(crate) epoch: u32,
    pub(crate) time: Timestamp,
    pub(crate) commit_meta: Option<Json>,
}

impl RecordedEvent {
    /// Its place in the sequence of all events.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// `<epoch>-<seq>-<idx>`, of an item of a snapshot `<epoch>-<seq>-s<item>`: the same on each redelivery, so that a handler can tell what it has done.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.epoch, self.position)
    }

    /// When it was committed; never earlier than that of the commit before.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// What the transaction carried as `meta`, as JSON text.
    #[must_use]
    pub fn commit_meta_json(&self) -> Option<&str> {
        self.commit_meta.as_ref().map(Json::as_str)
    }
}

impl Deref for RecordedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}
