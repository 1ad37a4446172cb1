//! The bell: wakes whoever waits for the head to move. A bell, never a letter: it carries nothing, it
//! may ring for nothing, and a ring that is lost costs delay only.

use std::path::Path;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// While a watcher lives, a look is taken this often all the same.
const WATCHED: Duration = Duration::from_secs(1);
/// Where no watcher can be had, this often.
const UNWATCHED: Duration = Duration::from_millis(20);

/// A bell that counts its rings.
#[derive(Debug)]
pub struct Bell {
    inner: Arc<Inner>,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Inner {
    rings: Mutex<Rings>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct Rings {
    count: u64,
    /// How many wait: to wake nobody would cost a call.
    waiting: usize,
}

#[derive(Debug)]
enum Watch {
    NotYet,
    /// Kept for its thread.
    Watching(#[expect(dead_code, reason = "it watches as long as it lives")] RecommendedWatcher),
    Polling,
}

impl Bell {
    /// A bell that nothing but this process rings yet.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Arc::default(), watch: Mutex::new(Watch::NotYet) }
    }

    /// Rings.
    pub fn ring(&self) {
        self.inner.ring();
    }

    /// How often it has rung. Ask before you look at the head; then [`Bell::wait`] with the answer
    /// misses nothing.
    #[must_use]
    pub fn rings(&self) -> u64 {
        self.inner.lock().count
    }

    /// Lets other processes ring it too, by the changes of a file. Where that cannot be had, waiting is
    /// polling.
    pub fn watch(&self, path: &Path, can_watch: bool) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*watch, Watch::NotYet) {
            return;
        }
        if !can_watch {
            *watch = Watch::Polling;
            return;
        }
        match start(Arc::downgrade(&self.inner), path) {
            Ok(watcher) => *watch = Watch::Watching(watcher),
            Err(error) => {
                *watch = Watch::Polling;
                tracing::warn!(
                    %error,
                    every_ms = UNWATCHED.as_millis(),
                    "the system does not tell of changes; looking for them instead"
                );
            }
        }
    }

    /// Waits until it has rung more often than `seen`, but no longer than until `deadline`, nor longer
    /// than it is good to trust the watcher. Whether it has rung.
    pub fn wait(&self, seen: u64, deadline: Option<Instant>) -> bool {
        let polling =
            matches!(*self.watch.lock().unwrap_or_else(PoisonError::into_inner), Watch::Polling);
        let mut patience = if polling { UNWATCHED } else { WATCHED };
        if let Some(deadline) = deadline {
            patience = patience.min(deadline.saturating_duration_since(Instant::now()));
        }
        let mut rings = self.inner.lock();
        rings.waiting += 1;
        let is_silent = |rings: &mut Rings| rings.count == seen;
        let waited = self.inner.rung.wait_timeout_while(rings, patience, is_silent);
        let (mut rings, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        rings.waiting -= 1;
        !waited.timed_out()
    }
}

impl Inner {
    fn ring(&self) {
        let mut rings = self.lock();
        rings.count += 1;
        if rings.waiting > 0 {
            drop(rings);
            self.rung.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(bell: Weak<Inner>, path: &Path) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file rings as well: to answer that with another look would never end.
        if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            return;
        }
        if let Some(bell) = bell.upgrade() {
            bell.ring();
        }
    })?;
    watcher.watch(path, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicBool, Ordering};
    use crate::sync::tests::{under_every_schedule, under_many_schedules};
    use crate::sync::thread;

    /// Some wait for news, of which a ring tells.
    fn ring_for(waiting: usize) {
        let (bell, news) = (Arc::new(Bell::new()), Arc::new(AtomicBool::new(false)));
        let waits: Vec<_> = (0..waiting)
            .map(|_| {
                let (bell, news) = (Arc::clone(&bell), Arc::clone(&news));
                thread::spawn(move || {
                    loop {
                        let rings = bell.rings();
                        if news.load(Ordering::Acquire) {
                            return;
                        }
                        bell.wait(rings, None);
                    }
                })
            })
            .collect();
        news.store(true, Ordering::Release);
        bell.ring();
        for wait in waits {
            wait.join().unwrap();
        }
    }

    #[test]
    fn a_ring_between_the_look_and_the_wait_is_never_missed() {
        under_every_schedule(|| ring_for(1));
        under_many_schedules(4_000, || ring_for(3));
    }
}
