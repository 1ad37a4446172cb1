//! What a store does with its subscriptions.

use std::time::Duration;

use jiff::Timestamp;

use super::Store;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::events::Events;
use crate::lag::Meter;
use crate::opening::SubscriptionBuilder;
use crate::pause::Pause;
use crate::pausing;
use crate::position::Position;
use crate::removing::remove;
use crate::renaming::rename;
use crate::reset::{Gap, reset, reset_over_gap};
use crate::start::Start;
use crate::status::SubscriptionStatus;
use crate::waiting;

impl Store {
    /// A subscription, to be opened.
    pub fn subscribe(&self, name: impl Into<String>) -> SubscriptionBuilder {
        SubscriptionBuilder::new(self.clone(), name.into())
    }

    /// A look at the events, without a cursor.
    ///
    /// # Errors
    /// [`Error::Compacted`], [`Error::Invalid`] for a start beyond the head.
    pub fn events(&self, start: Start) -> Result<Events> {
        Events::new(self.clone(), start)
    }

    /// Makes a subscription go on from elsewhere; a consumer that runs now goes there at once. What is
    /// settled then, that is: the position after which it goes on.
    ///
    /// # Errors
    /// [`Error::NoSubscription`], [`Error::Compacted`], [`Error::Invalid`].
    pub fn reset(&self, subscription: &str, to: Start) -> Result<Position> {
        reset(self.core(), subscription, to).map(Position::before)
    }

    /// [`Store::reset`], also where what follows `to`, or what the subscription has not got yet, is no longer kept:
    /// it goes on with the oldest event that is. The gap, if there is one, is written down as an event
    /// `docbox.gap` before.
    ///
    /// # Errors
    /// [`Error::NoSubscription`], [`Error::Invalid`]; as [`Store::commit`].
    pub fn reset_over_gap(&self, subscription: &str, to: Start) -> Result<(Position, Option<Gap>)> {
        let (next, gap) = reset_over_gap(self.core(), subscription, to)?;
        Ok((next.before(), gap))
    }

    /// Makes a subscription hand nothing over until it is resumed, or until a time; a consumer that runs obeys
    /// at once, and may settle what it has in hand. Nothing is lost: the journal is kept for it.
    ///
    /// ```
    /// use docbox::{Event, Start, Store, Transaction};
    /// # let folder = tempfile::tempdir().unwrap();
    /// let store = Store::open(folder.path())?;
    /// let mut mail = store.subscribe("mail").from(Start::Beginning).open()?;
    /// store.commit(Transaction::new().emit(Event::bare("AgentCompleted")))?;
    /// store.pause("mail", Some("the relay is down"), None)?;
    /// assert!(mail.catch_up().next().is_none());
    /// store.resume("mail")?;
    /// assert!(mail.catch_up().next().is_some());
    /// # Ok::<(), docbox::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; [`Error::Invalid`] for an end that has passed, or a reason of more than 1,024
    /// bytes or with control characters.
    pub fn pause(
        &self,
        subscription: &str,
        reason: Option<&str>,
        until: Option<Timestamp>,
    ) -> Result<()> {
        pausing::set(self.core(), subscription, Some(Pause::new(reason, until)?))
    }

    /// Lets a subscription go on that was paused; of one that was not, nothing changes.
    ///
    /// # Errors
    /// [`Error::NoSubscription`].
    pub fn resume(&self, subscription: &str) -> Result<()> {
        pausing::set(self.core(), subscription, None)
    }

    /// Gives a subscription another name, under which it goes on where it is. A consumer that runs is asked to
    /// end ([`Error::NoSubscription`]), and waited for.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; [`Error::Invalid`] for a name that is taken, and while it has dead letters;
    /// [`Error::Busy`] when a consumer does not let go of what it has in hand within 10 s.
    pub fn rename(&self, subscription: &str, to: &str) -> Result<()> {
        rename(self.core(), subscription, to)
    }

    /// Removes a subscription: it holds no segments any more, and a consumer that runs ends
    /// ([`Error::NoSubscription`]). One that is made under its name later is another.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; [`Error::Invalid`] while it has dead letters.
    pub fn remove(&self, subscription: &str) -> Result<()> {
        remove(self.core(), subscription)
    }

    /// Waits until a subscription has settled everything up to a position that it wants, whoever consumes it
    /// and wherever, at most this long. Whether it has.
    ///
    /// # Errors
    /// [`Error::NoSubscription`], also when it is removed meanwhile; [`Error::Cursor`].
    pub fn wait_for(&self, subscription: &str, to: Position, timeout: Duration) -> Result<bool> {
        waiting::wait_for(self.core(), subscription, to, timeout)
    }

    /// Waits until subscriptions have settled everything up to the head of this moment, at most this long in
    /// all. Whether all have.
    ///
    /// # Errors
    /// As [`Store::wait_for`].
    pub fn drain<N: AsRef<str>>(&self, subscriptions: &[N], timeout: Duration) -> Result<bool> {
        waiting::drain(self.core(), subscriptions, timeout)
    }

    /// Every subscription: how far it is, and who consumes it.
    ///
    /// # Errors
    /// What the disk says; [`Error::Corrupt`].
    pub fn subscriptions(&self) -> Result<Vec<SubscriptionStatus>> {
        SubscriptionStatus::all(self.core())
    }

    /// Looks at the subscriptions again and again, and says how fast they are.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter::new(self.clone())
    }
}
