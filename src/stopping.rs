//! A flag that a thread waits for.

use std::time::Duration;

use crate::sync::{Condvar, Mutex, PoisonError};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::tests::under_every_schedule;
    use crate::sync::{Arc, thread};

    #[test]
    fn all_who_wait_hear_of_a_stop_at_whatever_moment_it_comes() {
        under_every_schedule(|| {
            let stopping = Arc::new(Stopping::default());
            let waits = [(); 2].map(|()| {
                let stopping = Arc::clone(&stopping);
                thread::spawn(move || {
                    stopping.wait(Duration::from_secs(1));
                    assert!(stopping.is_stopped());
                })
            });
            stopping.stop();
            for wait in waits {
                wait.join().unwrap();
            }
        });
    }
}
