//! What the processes of one disk share: the filesystem, the locks, who is alive.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use docbox::fs::Lock;

use super::edits::Inode;
use super::hook::{Answer, Call, Hook};
use super::locks::{Handle, Locks};
use super::opened::Opened;
use super::volume::Volume;

/// The locked state, and who waits for it to change.
pub struct Kernel {
    state: Mutex<State>,
    /// A lock was given back, or a process died.
    freed: Condvar,
}

pub struct State {
    pub volume: Volume,
    pub locks: Locks,
    pub opened: Opened,
    pub hook: Option<Hook>,
    /// How many calls there were.
    pub calls: u64,
    pub trace: Vec<Call>,
    /// How long somebody may wait for a lock.
    pub patience: Duration,
    /// How many wait for a lock just now.
    pub waiting: usize,
    alive: BTreeSet<u32>,
    next_process: u32,
    next_handle: u64,
}

impl State {
    fn new(volume: Volume) -> Self {
        Self {
            volume,
            locks: Locks::default(),
            opened: Opened::default(),
            alive: BTreeSet::new(),
            next_process: 1001,
            next_handle: 1,
            hook: None,
            calls: 0,
            trace: Vec::new(),
            patience: Duration::from_mins(1),
            waiting: 0,
        }
    }

    pub fn open_handle(&mut self, process: u32, inode: Inode, writes: bool) -> Handle {
        self.next_handle += 1;
        let handle = Handle { id: self.next_handle, process, inode };
        self.opened.open(handle, writes);
        handle
    }

    /// A process comes to life.
    pub fn start_process(&mut self) -> u32 {
        let id = self.next_process;
        self.next_process += 1;
        self.alive.insert(id);
        id
    }

    pub fn is_alive(&self, process: u32) -> bool {
        self.alive.contains(&process)
    }

    fn check_alive(&self, process: u32) -> io::Result<()> {
        if self.is_alive(process) { Ok(()) } else { Err(dead()) }
    }

    pub fn kill(&mut self, process: u32) {
        self.alive.remove(&process);
        self.locks.free_all_of(process);
        self.opened.close_all_of(process);
    }

    pub fn kill_all(&mut self) {
        self.alive.clear();
        self.locks.free_all();
        self.opened = Opened::default();
    }
}

fn dead() -> io::Error {
    io::Error::other("process is dead")
}

impl Kernel {
    pub fn new(volume: Volume) -> Self {
        Self { state: Mutex::new(State::new(volume)), freed: Condvar::new() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the hook decide, and hands out the disk for the call to happen.
    pub fn begin(&self, call: Call) -> io::Result<(MutexGuard<'_, State>, Answer)> {
        let mut state = self.state();
        let process = call.process;
        state.check_alive(process)?;
        let index = state.calls;
        state.calls += 1;
        let hooked = state.hook.clone().map(|hook| (hook, call.clone()));
        state.trace.push(call);
        let mut answer = Answer::Go;
        if let Some((hook, call)) = hooked {
            drop(state);
            answer = hook(index, &call);
            state = self.state();
            state.check_alive(process)?;
        }
        if answer == Answer::Crash {
            state.kill(process);
            self.freed.notify_all();
            return Err(dead());
        }
        Ok((state, answer))
    }

    /// The same for a call that leaves nothing when it fails.
    pub fn turn(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let (state, answer) = self.begin(call)?;
        answer.error().map_or(Ok(state), Err)
    }

    /// Waits until nobody has the sole use of a file, or keeps writers out of it; panics after a time in which no
    /// healthy test waits.
    pub fn wait_for_lease<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        (inode, writes): (Inode, bool),
        path: &Path,
    ) -> MutexGuard<'a, State> {
        let until = Instant::now() + state.patience;
        while state.opened.keeps_out(inode, writes) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} is leased for ever", path.display());
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Waits for the exclusive lock; panics after a time in which no healthy test waits.
    pub fn wait_for_lock(
        &self,
        mut state: MutexGuard<'_, State>,
        handle: Handle,
        path: &Path,
    ) -> io::Result<()> {
        let until = Instant::now() + state.patience;
        while !state.locks.take(handle, Lock::Exclusive) {
            let left = until.saturating_duration_since(Instant::now());
            let waited;
            state.waiting += 1;
            (state, waited) =
                self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            assert!(
                !waited.timed_out(),
                "deadlock: process {} waits for {}, which is locked by {:?}",
                handle.process,
                path.display(),
                state.locks.holders(handle.inode)
            );
            state.check_alive(handle.process)?;
        }
        Ok(())
    }

    /// Those who wait for a lock look again.
    pub fn wake(&self) {
        self.freed.notify_all();
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").finish_non_exhaustive()
    }
}
