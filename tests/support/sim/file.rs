//! An open file of a simulated process.

use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

use docbox::fs::{File, Lock, Stat};

use super::hook::{Answer, Call, Op};
use super::kernel::{Kernel, State};
use super::locks::Handle;

/// No test wants a larger file; a wrong offset does.
const FILE_MAX_BYTES: usize = 1 << 30;

/// An open file; when it is dropped, its lock is given back.
#[derive(Debug)]
pub struct SimFile {
    kernel: Arc<Kernel>,
    handle: Handle,
    path: Arc<Path>,
    writable: bool,
    /// What it was when it was opened.
    opened: Stat,
}

impl SimFile {
    pub(super) fn new(
        kernel: Arc<Kernel>,
        handle: Handle,
        path: Arc<Path>,
        writable: bool,
        opened: Stat,
    ) -> Self {
        Self { kernel, handle, path, writable, opened }
    }

    fn call(&self, op: Op, offset: u64, len: u64) -> Call {
        let (process, path) = (self.handle.process, self.path.clone());
        Call { process, op, path, to: None, offset, len }
    }

    fn turn(&self, op: Op) -> io::Result<MutexGuard<'_, State>> {
        self.kernel.turn(self.call(op, 0, 0))
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = self.call(Op::ReadAt, offset, buf.len() as u64);
        let (state, answer) = self.kernel.begin(call)?;
        if let Some(error) = answer.error() {
            return Err(error);
        }
        let content = state.volume.content(self.handle.inode)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let limit = answer.limit(buf.len());
        Ok(content.cached.read(&mut buf[..limit], offset))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let call = self.call(Op::WriteAt, offset, buf.len() as u64);
        let (mut state, answer) = self.kernel.begin(call)?;
        if let Some(error) = answer.error() {
            return Err(error);
        }
        if !self.writable {
            return Err(not_writable());
        }
        let count = answer.limit(buf.len());
        let offset = within_limit(offset, count)?;
        if count != 0 {
            state.volume.content_mut(self.handle.inode)?.write(offset, &buf[..count]);
            state.volume.touch(self.handle.inode);
        }
        Ok(count)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.kernel.turn(self.call(Op::SetLen, 0, len))?;
        if !self.writable {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let len = within_limit(len, 0)?;
        state.volume.content_mut(self.handle.inode)?.set_len(len);
        state.volume.touch(self.handle.inode);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, answer) = self.kernel.begin(self.call(Op::SyncData, 0, 0))?;
        if let Some(error) = answer.error() {
            if !matches!(answer, Answer::Refuse(_)) {
                state.volume.fail_sync(self.handle.inode);
            }
            return Err(error);
        }
        state.volume.sync(self.handle.inode);
        Ok(())
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(self.turn(Op::StatFile)?.volume.stat(self.handle.inode))
    }

    fn stat_when_opened(&self) -> io::Result<Stat> {
        Ok(self.opened)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.turn(Op::SetMode(mode))?.volume.set_mode(self.handle.inode, mode);
        Ok(())
    }

    fn try_lease(&self) -> io::Result<bool> {
        let mut state = self.turn(Op::TryLease)?;
        if !state.volume.has_leases {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(state.opened.take_lease(self.handle))
    }

    fn has_no_writer(&self) -> io::Result<bool> {
        let mut state = self.turn(Op::HasNoWriter)?;
        Ok(state.volume.has_leases && state.opened.keep_writers_out(self.handle))
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        Ok(self.turn(Op::TryLock(lock))?.locks.take(self.handle, lock))
    }

    fn lock(&self) -> io::Result<()> {
        let state = self.turn(Op::Lock)?;
        self.kernel.wait_for_lock(state, self.handle, &self.path)
    }

    fn unlock(&self) -> io::Result<()> {
        self.turn(Op::Unlock)?.locks.free(self.handle);
        self.kernel.wake();
        Ok(())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.kernel.state();
        state.locks.free(self.handle);
        state.opened.close(self.handle);
        drop(state);
        self.kernel.wake();
    }
}

fn within_limit(offset: u64, len: usize) -> io::Result<usize> {
    usize::try_from(offset)
        .ok()
        .filter(|offset| offset.checked_add(len).is_some_and(|end| end <= FILE_MAX_BYTES))
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// The error of a write through a file that was opened for reading.
#[cfg(unix)]
fn not_writable() -> io::Error {
    rustix::io::Errno::BADF.into()
}

/// The error of a write through a file that was opened for reading.
#[cfg(not(unix))]
fn not_writable() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}
