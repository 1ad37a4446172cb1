//! Checkpoints: `applied` moves once the documents up to there are durable in the folder.
//!
//! Which documents those are is read from the journal, so a checkpoint needs no state.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::applied::Held;
use crate::core::Core;
use crate::error::{Context, Result};
use crate::fs::{self, Kind, Open};
use crate::head::{Applied, Head};
use crate::journal::Segments;
use crate::key::Key;
use crate::record::events::EventLine;
use crate::record::sight::{NoEvents, UpTo};
use crate::recovery::roll_forward;
use crate::redo::{Redo, Same};

/// More documents than this are synced with their whole filesystem at once, where that can be asked for.
const ONE_BY_ONE: usize = 32;

/// Moves `applied` to the head of this moment. `false` when another process is at it, when there is
/// nothing to do, and when it has to stay where it is until the filesystem is mounted anew.
///
/// # Errors
/// What the disk says; `applied` stays, and the next attempt writes the documents anew first.
pub fn checkpoint(core: &Core) -> Result<bool> {
    let Some(mut taken) = Held::try_take(core)? else { return Ok(false) };
    let value = taken.value().cloned();
    let head = core.head()?;
    // Segments go only once `applied` has passed them durably; an older slot may not say so.
    let dropped = Segments::list(&*core.fs, &core.names)?.oldest().unwrap_or(1) - 1;
    let from = match &value {
        Some(applied) if applied.seq >= head.seq => return Ok(false),
        Some(applied) => applied.seq.max(dropped),
        None => dropped,
    };
    let now = core.fs.incarnation(&core.names.head()).context("look at", &core.names.head())?;
    if let Some(applied) = &value
        && applied.stays_in.is_some()
        && applied.stays_in == now
    {
        tracing::warn!(
            seq = applied.seq,
            "a folder could not be synced: `applied` stays until the next mount"
        );
        return Ok(false);
    }
    let keys = touched(core, from, &head)?;
    if value.as_ref().is_some_and(|applied| applied.suspect) {
        write_anew(core, from)?;
    }
    if let Some(applied) = &value {
        // Said before, for afterwards the disk may take nothing. Seen by whichever process tries next. A
        // power cut forgets it, and redoes everything.
        taken.write(Applied { suspect: true, stays_in: None, ..applied.clone() })?;
    }
    sync_documents(core, &keys)?;
    if let Err(error) = sync_folders(core, &keys) {
        if let Some(applied) = value {
            let _ = taken.write(Applied { suspect: true, stays_in: now, ..applied });
        }
        return Err(error);
    }
    let oldest = value.and_then(|applied| applied.oldest);
    taken.write_durably(Applied { oldest, ..Applied::up_to(&head) })?;
    tracing::debug!(from, to = head.seq, "the documents are durable");
    Ok(true)
}

/// The documents that the commits after `from` write.
fn touched(core: &Core, from: u64, head: &Head) -> Result<BTreeSet<Key>> {
    let mut reader = core.reader(from + 1);
    let mut keys = BTreeSet::new();
    let mut note = |line: &EventLine<'_>| {
        for write in &line.writes {
            // Most are there by then: those that are written often.
            if !keys.contains(&*write.key) {
                keys.insert(Key::from_journal(&write.key).map_err(|error| error.to_string())?);
            }
        }
        Ok(())
    };
    while reader.look(head, &NoEvents(UpTo::Writes), &mut note)?.is_some() {}
    Ok(keys)
}

/// Writes the documents after `from` again, because a sync of them failed: their pages may be clean in
/// the cache and lost on the disk.
fn write_anew(core: &Core, from: u64) -> Result<()> {
    let mut locked = core.lock.take()?;
    let head = roll_forward(core, &mut locked)?;
    let mut reader = core.reader(from + 1);
    let mut redo = Redo::default();
    while let Some(record) = reader.read(&head)? {
        redo.add(&record, &core.names.journal(), 0)?;
    }
    redo.apply(&core.documents, Same::Rewrite)
}

/// Makes documents durable.
fn sync_documents(core: &Core, keys: &BTreeSet<Key>) -> Result<()> {
    let root = core.names.root();
    if keys.len() > ONE_BY_ONE
        && core.fs.sync_filesystem(root).context("sync the filesystem of", root)?
    {
        return Ok(());
    }
    for key in keys {
        // What lies behind a link is not ours.
        if !core.documents.has_real_folders(key)? {
            continue;
        }
        let path = core.names.document(key);
        let there = fs::stat_if_there(&*core.fs, &path).context("look at", &path)?;
        if there.is_none_or(|stat| stat.kind != Kind::File) {
            // Deleted since, by a commit or by hand: its folder is synced.
            continue;
        }
        if let Some(file) =
            fs::none_if_missing(core.fs.open(&path, Open::Read)).context("open", &path)?
        {
            file.sync_data().context("sync", &path)?;
        }
    }
    Ok(())
}

/// Makes the names of documents durable: every folder from their own up to the root.
fn sync_folders(core: &Core, keys: &BTreeSet<Key>) -> Result<()> {
    let root = core.names.root();
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for key in keys {
        // Most documents share their folder with others.
        if !folders.contains(fs::parent(&core.names.document(key))) {
            // The folder that holds a link is the last to sync.
            folders.extend(core.documents.real_folders(key)?);
        }
    }
    // Innermost first; of one that has vanished the folder above it is in the set as well.
    for folder in folders.iter().rev().map(PathBuf::as_path).chain([root]) {
        fs::none_if_missing(core.fs.sync_dir(folder)).context("sync the folder", folder)?;
    }
    Ok(())
}
