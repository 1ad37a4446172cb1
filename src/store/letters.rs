//! The dead letters of a store's subscriptions.

use super::Store;
use crate::dead::{self, Letters};
use crate::dead_letter::DeadLetter;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::position::Position;

impl Store {
    /// The dead letters of a subscription, in order. One that was edited to something else is an error of its
    /// own, with line and column.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; what the disk says.
    pub fn dead_letters(&self, subscription: &str) -> Result<Vec<Result<DeadLetter>>> {
        dead::list(self.core(), subscription)
    }

    /// The dead letter of a subscription at a position; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Json`], with line and column, or [`Error::Invalid`] for what is no letter any more;
    /// [`Error::NoSubscription`]; what the disk says.
    pub fn dead_letter(&self, subscription: &str, at: Position) -> Result<Option<DeadLetter>> {
        dead::find(self.core(), subscription, at)
    }

    /// Where a subscription has dead letters, in order.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; what the disk says.
    pub fn dead_letter_positions(&self, subscription: &str) -> Result<Vec<Position>> {
        dead::list_positions(self.core(), subscription)
    }

    /// Has dead letters delivered again, by the consumer of their subscription or the next one, before newer
    /// events and with attempts counted anew; the cursor does not move. They may be edited before. An ack
    /// removes the letter; what fails once more is put back. Which letters: those that are to be delivered
    /// already are not among them.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; [`Error::Json`], with line and column, or [`Error::Invalid`] for one that is no
    /// letter any more: then none is delivered; [`Error::Conflict`] for one that is edited at this moment.
    pub fn redrive(&self, subscription: &str, which: &Letters) -> Result<Vec<Position>> {
        dead::redrive(self.core(), subscription, which, true)
    }

    /// Which letters [`Store::redrive`] would have delivered again.
    ///
    /// # Errors
    /// As [`Store::redrive`].
    pub fn would_redrive(&self, subscription: &str, which: &Letters) -> Result<Vec<Position>> {
        dead::redrive(self.core(), subscription, which, false)
    }

    /// Drops dead letters for good. Which.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; as [`Store::commit`].
    pub fn drop_dead_letters(&self, subscription: &str, which: &Letters) -> Result<Vec<Position>> {
        dead::drop_letters(self.core(), subscription, which)
    }
}
