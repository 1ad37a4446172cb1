//! Which files are open, and who has the sole use of one.

use std::collections::BTreeSet;

use super::edits::Inode;
use super::locks::Handle;

/// The open files of all processes.
#[derive(Debug, Default)]
pub struct Opened {
    handles: Vec<Handle>,
    /// Handles whose file nobody else may open.
    leased: BTreeSet<u64>,
}

impl Opened {
    pub fn open(&mut self, handle: Handle) {
        self.handles.push(handle);
    }

    pub fn close(&mut self, handle: Handle) {
        self.handles.retain(|open| *open != handle);
        self.leased.remove(&handle.id);
    }

    /// The process is dead.
    pub fn close_all_of(&mut self, process: u32) {
        let dead: Vec<_> =
            self.handles.iter().copied().filter(|open| open.process == process).collect();
        for handle in dead {
            self.close(handle);
        }
    }

    /// Takes the sole use of a file that nobody else has open.
    pub fn take_lease(&mut self, handle: Handle) -> bool {
        let alone = self.handles.iter().filter(|open| open.inode == handle.inode).count() == 1;
        alone.then(|| self.leased.insert(handle.id)).is_some()
    }

    pub fn is_leased(&self, inode: Inode) -> bool {
        self.handles.iter().any(|open| open.inode == inode && self.leased.contains(&open.id))
    }
}
