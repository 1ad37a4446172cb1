//! A flag that a thread waits for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Raised once.
#[derive(Debug, Default)]
pub struct Stopping {
    stopped: Mutex<bool>,
    raised: Condvar,
}

impl Stopping {
    /// Raises it.
    pub fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.raised.notify_all();
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for it, at most this long.
    pub fn wait(&self, longest: Duration) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.raised.wait_timeout_while(stopped, longest, |stopped| !*stopped));
    }
}
