//! Disposal: the space of removed files is given back by a thread of its own.
//!
//! Where a filesystem tells the disk of each block that it frees (ext4 mounted with `discard`), whoever lets go of a
//! file that has lost its last name waits for the disk as long as for a sync. A commit that removes one, under
//! `commit.lock` and with others behind it, does not: it hands over what keeps the space, and goes on.

use std::collections::VecDeque;

use crate::fs::Nameless;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread};

/// The most that wait: each is a descriptor. Who comes with one more waits for the disk.
const MOST: usize = 256;

/// What is to be let go of.
#[derive(Debug)]
pub struct Disposal<T: Send + 'static = Nameless>(Arc<Heap<T>>);

#[derive(Debug)]
struct Heap<T> {
    state: Mutex<State<T>>,
    told: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Whether there is a thread: from the first thing on, until the end.
    is_served: bool,
    has_ended: bool,
}

impl<T: Send + 'static> Default for Disposal<T> {
    fn default() -> Self {
        let state = State { waiting: VecDeque::new(), is_served: false, has_ended: false };
        Self(Arc::new(Heap { state: Mutex::new(state), told: Condvar::new() }))
    }
}

impl<T: Send + 'static> Disposal<T> {
    /// Takes something, to let go of it soon: at once where too much waits already, or no thread can be had.
    pub fn take(&self, thing: T) {
        let mut state = self.0.lock();
        if state.waiting.len() >= MOST {
            drop(state);
            drop(thing);
            return;
        }
        if !state.is_served {
            let heap = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("docbox-disposal".into());
            state.is_served = thread.spawn(move || heap.serve()).is_ok();
        }
        if state.is_served {
            state.waiting.push_back(thing);
            self.0.told.notify_one();
        }
    }
}

impl<T: Send + 'static> Drop for Disposal<T> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.told.notify_one();
    }
}

impl<T> Heap<T> {
    /// Lets go of one after the other, until there are no more and will be none.
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(thing) = state.waiting.pop_front() {
                drop(state);
                drop(thing);
                state = self.lock();
            } else if state.has_ended {
                return;
            } else {
                state = self.told.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::tests::under_many_schedules;

    /// Says when it is let go of.
    struct Thing(Arc<(Mutex<bool>, Condvar)>);

    impl Drop for Thing {
        fn drop(&mut self) {
            *self.0.0.lock().unwrap() = true;
            self.0.1.notify_all();
        }
    }

    #[test]
    fn one_after_the_other_is_let_go_of_whether_the_thread_waits_or_works() {
        let go = || {
            let disposal = Disposal::default();
            for _ in 0..2 {
                let gone = Arc::new((Mutex::new(false), Condvar::new()));
                disposal.take(Thing(Arc::clone(&gone)));
                let (gone, told) = &*gone;
                drop(told.wait_while(gone.lock().unwrap(), |gone| !*gone).unwrap());
            }
        };
        // Too many schedules to try them all.
        under_many_schedules(2_000, go);
    }
}
