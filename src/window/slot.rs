//! An event of the window, and where it is.

use std::time::Instant;

use crate::attempts::Failure;
use crate::event::RecordedEvent;
use crate::position::Position;
use crate::sync::Arc;

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be handed over.
    Waiting,
    /// With the consumer, who says in time what became of it.
    Out { flight: u64, deadline: Option<Instant> },
    /// To be handed over again, not before this.
    Backoff { until: Instant },
    /// Settled by a commit that is in the journal, or may be.
    InDoubt,
    /// Done.
    Settled,
}

/// An event of the window.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) position: Position,
    /// `None` of what was settled before it was read.
    pub(super) event: Option<Arc<RecordedEvent>>,
    pub(super) attempt: u32,
    pub(super) failures: Vec<Failure>,
    pub(super) state: State,
}

impl Slot {
    /// Whether nothing is to be said of it but that it waits.
    pub(super) fn is_untouched(&self) -> bool {
        self.attempt == 0 && self.state == State::Waiting
    }
}
