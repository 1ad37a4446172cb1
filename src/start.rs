//! Where a subscription begins.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::journal::Segments;
use crate::position::Position;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event that the journal still holds.
    Beginning,
    /// With what is committed from now on.
    Now,
    /// With what follows a position.
    After(Position),
}

/// The first position that a start means. Under `commit.lock`, so that it cannot be dropped meanwhile.
///
/// # Errors
/// [`Error::Compacted`] when it is no longer kept, [`Error::Invalid`] when it is beyond the head.
pub fn resolve(core: &Core, start: Start, head: &Head) -> Result<Position> {
    let there = Segments::list(&*core.fs, &core.names)?.oldest().unwrap_or(1);
    // What is about to be dropped is no beginning.
    let kept = core.applied()?.and_then(|applied| applied.oldest).filter(|kept| *kept <= head.seq);
    let oldest = there.max(kept.unwrap_or(1));
    match start {
        Start::Beginning => Ok(Position::new(oldest, 0)),
        Start::Now => Ok(Position::new(head.seq + 1, 0)),
        Start::After(asked) if asked.seq > head.seq => Err(Error::Invalid(format!(
            "position {asked} is beyond the head, which is at {}; use `now` for what comes from here on",
            head.seq
        ))),
        Start::After(asked) if asked.next() < Position::new(oldest, 0) => {
            Err(Error::Compacted { asked, oldest: Position::end_of(oldest - 1) })
        }
        Start::After(asked) => Ok(asked.next()),
    }
}
