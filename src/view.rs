//! Views: several documents as of one moment.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::core::Core;
use crate::document::Document;
use crate::documents::Found;
use crate::error::{Context as _, Error, Result};
use crate::fs::{File, Stat};
use crate::journal::Place;
use crate::json::Json;
use crate::key::Key;
use crate::recent::Kept;
use crate::recovery::roll_forward;
use crate::revision::Revision;
use crate::sync::Arc;
use crate::transaction::Content;

/// How often a look is taken without the lock.
const TRIES: usize = 5;

/// The documents of a store.
#[derive(Debug)]
pub struct View<'a> {
    core: &'a Core,
}

impl<'a> View<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// A document, parsed; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Json`](crate::Error::Json) when the file is no JSON, or no `T`; what the disk says.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<Document<T>>> {
        if let Some(kept) = self.kept(key.as_ref())? {
            let value = kept.json.to().map_err(|error| in_file(&kept.path, error))?;
            return Ok(Some(Document { value, revision: kept.revision }));
        }
        let key = Key::new(key)?;
        let recent = &self.core.recent;
        let mut can_keep = false;
        let found = self.read(&key, |file, stat| can_keep = recent.can_keep(&key, file, stat))?;
        let Some(found) = found else { return Ok(None) };
        let revision = found.revision();
        let value =
            if can_keep { self.keep(&key, &found, revision) } else { Json::read(&found.bytes) };
        let value = value.map_err(|error| in_file(&self.core.names.document(&key), error))?;
        Ok(Some(Document { value, revision }))
    }

    /// A document's exact bytes; `None` when there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn get_bytes(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>> {
        Ok(self.read(&Key::new(key)?, |_, _| ())?.map(|found| found.bytes))
    }

    /// The keys of all documents that begin with `prefix`, sorted by their bytes.
    ///
    /// # Errors
    /// What the disk says.
    pub fn list(&self, prefix: &str) -> Result<Vec<Key>> {
        self.core.check_open()?;
        let mut keys = self.core.documents.list(prefix)?.keys;
        if let Some(unapplied) = self.core.unapplied() {
            keys.retain(|key| !unapplied.touches(key));
            let written = unapplied
                .keys()
                .filter(|key| key.as_str().starts_with(prefix) && unapplied.last(key).is_some());
            keys.extend(written.cloned());
            keys.sort_unstable();
        }
        Ok(keys)
    }

    /// What was kept of a document, and is true now.
    fn kept(&self, key: &str) -> Result<Option<Arc<Kept>>> {
        self.core.check_open()?;
        // What the folder has is not what is committed, as long as something is to be redone.
        let is_believed = self.core.unapplied.is_none();
        Ok(is_believed.then(|| self.core.recent.find(&*self.core.fs, key)).flatten())
    }

    /// Keeps a document for the next time; its value.
    fn keep<T: DeserializeOwned>(&self, key: &Key, found: &Found, revision: Revision) -> Result<T> {
        let json = Json::parse(&found.bytes)?;
        let value = json.to();
        let path = self.core.names.document(key);
        self.core.recent.keep(key.clone(), Kept { path, stat: found.stat, revision, json });
        value
    }

    fn read(&self, key: &Key, look: impl FnMut(&dyn File, &Stat)) -> Result<Option<Found>> {
        self.core.check_open()?;
        let unapplied = self.core.unapplied().filter(|unapplied| unapplied.touches(key));
        if let Some(unapplied) = unapplied {
            let path = self.core.names.journal();
            let stat = self.core.fs.stat(&path).context("look at", &path)?;
            return Ok(unapplied
                .last(key)
                .map(|json| Found { bytes: Content::new(json.clone()).file, stat }));
        }
        self.core.documents.read_after(key, look)
    }
}

/// Looks at several documents as of one commit: `look` may be called more than once, and what it
/// returned last is what counts.
///
/// # Errors
/// What `look` says; what the disk says.
pub fn read<R>(core: &Core, mut look: impl FnMut(&View<'_>) -> Result<R>) -> Result<R> {
    let view = View::new(core);
    for _ in 0..TRIES {
        let Some(before) = quiet(core)? else { continue };
        let result = look(&view);
        if quiet(core)? == Some(before) {
            return result;
        }
    }
    let mut locked = match core.lock.take() {
        // Who may not ask for the lock sees what there is.
        Err(Error::Io { .. }) if core.read_only => return look(&view),
        taken => taken?,
    };
    if !core.read_only {
        roll_forward(core, &mut locked)?;
    }
    locked.reading(|| look(&view))
}

/// The head, when nothing stands behind it: nobody is putting documents in place.
fn quiet(core: &Core) -> Result<Option<u64>> {
    let head = core.head()?;
    let busy = Place::after(&*core.fs, &core.names, &head)?.has_lines(&*core.fs, &core.names)?;
    Ok((!busy).then_some(head.seq))
}

/// Says in which file a JSON error is.
pub(crate) fn in_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Json { line, column, what } => {
            Error::Json { line, column, what: format!("{what} (in {})", path.display()) }
        }
        other => other,
    }
}
