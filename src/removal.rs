//! Removing the segments that were dropped. Which those are stands in `applied`, durably, before the first
//! is removed: where a power cut brings one back, it is void and removed again.

use crate::archive;
use crate::aside;
use crate::core::Core;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Open};
use crate::journal::Segments;
use crate::policy::{Archive, policy};

/// Removes segments that were dropped and that a power cut brought back, or a kill has left.
///
/// # Errors
/// What the disk says.
pub fn remove_what_came_back(core: &Core) -> Result<()> {
    let Some(oldest) = core.applied()?.and_then(|applied| applied.oldest) else { return Ok(()) };
    let segments = Segments::list(&*core.fs, &core.names)?;
    // Without that one it is a journal that was restored from an older copy.
    if segments.firsts().contains(&oldest) {
        let archive = policy(core)?.archive;
        for pair in segments.firsts().windows(2).filter(|pair| pair[1] <= oldest) {
            let [first, next] = *pair else { break };
            if let Err(error) = remove(core, archive.as_ref(), first, next) {
                if archive.is_none() {
                    return Err(error);
                }
                set_aside(core, first, &error)?;
            }
        }
    }
    Ok(())
}

/// An archive that cannot be reached is no reason not to open the store.
fn set_aside(core: &Core, first: u64, error: &Error) -> Result<()> {
    let path = core.names.segment(first);
    let file = core.fs.open(&path, Open::Read).context("open", &path)?;
    let bytes = fs::read_all(&*file).context("read", &path)?;
    let prefix = format!("segment-{first}.");
    let kept = aside::keep(&*core.fs, &core.names.recovered(), &prefix, &bytes)?;
    tracing::warn!(segment = first, %error, kept = %kept.display(), "could not be archived, and was kept aside");
    remove(core, None, first, first)
}

/// Removes the segments before the one of this name, oldest first; how many.
///
/// # Errors
/// What the disk says.
pub fn remove_before(
    core: &Core,
    segments: &Segments,
    archive: Option<&Archive>,
    oldest: u64,
) -> Result<usize> {
    let mut removed = 0;
    for pair in segments.firsts().windows(2).filter(|pair| pair[1] <= oldest) {
        let [first, next] = *pair else { break };
        remove(core, archive, first, next)?;
        removed += 1;
    }
    Ok(removed)
}

/// Removes one, once it is in the archive.
fn remove(core: &Core, archive: Option<&Archive>, first: u64, next: u64) -> Result<()> {
    if let Some(archive) = archive {
        let kept = archive::keep(core, archive, first, next)?;
        tracing::info!(segment = first, kept = %kept.display(), "archived");
    }
    // Another store may be under that name by now.
    core.lock.check_home()?;
    let path = core.names.segment(first);
    core.fs.remove_file(&path).context("remove", &path)?;
    // One at a time, so that whoever only reads after a power cut finds no hole.
    let folder = core.names.journal();
    core.fs.sync_dir(&folder).context("sync the folder", &folder)?;
    tracing::info!(segment = first, "dropped a segment that everybody has passed");
    Ok(())
}
