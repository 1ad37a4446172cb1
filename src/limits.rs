//! How large things may grow.

use std::time::Duration;

use crate::journal::Sizes;

/// Sizes and ages; the defaults are those of docs/architecture.md.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How the journal is cut up.
    pub sizes: Sizes,
    /// `applied` moves after this much of journal.
    pub checkpoint_bytes: u64,
    /// `applied` moves after this long without a commit.
    pub checkpoint_idle: Duration,
    /// The journal is kept this long.
    pub retain_age: Duration,
    /// Or shorter, once it is larger than this.
    pub retain_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sizes: Sizes::default(),
            checkpoint_bytes: 16 << 20,
            checkpoint_idle: Duration::from_secs(5),
            retain_age: Duration::from_hours(7 * 24),
            retain_bytes: 1 << 30,
        }
    }
}
