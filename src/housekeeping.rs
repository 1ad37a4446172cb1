//! Housekeeping: one thread in every store that is open for writing.
//!
//! It rolls forward what a dead writer left behind the head, syncs cursors, moves `applied`, and drops
//! segments, snapshots and what waits in the spool for nobody. All of it may fail and is tried again; nothing
//! waits for it.

use std::time::{Duration, Instant};

use crate::checkpoint::checkpoint;
use crate::core::Core;
use crate::error::Result;
use crate::head::Head;
use crate::journal::Place;
use crate::recovery::roll_forward;
use crate::retention::retain;
use crate::sweep::sweep;
use crate::sync::{Arc, PoisonError};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps house until the store is closed.
pub fn keep(core: &Arc<Core>) {
    let mut round = Round { moved: Instant::now(), head: None, checkpointed: None, said: None };
    loop {
        core.stopping.wait(EVERY);
        if core.is_closed() || core.stopping.is_stopped() {
            return;
        }
        match round.go(core) {
            Ok(()) => round.said = None,
            Err(error) => {
                let text = error.to_string();
                // Said once, not every second.
                if round.said.as_ref() != Some(&text) {
                    tracing::warn!(%error, "housekeeping failed; it is tried again");
                    round.said = Some(text);
                }
            }
        }
    }
}

/// What the thread remembers from one look to the next.
struct Round {
    /// When the head was last seen to move.
    moved: Instant,
    head: Option<Head>,
    /// The head of the last checkpoint.
    checkpointed: Option<Head>,
    /// The complaint that was made last.
    said: Option<String>,
}

impl Round {
    fn go(&mut self, core: &Core) -> Result<()> {
        let cursors = sync_cursors(core);
        let head = core.head()?;
        if Place::after(&*core.fs, &core.names, &head)?.has_lines(&*core.fs, &core.names)?
            && let Some(mut locked) = core.lock.try_take()?
        {
            // Alive writers hold the lock until the head has moved: this one died.
            roll_forward(core, &mut locked)?;
        }
        if self.head.as_ref().is_none_or(|before| before.seq != head.seq) {
            self.moved = Instant::now();
            self.head = Some(head.clone());
        }
        let is_due = self.is_checkpoint_due(core, &head);
        if is_due {
            checkpoint(core)?;
            self.checkpointed = Some(head);
            // From time to time it is seen what others put into it.
            core.spool.forget_if_stale();
            retain(core)?;
        }
        if core.spool.has_surplus(&core.documents, is_due)?
            && let Some(_locked) = core.lock.try_take()?
        {
            core.spool.remove_surplus(&core.documents)?;
        }
        // What the cursors have passed, once that is durable.
        cursors.and_then(|()| sweep(core))
    }

    fn is_checkpoint_due(&self, core: &Core, head: &Head) -> bool {
        // What others left undone counts from the first look on.
        let Some(last) = &self.checkpointed else { return true };
        if last.seq == head.seq {
            return false;
        }
        let grown = if last.segment == head.segment {
            head.offset.saturating_sub(last.offset)
        } else {
            // Segments in between are full, or nearly.
            core.limits.sizes.segment_bytes
        };
        grown >= core.limits.checkpoint_bytes || self.moved.elapsed() >= core.limits.checkpoint_idle
    }
}

/// Makes the cursors of this process durable that moved since.
///
/// # Errors
/// What the disk says; it is tried again.
pub fn sync_cursors(core: &Core) -> Result<()> {
    let mut cursors = core.cursors.lock().unwrap_or_else(PoisonError::into_inner);
    let held = std::mem::take(&mut *cursors);
    drop(cursors);
    let mut result = Ok(());
    let mut keep = Vec::new();
    for cursor in held {
        // Nobody but this list: the subscription was dropped, and another consumer may have it by now.
        let is_left = Arc::strong_count(&cursor) == 1;
        let mut guard = cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let synced = if is_left { guard.sync_as_is() } else { guard.sync() };
        drop(guard);
        if !is_left || synced.is_err() {
            keep.push(cursor);
        }
        result = result.and(synced);
    }
    core.cursors.lock().unwrap_or_else(PoisonError::into_inner).extend(keep);
    result
}
