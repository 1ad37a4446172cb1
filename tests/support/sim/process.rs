//! A simulated process: a door to the disk that may die.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use docbox::fs::{Entry, File, Fs, Mode, Open, Stat};

use super::edits::Inode;
use super::file::SimFile;
use super::hook::{Answer, Call, Op};
use super::kernel::{Kernel, State};

/// The disk as one process sees it.
#[derive(Debug)]
pub struct SimFs {
    kernel: Arc<Kernel>,
    id: u32,
}

impl SimFs {
    pub(super) fn new(kernel: Arc<Kernel>, id: u32) -> Self {
        Self { kernel, id }
    }

    /// The same as [`Fs::process_id`].
    pub fn id(&self) -> u32 {
        self.id
    }

    fn call(&self, op: Op, path: &Path) -> Call {
        Call { process: self.id, op, path: path.into(), to: None, offset: 0, len: 0 }
    }

    fn opened(
        &self,
        state: &mut State,
        inode: Inode,
        path: &Path,
        writable: bool,
    ) -> Arc<dyn File> {
        let handle = state.open_handle(self.id, inode, writable);
        let stat = state.volume.stat(inode);
        Arc::new(SimFile::new(self.kernel.clone(), handle, path.into(), writable, stat))
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.kernel.turn(self.call(Op::Open(how), path))?;
        let inode = state.volume.open(path, how)?;
        let writes = how != Open::Read;
        let mut state = self.kernel.wait_for_lease(state, (inode, writes), path);
        Ok(self.opened(&mut state, inode, path, writes))
    }

    fn create_temp(
        &self,
        dir: &Path,
        prefix: &str,
        mode: Mode,
    ) -> io::Result<(PathBuf, Arc<dyn File>)> {
        loop {
            let path = dir.join(&*self.kernel.state().volume.free_name(prefix));
            let mut state = self.kernel.turn(self.call(Op::CreateTemp, &path))?;
            match state.volume.open(&path, Open::CreateNew(mode)) {
                // Somebody planted a file of that name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                inode => {
                    let file = self.opened(&mut state, inode?, &path, true);
                    return Ok((path, file));
                }
            }
        }
    }

    fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let mut state = self.kernel.turn(self.call(Op::CreateDir, path))?;
        state.volume.create_dir(path, mode).map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let call = Call { to: Some(to.into()), ..self.call(Op::Rename, from) };
        self.kernel.turn(call)?.volume.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let call = Call { to: Some(to.into()), ..self.call(Op::Rename, from) };
        self.kernel.turn(call)?.volume.with_flags()?.rename_new(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let call = Call { to: Some(other.into()), ..self.call(Op::Exchange, one) };
        self.kernel.turn(call)?.volume.with_flags()?.exchange(one, other)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.kernel.turn(self.call(Op::RemoveFile, path))?.volume.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.kernel.turn(self.call(Op::RemoveDir, path))?.volume.remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.kernel.turn(self.call(Op::ReadDir, path))?.volume.read_dir(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.kernel.turn(self.call(Op::Stat, path))?;
        Ok(state.volume.stat(state.volume.find(path)?))
    }

    fn stat_strict(&self, path: &Path) -> io::Result<Stat> {
        let mut state = self.kernel.turn(self.call(Op::StatStrict, path))?;
        let inode = state.volume.open(path, Open::Read)?;
        Ok(state.volume.stat(inode))
    }

    /// Follows a link, and takes a file too, as `open` and `fsync` do.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, answer) = self.kernel.begin(self.call(Op::SyncDir, path))?;
        let inode = state.volume.follow(path).map(|walk| walk.inode());
        match (answer.error(), inode) {
            (None, inode) => state.volume.sync(inode?),
            (Some(error), inode) => {
                if let Ok(inode) = inode
                    && !matches!(answer, Answer::Refuse(_))
                {
                    state.volume.fail_sync(inode);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let state = self.kernel.turn(self.call(Op::Canonical, path))?;
        let walk = state.volume.follow(path)?;
        Ok([Path::new("/")]
            .into_iter()
            .chain(walk.trail.iter().map(|(name, _)| Path::new(&**name)))
            .collect())
    }

    fn incarnation(&self, path: &Path) -> io::Result<Option<String>> {
        let state = self.kernel.turn(self.call(Op::Incarnation, path))?;
        Ok(Some(state.volume.incarnation(state.volume.find(path)?)))
    }

    fn process_id(&self) -> u32 {
        self.id
    }

    fn can_watch(&self) -> bool {
        false
    }
}
