//! The disk: its contents, and a log of every write and every flush, in their order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pages::Pages;

pub enum Op {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    /// It has completed: what was written before it is durable.
    Flush,
}

#[derive(Default)]
struct State {
    pages: Pages,
    /// The contents at the beginning of the log.
    before: Pages,
    log: Vec<Op>,
    /// How often other contents were loaded: a handle from before belongs to a device that should be gone.
    generation: u64,
    /// Writes of such a device.
    stale: usize,
}

impl State {
    fn restart(&mut self, pages: Pages) {
        self.before = pages.clone();
        self.pages = pages;
        self.log = Vec::new();
    }
}

#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// Everything that was told before this call is told to a cut here, or later.
    pub fn position(&self) -> usize {
        self.state().log.len()
    }

    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        self.state().pages.read(offset, length)
    }

    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Writes that came from a device of earlier contents, and were refused.
    pub fn stale(&self) -> usize {
        self.state().stale
    }

    pub fn write(&self, generation: u64, offset: u64, bytes: &[u8]) {
        let mut state = self.state();
        if generation != state.generation {
            state.stale += 1;
            return;
        }
        state.pages.write(offset, bytes);
        state.log.push(Op::Write { offset, bytes: bytes.to_vec() });
    }

    pub fn flush(&self) {
        self.state().log.push(Op::Flush);
    }

    /// Begins anew, with other contents.
    pub fn load(&self, pages: Pages) {
        let mut state = self.state();
        state.generation += 1;
        state.restart(pages);
    }

    /// What is there now counts as durable; the log begins here.
    pub fn begin(&self) {
        let mut state = self.state();
        let pages = state.pages.clone();
        state.restart(pages);
    }

    /// What there was at the beginning, and the log since; the contents stay, for whoever still uses them.
    pub fn take(&self) -> (Pages, Vec<Op>) {
        let mut state = self.state();
        let before = std::mem::take(&mut state.before);
        (before, std::mem::take(&mut state.log))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
