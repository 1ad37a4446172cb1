//! Which store: its id, and which of its lives.

use serde::{Deserialize, Serialize};

/// A store's id and epoch. Registers of another store, or of another epoch, are not believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// A UUID (v7), given when the store was made.
    pub store: String,
    /// Counts how often the sequence began anew; part of every event's id.
    pub epoch: u32,
}
