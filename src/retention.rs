//! Retention: segments that everybody has passed are dropped, oldest first. Where that is all that the journal has, a
//! new segment is begun, and the one that was written to last goes with the rest.

use jiff::Timestamp;

use crate::applied::Held;
use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::definition::Definition;
use crate::error::{Context, Result};
use crate::fs::{self, Open, Stat};
use crate::head::{Applied, Head};
use crate::journal::Segments;
use crate::lock::Locked;
use crate::policy::{Policy, policy};
use crate::recovery::roll_forward;
use crate::register::Register;
use crate::removal::remove_before;

/// Drops what may be dropped: segments that `applied` and every cursor have passed, once they are old enough, or
/// sooner when the journal is too large; the one that is written to only where that saves anything. Returns how
/// many.
///
/// # Errors
/// What the disk says; what was not dropped is dropped next time.
pub fn retain(core: &Core) -> Result<usize> {
    let policy = policy(core)?;
    if !anything_due(core, &policy)? {
        return Ok(0);
    }
    let Some(mut taken) = Held::try_take(core)? else { return Ok(0) };
    let Some(applied) = taken.value().cloned() else { return Ok(0) };
    // Under the lock, as is the creation of a subscription: a new one never finds its start gone.
    let mut locked = core.lock.take()?;
    let head = roll_forward(core, &mut locked)?;
    let segments = Segments::list(&*core.fs, &core.names)?;
    let Some(oldest) = oldest_kept(core, &policy, &segments, &applied, &head)? else {
        return Ok(0);
    };
    let segments = if oldest > head.seq {
        begin_behind(&mut locked, &head)?;
        Segments::list(&*core.fs, &core.names)?
    } else {
        segments
    };
    if applied.oldest != Some(oldest) {
        // First said, then done: where the sync of a removal fails, no later one makes it durable.
        taken.write_durably(Applied { oldest: Some(oldest), ..applied })?;
    }
    // It is decided: nobody begins before that any more. Nobody need wait for the archive to be written.
    drop(locked);
    remove_before(core, &segments, policy.archive.as_ref(), oldest)
}

/// Begins a segment behind the head, durably, and moves the head there, so that nothing needs the one before.
fn begin_behind(locked: &mut Locked<'_>, head: &Head) -> Result<()> {
    let place = locked.begin_behind(head)?;
    let (last, offset) = (place.offset, place.offset);
    locked.write_head(&Head { segment: place.segment, last, offset, ..head.clone() })?;
    Ok(())
}

/// The first segment that is kept, which may be one that is to be begun behind the head; `None` when nothing is to
/// be dropped.
fn oldest_kept(
    core: &Core,
    policy: &Policy,
    segments: &Segments,
    applied: &Applied,
    head: &Head,
) -> Result<Option<u64>> {
    let passed = passed(core)?;
    let mut total: u64 = sizes(core, segments)?.iter().map(|stat| stat.len).sum();
    let mut kept = applied.oldest;
    for (first, next) in with_lines(segments, head) {
        let path = core.names.segment(first);
        let stat = core.fs.stat(&path).context("look at", &path)?;
        let is_decided = applied.oldest.is_some_and(|oldest| next <= oldest);
        let is_needed = next > passed + 1 || !is_worth_it(core, segments, (first, next), head);
        if !is_decided && (is_needed || !policy.outlives(&stat, total)) {
            break;
        }
        total = total.saturating_sub(stat.len);
        kept = Some(next);
    }
    Ok(kept.filter(|kept| segments.oldest().is_some_and(|oldest| oldest < *kept)))
}

/// The segments that hold lines, each with the first commit that it does not hold.
fn with_lines(segments: &Segments, head: &Head) -> Vec<(u64, u64)> {
    let firsts = segments.firsts().iter().copied().filter(|first| *first <= head.seq);
    let nexts = firsts.clone().skip(1).chain([head.seq + 1]);
    firsts.zip(nexts).collect()
}

/// Whether dropping a segment saves anything: the last one only if it holds more than the new one that would be
/// begun behind it is filled with.
fn is_worth_it(core: &Core, segments: &Segments, (first, next): (u64, u64), head: &Head) -> bool {
    next <= head.seq
        || segments.newest() != Some(first)
        || head.offset > core.limits.sizes.fill_bytes
}

/// Whether the oldest segment is old, or the journal too large; without the lock.
fn anything_due(core: &Core, policy: &Policy) -> Result<bool> {
    let segments = Segments::list(&*core.fs, &core.names)?;
    let stats = sizes(core, &segments)?;
    let total: u64 = stats.iter().map(|stat| stat.len).sum();
    if total <= core.limits.sizes.fill_bytes {
        // A segment without lines has as much.
        return Ok(false);
    }
    let is_decided = segments.oldest() < core.applied()?.and_then(|applied| applied.oldest);
    Ok(is_decided || stats.first().is_some_and(|stat| policy.outlives(stat, total)))
}

/// A segment that is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealed {
    /// The first commit of the segment after it.
    pub next: u64,
    /// Its bytes.
    pub len: u64,
    /// In how many seconds it is old enough to be dropped; negative once it is.
    pub due_in_s: Option<f64>,
    /// Whether it would be dropped if nobody needed it.
    pub is_outlived: bool,
}

/// The sealed segments, oldest first. From files alone, without a lock.
///
/// # Errors
/// What the disk says.
pub fn outlived(core: &Core) -> Result<Vec<Sealed>> {
    let policy = policy(core)?;
    let segments = Segments::list(&*core.fs, &core.names)?;
    let mut total: u64 = sizes(core, &segments)?.iter().map(|stat| stat.len).sum();
    let mut all = Vec::new();
    for pair in segments.firsts().windows(2) {
        let [first, next] = *pair else { break };
        let path = core.names.segment(first);
        let Some(stat) = fs::stat_if_there(&*core.fs, &path).context("look at", &path)? else {
            continue;
        };
        let is_outlived = policy.outlives(&stat, total);
        total = total.saturating_sub(stat.len);
        let due_in_s = (!policy.keep_all).then(|| policy.age.as_secs_f64() - age_s(&stat));
        all.push(Sealed { next, len: stat.len, due_in_s, is_outlived });
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "of an age in nanoseconds")]
fn age_s(stat: &Stat) -> f64 {
    (Timestamp::now().as_nanosecond() - stat.modified_ns) as f64 / 1e9
}

fn sizes(core: &Core, segments: &Segments) -> Result<Vec<Stat>> {
    let mut stats = Vec::new();
    for first in segments.firsts() {
        let path = core.names.segment(*first);
        stats.extend(fs::stat_if_there(&*core.fs, &path).context("look at", &path)?);
    }
    Ok(stats)
}

impl Policy {
    /// Whether the oldest segment is old, or the journal, which has so many bytes, too large.
    fn outlives(&self, oldest: &Stat, total: u64) -> bool {
        let age_ns = Timestamp::now().as_nanosecond() - oldest.modified_ns;
        let is_old = u128::try_from(age_ns).is_ok_and(|age_ns| age_ns > self.age.as_nanos());
        !self.keep_all && (is_old || total > self.bytes)
    }
}

/// The newest commit that `applied` and every cursor have passed, durably.
fn passed(core: &Core) -> Result<u64> {
    let path = core.names.applied();
    let applied = Register::<Applied>::open(&*core.fs, &path, Open::Read)?;
    let applied = applied.map(|register| register.survivors()).transpose()?.flatten();
    let mut passed = applied.map_or(0, |values| {
        let own = |value: &Applied| (value.identity == core.identity).then_some(value.seq);
        values.iter().map(|value| own(value).unwrap_or(0)).min().unwrap_or(0)
    });
    for name in cursor::list(&*core.fs, &core.names)? {
        passed = passed.min(settled(core, &name)?);
    }
    Ok(passed)
}

/// The newest commit that a subscription needs no more, whatever a power cut leaves of its cursor, and
/// once it has obeyed a reset.
fn settled(core: &Core, name: &str) -> Result<u64> {
    let values = cursor::survivors(&*core.fs, &core.names, name)?;
    if values.is_empty() || values.iter().any(|value| value.identity != core.identity) {
        tracing::warn!(
            subscription = name,
            "its cursor cannot be read: the whole journal is kept for it"
        );
        return Ok(0);
    }
    let definition = Definition::read(&*core.fs, &core.names, name)?;
    let needed = |value: &CursorValue| {
        let request = definition.as_ref().and_then(|it| it.request_after(value.generation));
        let next = request.map_or(value.next, |request| request.next.min(value.next));
        (next.first_commit() - 1).min(value.folded)
    };
    Ok(values.iter().map(needed).min().unwrap_or(0))
}
