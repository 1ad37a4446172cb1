//! Retention: segments that everybody has passed are dropped, oldest first.

use jiff::Timestamp;

use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::error::{Context, Result};
use crate::fs::{self, Open, Stat};
use crate::head::Applied;
use crate::journal::Segments;
use crate::recovery::roll_forward;

/// Drops what may be dropped: sealed segments that `applied` and every cursor have passed, once they are
/// old enough, or sooner when the journal is too large. Returns how many.
///
/// # Errors
/// What the disk says; what was not dropped is dropped next time.
pub fn retain(core: &Core) -> Result<usize> {
    if !anything_due(core)? {
        return Ok(0);
    }
    // Under the lock, as is the creation of a subscription: a new one never finds its start gone.
    let mut locked = core.lock.take()?;
    roll_forward(core, &mut locked)?;
    let passed = passed(core)?;
    let segments = Segments::list(&*core.fs, &core.names)?;
    let mut total: u64 = sizes(core, &segments)?.iter().map(|stat| stat.len).sum();
    let mut dropped = 0;
    for pair in segments.firsts().windows(2) {
        let [first, next] = *pair else { break };
        let path = core.names.segment(first);
        let stat = core.fs.stat(&path).context("look at", &path)?;
        if next > passed + 1 || !(is_old(core, &stat) || total > core.limits.retain_bytes) {
            break;
        }
        core.fs.remove_file(&path).context("remove", &path)?;
        // One at a time: two removals that persist in the other order would leave a hole.
        let folder = core.names.journal();
        core.fs.sync_dir(&folder).context("sync the folder", &folder)?;
        total = total.saturating_sub(stat.len);
        dropped += 1;
        tracing::info!(segment = first, "dropped a segment that everybody has passed");
    }
    Ok(dropped)
}

/// Whether the oldest segment is old, or the journal too large; without the lock.
fn anything_due(core: &Core) -> Result<bool> {
    let segments = Segments::list(&*core.fs, &core.names)?;
    if segments.firsts().len() < 2 {
        return Ok(false);
    }
    let stats = sizes(core, &segments)?;
    let total: u64 = stats.iter().map(|stat| stat.len).sum();
    Ok(total > core.limits.retain_bytes || stats.first().is_some_and(|stat| is_old(core, stat)))
}

fn sizes(core: &Core, segments: &Segments) -> Result<Vec<Stat>> {
    let mut stats = Vec::new();
    for first in segments.firsts() {
        let path = core.names.segment(*first);
        stats.extend(fs::stat_if_there(&*core.fs, &path).context("look at", &path)?);
    }
    Ok(stats)
}

fn is_old(core: &Core, stat: &Stat) -> bool {
    let age_ns = Timestamp::now().as_nanosecond() - stat.modified_ns;
    u128::try_from(age_ns).is_ok_and(|age_ns| age_ns > core.limits.retain_age.as_nanos())
}

/// The newest commit that `applied` and every cursor have passed, durably.
fn passed(core: &Core) -> Result<u64> {
    let mut passed = core.applied()?.map_or(0, |Applied { seq, .. }| seq);
    sync_register(core, &core.names.applied())?;
    for name in cursor::list(&*core.fs, &core.names)? {
        let value = cursor::peek(&*core.fs, &core.names, &name)?;
        // Read first, then synced: what is believed is what survives a power cut.
        sync_register(core, &core.names.cursor(&name))?;
        let settled = match value {
            Some(CursorValue { identity, next, folded, .. }) if identity == core.identity => {
                (next.seq - 1).min(folded)
            }
            _ => {
                tracing::warn!(
                    subscription = name,
                    "its cursor cannot be read: the whole journal is kept for it"
                );
                0
            }
        };
        passed = passed.min(settled);
    }
    Ok(passed)
}

fn sync_register(core: &Core, path: &std::path::Path) -> Result<()> {
    let file = core.fs.open(path, Open::Write).context("open", path)?;
    file.sync_data().context("sync", path)
}
