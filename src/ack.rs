//! Acks within a commit: moves of cursors that are durable with it.

use crate::position::Position;

/// A move of a cursor that is a part of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Settled up to here, or only this.
    pub position: Position,
    /// Only this event: others before it are not settled yet.
    pub only: bool,
    /// The last reset that the consumer had obeyed; after another one the move is refused.
    pub generation: u64,
}
