//! The event that goes with a change: `--event`, `--data`, `--subject`.

use docbox::{Event, Key, Transaction};

use super::args::Announce;
use super::failure::Result;

impl Announce {
    /// Adds the event, if one is wanted.
    pub fn add_to(&self, transaction: Transaction, key: &Key) -> Result<Transaction> {
        let Some(kind) = &self.event else { return Ok(transaction) };
        let subject = self.subject.as_deref().unwrap_or(key.as_str());
        let mut event = Event::bare(kind).subject(subject);
        if let Some(data) = &self.data {
            event = event.with_json(data)?;
        }
        Ok(transaction.emit(event))
    }
}
