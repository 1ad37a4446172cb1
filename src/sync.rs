//! Threads and what they share. The one place that names std's, so that the tests of this crate can put
//! those of a checker in their place.
//!
//! In the unit tests every lock, every wait and every thread of the crate is shuttle's: one test runs the
//! real code under thousands of schedules, chosen at random or all of them in turn. A wait never times
//! out there, so whoever relies on the next look, a second later, is found waiting for ever.

#[cfg(test)]
pub mod tests;

#[cfg(test)]
pub use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak, atomic};
#[cfg(test)]
pub use shuttle::thread;
#[cfg(not(test))]
pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak, atomic};
#[cfg(not(test))]
pub use std::thread;
