//! Locks on open files, as `flock` has them.

use docbox::fs::Lock;

use super::edits::Inode;

/// An open file; two openings of one file are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    pub id: u64,
    pub process: u32,
    pub inode: Inode,
}

/// Who holds what.
#[derive(Debug, Default)]
pub struct Locks {
    held: Vec<(Handle, Lock)>,
    /// As on some network filesystems, where whoever asks is let in.
    pub exclude_nobody: bool,
}

impl Locks {
    /// Takes the lock if it is free. What the handle holds is given back first, and stays so when the new
    /// lock is refused. (That lets in nobody who waits: whoever waits wants to be alone, and who is in the
    /// way of the one is in the way of the other.)
    pub fn take(&mut self, handle: Handle, lock: Lock) -> bool {
        self.free(handle);
        let in_the_way = |(holder, held): &(Handle, Lock)| {
            holder.inode == handle.inode && (lock == Lock::Exclusive || *held == Lock::Exclusive)
        };
        let free = self.exclude_nobody || !self.held.iter().any(in_the_way);
        if free {
            self.held.push((handle, lock));
        }
        free
    }

    pub fn free(&mut self, handle: Handle) {
        self.held.retain(|(holder, _)| *holder != handle);
    }

    /// The process is dead.
    pub fn free_all_of(&mut self, process: u32) {
        self.held.retain(|(holder, _)| holder.process != process);
    }

    /// All processes are dead.
    pub fn free_all(&mut self) {
        self.held.clear();
    }

    /// The processes that hold a lock on the file.
    pub fn holders(&self, inode: Inode) -> Vec<(u32, Lock)> {
        let of_it = self.held.iter().filter(|(holder, _)| holder.inode == inode);
        of_it.map(|(holder, lock)| (holder.process, *lock)).collect()
    }
}
