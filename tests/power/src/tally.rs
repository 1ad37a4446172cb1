//! What was counted.

use std::fmt;

use crate::disk::Op;
use crate::history::History;
use crate::judge::Found;

#[derive(Default)]
pub struct Tally {
    pub writes: usize,
    pub flushes: usize,
    pub commits: usize,
    pub delivered: usize,
    /// Images in which docbox was looked at.
    pub images: usize,
    /// Of them, those of a second cut.
    pub again: usize,
    /// The filesystem did not mount.
    pub refused: Vec<String>,
    pub redelivered: usize,
    pub with_kept_aside: usize,
    pub wrong: Vec<String>,
}

impl Tally {
    pub fn of(log: &[Op], history: &History) -> Self {
        let flushes = log.iter().filter(|op| matches!(op, Op::Flush)).count();
        Self {
            writes: log.len() - flushes,
            flushes,
            commits: history.acks.len(),
            delivered: history.delivered.len(),
            ..Self::default()
        }
    }

    pub fn add(&mut self, found: &Found) {
        self.images += 1;
        self.redelivered = self.redelivered.max(found.redelivered);
        self.with_kept_aside += usize::from(found.kept_aside > 0);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, flushes, commits, delivered, .. } = self;
        write!(
            formatter,
            "{commits} commits acknowledged, {delivered} events delivered, {writes} writes and {flushes} flushes of the disk"
        )
    }
}
