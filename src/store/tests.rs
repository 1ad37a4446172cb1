//! Stores over the simulated disk, for tests that run under schedules: each call to the disk is a moment at which the
//! threads may change.

use std::sync::{Arc, Mutex};

use super::Store;
use crate::support::sim::{Answer, Disk, ROOT};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::tests::alone;

/// A disk with a store, to be copied for each schedule.
pub(crate) fn made_by(fill: impl Fn(&Store) + Send + Sync + 'static) -> Disk {
    let made = Arc::new(Mutex::new(None));
    let given = Arc::clone(&made);
    alone(move || {
        let disk = Disk::new();
        fill(&open(&disk, false));
        *given.lock().unwrap() = Some(disk);
    });
    let disk = made.lock().unwrap().take();
    disk.unwrap()
}

/// A process that opens the store; whoever calls the disk may have to let others go first.
pub(crate) fn open(disk: &Disk, housekeeping: bool) -> Store {
    let turn = AtomicBool::new(false);
    disk.hook(move |_, _| {
        turn.load(Ordering::Acquire);
        Answer::Go
    });
    Store::options().disk(disk.process()).housekeeping(housekeeping).open(ROOT).unwrap()
}
