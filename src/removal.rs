//! Removing the segments that were dropped. Which those are stands in `applied`, durably, before the first
//! is removed: where a power cut brings one back, it is void and removed again.

use crate::core::Core;
use crate::error::{Context, Result};
use crate::journal::Segments;

/// Removes segments that were dropped and that a power cut brought back, or a kill has left.
///
/// # Errors
/// What the disk says.
pub fn remove_what_came_back(core: &Core) -> Result<()> {
    let Some(oldest) = core.applied()?.and_then(|applied| applied.oldest) else { return Ok(()) };
    let segments = Segments::list(&*core.fs, &core.names)?;
    // Without that one it is a journal that was restored from an older copy.
    if segments.firsts().contains(&oldest) {
        remove_before(core, &segments, oldest)?;
    }
    Ok(())
}

/// Removes the segments before the one of this name, oldest first; how many.
///
/// # Errors
/// What the disk says.
pub fn remove_before(core: &Core, segments: &Segments, oldest: u64) -> Result<usize> {
    let mut removed = 0;
    for first in segments.firsts().iter().filter(|first| **first < oldest) {
        let path = core.names.segment(*first);
        core.fs.remove_file(&path).context("remove", &path)?;
        // One at a time, so that whoever only reads after a power cut finds no hole.
        let folder = core.names.journal();
        core.fs.sync_dir(&folder).context("sync the folder", &folder)?;
        removed += 1;
        tracing::info!(segment = first, "dropped a segment that everybody has passed");
    }
    Ok(removed)
}
