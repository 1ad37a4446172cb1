//! Opening for reading only: nothing is written, so nothing is recovered.

use crate::core::Core;
use crate::error::{Context, Result};
use crate::fs::{self, Lock, Open};
use crate::head::{Applied, Head};
use crate::journal::{Place, scan};
use crate::recovery::{is_cache_intact, start_of_redo};
use crate::redo::{Redo, Unapplied};
use crate::tail::{check_end, claims};

/// What the journal says of documents beyond `applied`, when nobody has recovered the store: the folder
/// may be behind. `None` where the folder can be believed.
///
/// # Errors
/// What the disk says.
pub fn unapplied(core: &Core) -> Result<Option<Unapplied>> {
    // Where the lock cannot even be asked for, somebody may well have it: the folder is believed.
    let Ok(locked) = core.lock.take() else { return Ok(None) };
    let path = core.names.open_lock();
    let file = core.fs.open(&path, Open::Read).context("open", &path)?;
    let alone = file.try_lock(Lock::Exclusive).context("try the lock of", &path)?;
    let head = core.head().ok();
    let applied = core.applied()?;
    let unapplied = if alone && needs_redo(core, head.as_ref(), applied.as_ref())? {
        Some(read(core, head.as_ref(), applied.as_ref())?).filter(|redo| !redo.is_empty())
    } else {
        None
    };
    drop(file);
    drop(locked);
    Ok(unapplied.map(|redo| Unapplied::new(redo, head)))
}

fn needs_redo(core: &Core, head: Option<&Head>, applied: Option<&Applied>) -> Result<bool> {
    let Some(head) = head else { return Ok(true) };
    let behind = Place::after(&*core.fs, &core.names, head)?.has_lines(&*core.fs, &core.names)?;
    let lost =
        !is_cache_intact(core, head)? && applied.is_none_or(|applied| applied.seq < head.seq);
    Ok(behind || lost)
}

fn read(core: &Core, head: Option<&Head>, applied: Option<&Applied>) -> Result<Redo> {
    let segments = crate::journal::Segments::list(&*core.fs, &core.names)?;
    let (start, expected) = start_of_redo(&segments, applied);
    let from = applied.map_or(0, |applied| applied.seq);
    let mut redo = Redo::default();
    let path = core.names.segment(start.segment);
    if fs::stat_if_there(&*core.fs, &path).context("look at", &path)?.is_none() {
        return Ok(redo);
    }
    let found = scan(&*core.fs, &core.names, start, expected, &mut |record, line| {
        if record.seq > from {
            redo.add(record, &core.names.segment(line.place.segment), line.place.offset)?;
        }
        Ok(())
    })?;
    // Else an older version than was acknowledged would be served.
    check_end(core, &found, claims(core, head, applied)?)?;
    Ok(redo)
}
