//! Which files are open, and who has the sole use of one.

use std::collections::BTreeSet;

use super::edits::Inode;
use super::locks::Handle;

/// The open files of all processes.
#[derive(Debug, Default)]
pub struct Opened {
    handles: Vec<Handle>,
    /// Handles by which a file may be written.
    writing: BTreeSet<u64>,
    /// Handles whose file nobody else may open.
    leased: BTreeSet<u64>,
    /// Handles whose file nobody may open for writing.
    unwritten: BTreeSet<u64>,
}

impl Opened {
    pub fn open(&mut self, handle: Handle, writes: bool) {
        self.handles.push(handle);
        if writes {
            self.writing.insert(handle.id);
        }
    }

    pub fn close(&mut self, handle: Handle) {
        self.handles.retain(|open| *open != handle);
        for ids in [&mut self.writing, &mut self.leased, &mut self.unwritten] {
            ids.remove(&handle.id);
        }
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

    /// Keeps everybody from opening a file for writing, if nobody has.
    pub fn keep_writers_out(&mut self, handle: Handle) -> bool {
        let is_unwritten = !self.is_in(&self.writing, handle.inode);
        is_unwritten.then(|| self.unwritten.insert(handle.id)).is_some()
    }

    pub fn is_leased(&self, inode: Inode) -> bool {
        self.is_in(&self.leased, inode)
    }

    /// Whether who opens a file has to wait.
    pub fn keeps_out(&self, inode: Inode, writes: bool) -> bool {
        self.is_leased(inode) || (writes && self.is_in(&self.unwritten, inode))
    }

    fn is_in(&self, ids: &BTreeSet<u64>, inode: Inode) -> bool {
        self.handles.iter().any(|open| open.inode == inode && ids.contains(&open.id))
    }
}
