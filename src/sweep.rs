//! Removing the snapshots that nobody needs any more.
//!
//! One is needed by a cursor that stands in it, as long as a power cut may bring that back, and by a reset that
//! asks for it. One that is being taken is held by a lock. All others are passed, or were left by the dead.

use std::path::PathBuf;

use crate::core::Core;
use crate::cursor;
use crate::definition::Definition;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Lock, Open};
use crate::lock::Locked;
use crate::names;
use crate::snapshot::SnapshotId;

/// Removes what nobody needs; nothing where that is not known, and nothing now where others commit.
///
/// # Errors
/// What the disk says; it is tried again.
pub fn sweep(core: &Core) -> Result<()> {
    if unneeded(core)?.is_empty() {
        return Ok(());
    }
    let Some(locked) = core.lock.try_take()? else { return Ok(()) };
    sweep_locked(core, &locked)
}

/// The same for one who holds the lock, under which cursors are made and told where to go.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_locked(core: &Core, _locked: &Locked<'_>) -> Result<()> {
    for path in unneeded(core)? {
        let opened =
            fs::none_if_missing(core.fs.open(&path, Open::Write)).context("open", &path)?;
        let Some(file) = opened else { continue };
        if file.try_lock(Lock::Exclusive).context("lock", &path)? {
            fs::none_if_missing(core.fs.remove_file(&path)).context("remove", &path)?;
            tracing::debug!(path = %path.display(), "removed a snapshot that nobody needs");
        }
    }
    Ok(())
}

/// The same where something else was done, and this is for later if it fails.
pub fn sweep_if_possible(core: &Core, locked: &Locked<'_>) {
    if let Err(error) = sweep_locked(core, locked) {
        tracing::warn!(%error, "a snapshot that nobody needs could not be removed; it is tried again");
    }
}

/// The files that no cursor and no reset needs.
fn unneeded(core: &Core) -> Result<Vec<PathBuf>> {
    let folder = core.names.cursors();
    let mut found = Vec::new();
    for entry in core.fs.read_dir(&folder).context("list", &folder)? {
        let id = names::parse_snapshot(&entry.name).map(|(seq, number)| SnapshotId { seq, number });
        if id.is_some() || is_draft(&entry) {
            found.push((folder.join(&entry.name), id));
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let Some(needed) = needed(core)? else { return Ok(Vec::new()) };
    found.retain(|(_, id)| id.is_none_or(|id| !needed.contains(&id)));
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

fn is_draft(entry: &fs::Entry) -> bool {
    entry.name.to_str().is_some_and(|name| name.starts_with(names::SNAPSHOT_DRAFT))
}

/// What any subscription needs, whatever a power cut leaves of its cursor; `None` where that cannot be read.
fn needed(core: &Core) -> Result<Option<Vec<SnapshotId>>> {
    let mut needed = Vec::new();
    for name in cursor::list(&*core.fs, &core.names)? {
        let values = match cursor::survivors(&*core.fs, &core.names, &name) {
            // Removed, or renamed, a moment ago.
            Err(Error::NoSubscription { .. }) => continue,
            values => values?,
        };
        if values.is_empty() {
            return Ok(None);
        }
        let definition = Definition::read(&*core.fs, &core.names, &name)?;
        for value in values {
            needed.extend(value.needs());
            let request = definition.as_ref().and_then(|it| it.request_after(value.generation));
            needed.extend(request.and_then(|request| request.snapshot));
        }
    }
    Ok(Some(needed))
}
