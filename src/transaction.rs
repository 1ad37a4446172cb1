//! Transactions: commits not yet made.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::ack::Ack;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::json::Json;
use crate::key::Key;
use crate::layout;
use crate::position::Position;
use crate::revision::Revision;

/// The largest document, as a file: 16 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 16 << 20;
/// The largest commit, as a line of the journal: 64 MiB.
pub const MAX_COMMIT_BYTES: usize = 64 << 20;
/// The most documents, and the most events, in one commit.
pub const MAX_IN_COMMIT: usize = 65_536;
/// The longest idempotency token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 255;

/// Documents to write and events to emit: all of them in one commit, or none.
///
/// Each method takes the transaction and gives it back, so that they chain. What is wrong with a key, a
/// value or an event is said here, before anything is written.
///
/// ```
/// use docbox::{Event, Transaction};
/// # let agent = serde_json::json!({"name": "Jake"});
/// let transaction = Transaction::new()
///     .put_new("agents/jake", &agent)?
///     .emit(Event::new("AgentSpawned", &agent)?.subject("agents/jake"));
/// # let _ = transaction;
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a transaction does nothing until a store commits it"]
pub struct Transaction {
    pub(crate) writes: Vec<Write>,
    pub(crate) events: Vec<Event>,
    pub(crate) meta: Option<Json>,
    pub(crate) token: Option<String>,
    /// Cursors that the commit moves, by subscription.
    pub(crate) acks: BTreeMap<String, Ack>,
    /// Events of the store's own.
    pub(crate) own_events: Vec<Event>,
    /// Whether it asks for dead letters to be delivered again.
    pub(crate) redrives: bool,
}

/// One document of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) expect: Expect,
    /// `None` for a deletion.
    pub(crate) content: Option<Content>,
}

/// What a document must be before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Anything,
    Absent,
    At(Revision),
}

/// A document's value: its journal form and its file, which is a pure function of it.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) json: Json,
    pub(crate) file: Vec<u8>,
    pub(crate) revision: Revision,
}

impl Content {
    pub(crate) fn new(json: Json) -> Self {
        let file = layout::pretty(json.as_str());
        let revision = Revision::of(&file);
        Self { json, file, revision }
    }

    fn checked(key: &Key, json: Json) -> Result<Self> {
        let Some(file) = layout::pretty_within(json.as_str(), MAX_DOCUMENT_BYTES) else {
            return Err(Error::Invalid(format!(
                "the document `{key}` would be a file of more than {MAX_DOCUMENT_BYTES} bytes (16 MiB): \
                 split it, or keep the large part in a file of its own"
            )));
        };
        let revision = Revision::of(&file);
        Ok(Self { json, file, revision })
    }
}

impl Transaction {
    /// An empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a document, whatever is there now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the key or the size, [`Error::Json`] for the value.
    pub fn put<T: Serialize + ?Sized>(self, key: impl AsRef<str>, value: &T) -> Result<Self> {
        self.write(key, Expect::Anything, Json::of(value)?)
    }

    /// Writes a document that must not be there yet.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn put_new<T: Serialize + ?Sized>(self, key: impl AsRef<str>, value: &T) -> Result<Self> {
        self.write(key, Expect::Absent, Json::of(value)?)
    }

    /// Writes a document that must be at this revision.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn put_if<T: Serialize + ?Sized>(
        self,
        key: impl AsRef<str>,
        revision: Revision,
        value: &T,
    ) -> Result<Self> {
        self.write(key, Expect::At(revision), Json::of(value)?)
    }

    /// Writes a document given as JSON text, every token kept as it is.
    ///
    /// # Errors
    /// As [`Transaction::put`], with line and column in the text.
    pub fn put_json(self, key: impl AsRef<str>, text: impl AsRef<[u8]>) -> Result<Self> {
        self.write(key, Expect::Anything, Json::parse(text.as_ref())?)
    }

    /// As [`Transaction::put_json`], for a document that must not be there yet.
    ///
    /// # Errors
    /// As [`Transaction::put_json`].
    pub fn put_json_new(self, key: impl AsRef<str>, text: impl AsRef<[u8]>) -> Result<Self> {
        self.write(key, Expect::Absent, Json::parse(text.as_ref())?)
    }

    /// As [`Transaction::put_json`], for a document that must be at this revision.
    ///
    /// # Errors
    /// As [`Transaction::put_json`].
    pub fn put_json_if(
        self,
        key: impl AsRef<str>,
        revision: Revision,
        text: impl AsRef<[u8]>,
    ) -> Result<Self> {
        self.write(key, Expect::At(revision), Json::parse(text.as_ref())?)
    }

    /// Deletes a document; one that is not there stays that way.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the key.
    pub fn remove(self, key: impl AsRef<str>) -> Result<Self> {
        Ok(self.push(Write { key: Key::new(key)?, expect: Expect::Anything, content: None }))
    }

    /// Deletes a document that must be at this revision.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the key.
    pub fn remove_if(self, key: impl AsRef<str>, revision: Revision) -> Result<Self> {
        Ok(self.push(Write { key: Key::new(key)?, expect: Expect::At(revision), content: None }))
    }

    /// Emits an event; several are delivered in the order in which they were given.
    pub fn emit(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Whatever else goes with the commit, say `{"actor":…,"correlation":…}`; one value, the last.
    ///
    /// # Errors
    /// [`Error::Json`] for what is no JSON value.
    pub fn meta<T: Serialize + ?Sized>(mut self, meta: &T) -> Result<Self> {
        self.meta = Some(Json::of(meta)?);
        Ok(self)
    }

    pub(crate) fn write(self, key: impl AsRef<str>, expect: Expect, json: Json) -> Result<Self> {
        let key = Key::new(key)?;
        let content = Content::checked(&key, json)?;
        Ok(self.push(Write { key, expect, content: Some(content) }))
    }

    pub(crate) fn ack(mut self, subscription: String, ack: Ack) -> Self {
        self.acks.insert(subscription, ack);
        self
    }

    /// What it says of cursors: that they move up to a position, or that only one event is settled.
    pub(crate) fn acked(&self, only: bool) -> BTreeMap<String, Position> {
        let acks = self.acks.iter().filter(|(_, ack)| ack.only == only);
        acks.map(|(name, ack)| (name.clone(), ack.position)).collect()
    }

    pub(crate) fn emit_own(mut self, event: Event) -> Self {
        self.own_events.push(event);
        self
    }

    /// Writes a dead letter, whatever is there now. It is as large as its event.
    pub(crate) fn letter(self, subscription: &str, position: Position, json: Json) -> Self {
        let (key, content) = (Key::letter(subscription, position), Some(Content::new(json)));
        self.push(Write { key, expect: Expect::Anything, content })
    }

    /// Writes a dead letter that must be at this revision.
    pub(crate) fn letter_if(
        self,
        subscription: &str,
        position: Position,
        revision: Revision,
        json: Json,
    ) -> Self {
        let (key, content) = (Key::letter(subscription, position), Some(Content::new(json)));
        self.push(Write { key, expect: Expect::At(revision), content })
    }

    /// Removes a dead letter, unless it is written here.
    pub(crate) fn remove_letter(self, subscription: &str, position: Position) -> Self {
        let key = Key::letter(subscription, position);
        if self.writes.iter().any(|write| write.key == key) {
            return self;
        }
        self.push(Write { key, expect: Expect::Anything, content: None })
    }

    /// Says that it asks for dead letters to be delivered again: their consumer is to look.
    pub(crate) fn redrives(mut self) -> Self {
        self.redrives = true;
        self
    }

    fn push(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    pub(crate) fn document_bytes(&self) -> usize {
        let contents = self.writes.iter().filter_map(|write| write.content.as_ref());
        contents.map(|content| content.json.as_str().len()).sum()
    }

    /// About as many bytes as its line takes, in most cases some more.
    pub(crate) fn line_bytes(&self) -> usize {
        const EACH: usize = 256;
        let json = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.as_str().len());
        let events = self.events.iter().map(|event| EACH + json(&event.data) + json(&event.meta));
        let writes = self.writes.len() * EACH + self.document_bytes();
        EACH + writes + events.sum::<usize>() + json(&self.meta)
    }

    /// What can be refused without a store.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Invalid(what));
        let has_no_event = self.events.is_empty() && self.own_events.is_empty();
        if self.writes.is_empty() && has_no_event && self.acks.is_empty() {
            return refuse(
                "the transaction has neither writes nor events: give it at least one".into(),
            );
        }
        for (what, count) in [("writes", self.writes.len()), ("events", self.events.len())] {
            if count > MAX_IN_COMMIT {
                return refuse(format!(
                    "the transaction has {count} {what}; the limit is {MAX_IN_COMMIT} in one commit: split it"
                ));
            }
        }
        let (events, writes) = (self.events.len() + self.own_events.len(), self.writes.len());
        Position::check_room(events, writes)
            .map_err(|what| Error::Invalid(format!("the transaction has {what}: split it")))?;
        let mut keys = HashSet::new();
        if let Some(twice) = self.writes.iter().find(|write| !keys.insert(&write.key)) {
            return refuse(format!(
                "the transaction writes `{}` twice: give each document once, as it shall be",
                twice.key
            ));
        }
        if let Some(token) = &self.token
            && (token.is_empty() || token.len() > MAX_TOKEN_BYTES)
        {
            return refuse(format!("a token has 1 to {MAX_TOKEN_BYTES} bytes"));
        }
        self.events.iter().try_for_each(Event::check)
    }
}
