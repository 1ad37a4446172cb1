//! Redo: putting the documents of journal lines in place again.
//!
//! Idempotent, and by new files only. The last version of each key counts.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use crate::aside::{move_aside, set_aside};
use crate::documents::{Documents, Found};
use crate::error::{Context, Error, Result};
use crate::folders::Folders;
use crate::fs::{self, Open};
use crate::head::Head;
use crate::json::Json;
use crate::key::Key;
use crate::place::Prepared;
use crate::record::Record;
use crate::revision::Revision;
use crate::spool::Spool;
use crate::transaction::Content;

/// The documents of some journal lines.
#[derive(Debug, Default)]
pub struct Redo(BTreeMap<Key, Versions>);

/// Documents that the folder cannot be believed about.
#[derive(Debug)]
pub struct Unapplied {
    redo: Redo,
    /// As it stood when the journal was read.
    head: Option<Head>,
}

impl Unapplied {
    /// What the journal said when the head was this.
    #[must_use]
    pub fn new(redo: Redo, head: Option<Head>) -> Self {
        Self { redo, head }
    }

    /// What the journal said, as long as nobody has recovered the store since: whoever does moves the head.
    #[must_use]
    pub fn as_of(&self, head: Option<&Head>) -> Option<&Redo> {
        (self.head.as_ref() == head).then_some(&self.redo)
    }
}

/// What some lines say of one document.
#[derive(Debug)]
struct Versions {
    /// Revisions that the lines know: these may be replaced without a trace.
    known: HashSet<Revision>,
    /// Whether it was there before the first line.
    was_there: bool,
    /// Whether whoever puts the lines in place displaces a file that was there.
    displaces: bool,
    /// `None` when the last line deletes it.
    last: Option<Json>,
    /// The commit of the last line.
    seq: u64,
}

/// How to treat a document that is already as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// Leave it.
    Leave,
    /// Write it anew: a sync of it failed, or may have, so its clean pages prove nothing. What is not as it
    /// should be is an edit by hand, and is left.
    Rewrite,
}

impl Redo {
    /// Adds the writes of a line.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a key that is none.
    pub fn add(&mut self, record: &Record<'_>, path: &Path, offset: u64) -> Result<()> {
        for write in &record.writes {
            let key = Key::from_journal(&write.key).map_err(|error| Error::Corrupt {
                path: path.to_owned(),
                offset,
                seq: Some(record.seq),
                what: format!("a write has no valid key ({error}); was it made by a newer docbox?"),
            })?;
            let versions = self.0.entry(key).or_insert_with(|| Versions {
                known: HashSet::new(),
                was_there: write.was.is_some(),
                displaces: false,
                last: None,
                seq: 0,
            });
            versions.known.extend(write.was);
            versions.known.extend(write.rev);
            versions.displaces |= versions.was_there && write.was != write.rev;
            versions.last = write.doc.map(Json::of_text);
            versions.seq = record.seq;
        }
        Ok(())
    }

    /// The documents that the lines write, in the order of their keys.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    /// Whether the lines write or delete a document.
    #[must_use]
    pub fn touches(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// The last version of a document; `None` when the lines delete it, or do not write it.
    #[must_use]
    pub fn last(&self, key: &Key) -> Option<&Json> {
        self.0.get(key)?.last.as_ref()
    }

    /// Whether the lines write no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts every document in place.
    ///
    /// # Errors
    /// [`Error::Blocked`] naming the commit and what is in the way.
    pub fn apply(&self, documents: &Documents, same: Same) -> Result<()> {
        let spool = Spool::of_new_files();
        for (key, versions) in &self.0 {
            versions
                .apply(documents, &spool, key, same)
                .map_err(|error| blocked(documents, key, versions.seq, error))?;
        }
        Ok(())
    }
}

impl Versions {
    fn apply(&self, documents: &Documents, spool: &Spool, key: &Key, same: Same) -> Result<()> {
        let found = documents.read(key)?;
        let wanted = self.last.clone().map(|json| Content::new(json).file);
        let is_there = found.as_ref().map(|found| &found.bytes) == wanted.as_ref();
        match same {
            Same::Leave if is_there => return self.keep_displaced(documents, key),
            Same::Rewrite if !is_there || wanted.is_none() => return Ok(()),
            _ => {}
        }
        match &found {
            _ if is_there => {}
            Some(found) if !self.known.contains(&found.revision()) => {
                self.keep(documents, key, found)?;
                // It may have been edited before and after it changed places.
                self.keep_displaced(documents, key)?;
            }
            _ => self.clear_displaced(documents, key)?,
        }
        let seen = found.as_ref().map(|found| &found.stat);
        let mut folders = Folders::new(documents);
        let place = (key, documents.names().document(key));
        let mut prepared = Prepared::new(&mut folders, spool, place, wanted, seen)?;
        let put = prepared.put(&mut folders, spool, key);
        prepared.discard_after(documents, put.is_ok());
        put.map(drop)
    }

    /// Whoever was to put it in place died before that, or while it wrote the file that was to become the document:
    /// what lies under that name is nothing that it displaced. Who comes next must not take it for that.
    fn clear_displaced(&self, documents: &Documents, key: &Key) -> Result<()> {
        if !self.displaces {
            return Ok(());
        }
        let path = documents.names().displaced(key);
        fs::none_if_missing(documents.fs().remove_file(&path)).context("remove", &path).map(drop)
    }

    /// Whoever put it in place may have died before it looked at what it displaced.
    fn keep_displaced(&self, documents: &Documents, key: &Key) -> Result<()> {
        if !self.displaces {
            return Ok(());
        }
        let path = documents.names().displaced(key);
        let opened = fs::none_if_missing(documents.fs().open(&path, Open::Read));
        let Some(file) = opened.context("open", &path)? else { return Ok(()) };
        let bytes = fs::read_all(&*file).context("read", &path)?;
        drop(file);
        let revision = Revision::of(&bytes);
        if !self.known.contains(&revision) {
            let kept = move_aside(documents, key, &path)?;
            self.say_kept(key, revision, &kept);
        }
        Ok(())
    }

    fn say_kept(&self, key: &Key, revision: Revision, kept: &Path) {
        tracing::warn!(
            %key,
            %revision,
            seq = self.seq,
            kept = %kept.display(),
            "a document was neither what its commit wrote nor what it replaced: kept aside, then replaced"
        );
    }

    /// An edit by hand, or damage: kept aside before it is replaced.
    fn keep(&self, documents: &Documents, key: &Key, found: &Found) -> Result<()> {
        if let Some(kept) = set_aside(documents, key)? {
            self.say_kept(key, found.revision(), &kept);
        }
        Ok(())
    }
}

/// What stands in the way of a durable commit.
pub fn blocked(documents: &Documents, key: &Key, seq: u64, error: Error) -> Error {
    match error {
        Error::Io { path, source, .. } => Error::Blocked { seq, path, source },
        Error::Blocked { .. } => error,
        other => Error::Blocked {
            seq,
            path: documents.names().document(key),
            source: io::Error::other(other.to_string()),
        },
    }
}
