//! The disk as a test holds it.

use std::fmt::{self, Write as _};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docbox::fs::{Kind, Mode, Open};

use super::crash::Survival;
use super::hook::{Answer, Call};
use super::kernel::Kernel;
use super::process::SimFs;
use super::volume::{Body, TOP, Volume};

/// The folder that a new disk has; it is durable.
pub const ROOT: &str = "/s";

/// A simulated disk. A clone is the same disk; [`Disk::fork`] makes another.
#[derive(Clone)]
pub struct Disk(Arc<Kernel>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

/// Processes and power.
impl Disk {
    /// An empty disk with a durable folder [`ROOT`].
    pub fn new() -> Self {
        let disk = Self::of(Volume::new());
        disk.create_dirs(ROOT);
        disk.settle();
        disk
    }

    fn of(volume: Volume) -> Self {
        Self(Arc::new(Kernel::new(volume)))
    }

    /// Another disk with the same contents, cached and durable, and with no processes: this disk as it
    /// would be if all of them were killed now. Its calls and its trace begin anew, without a hook.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.0.state().volume.clone())
    }

    /// Starts a process.
    pub fn process(&self) -> Arc<SimFs> {
        let id = self.0.state().start_process();
        Arc::new(SimFs::new(self.0.clone(), id))
    }

    /// As `kill -9` does.
    pub fn kill(&self, process: &SimFs) {
        self.0.state().kill(process.id());
        self.0.wake();
    }

    pub fn is_alive(&self, process: &SimFs) -> bool {
        self.0.state().is_alive(process.id())
    }

    /// The power fails, and dice choose what survives; the same seed, the same choice.
    pub fn power_cut(&self, seed: u64) {
        self.power_cut_with(Survival::dice(seed));
    }

    /// The same, as it is said. Returns a number by which the outcome is known among all that this disk
    /// may come to by a power cut now.
    pub fn power_cut_with(&self, survival: Survival) -> u64 {
        let mut state = self.0.state();
        state.kill_all();
        let outcome = state.volume.power_cut(&survival);
        state.volume.boot();
        self.0.wake();
        outcome
    }

    /// The disk is pulled and put back: the same boot, another mount.
    pub fn pull(&self, survival: Survival) {
        let mut state = self.0.state();
        state.kill_all();
        state.volume.power_cut(&survival);
        self.0.wake();
    }

    /// How many wait for a lock just now.
    pub fn waiting(&self) -> usize {
        self.0.state().waiting
    }

    /// From here on the filesystem lets everybody have a lock who asks for it.
    pub fn let_everybody_lock(&self) {
        self.0.state().locks.exclude_nobody = true;
    }

    /// From here on no rename takes flags, here and on every fork: names cannot change places, nor be given only
    /// where nothing has them.
    pub fn take_exchange_away(&self) {
        self.0.state().volume.has_exchange = false;
    }

    /// From here on no file can be leased, here and on every fork.
    pub fn take_leases_away(&self) {
        self.0.state().volume.has_leases = false;
    }

    /// From here on documents can be put in place only by a rename that overwrites, here and on every fork.
    pub fn leave_only_renames(&self) {
        self.take_leases_away();
        self.take_exchange_away();
    }

    /// Sets how long somebody may wait for a lock before that counts as a deadlock.
    pub fn set_patience(&self, patience: Duration) {
        self.0.state().patience = patience;
    }
}

/// The hook and the trace.
impl Disk {
    /// Sets the one hook.
    pub fn hook(&self, hook: impl Fn(u64, &Call) -> Answer + Send + Sync + 'static) {
        self.0.state().hook = Some(Arc::new(hook));
    }

    pub fn unhook(&self) {
        self.0.state().hook = None;
    }

    /// How many calls there were; the number of the next one.
    pub fn calls(&self) -> u64 {
        self.0.state().calls
    }

    /// The calls since the last [`Disk::take_trace`], in order.
    pub fn trace(&self) -> Vec<Call> {
        self.0.state().trace.clone()
    }

    /// The calls so far; the trace begins anew, the count goes on.
    pub fn take_trace(&self) -> Vec<Call> {
        mem::take(&mut self.0.state().trace)
    }
}

/// Looks and edits from outside. No hook and no trace sees them; edits go to the page cache, as those of
/// any other process. They panic where there is nothing that can be edited so.
impl Disk {
    /// All paths below the top folder, sorted, with what each is.
    pub fn tree(&self) -> Vec<(PathBuf, Kind)> {
        let state = self.0.state();
        let mut found = Vec::new();
        let mut to_do = vec![(PathBuf::from("/"), TOP)];
        while let Some((path, inode)) = to_do.pop() {
            if let Ok(folder) = state.volume.folder(inode) {
                for (name, inode) in &folder.cached {
                    let path = path.join(&**name);
                    found.push((path.clone(), state.volume.node(*inode).kind()));
                    to_do.push((path, *inode));
                }
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    /// How many names lead to what a path leads to.
    pub fn links(&self, path: impl AsRef<Path>) -> u64 {
        let state = self.0.state();
        state.volume.find(path.as_ref()).map_or(0, |inode| state.volume.stat(inode).links)
    }

    /// Whether somebody has the sole use of the file that a path leads to.
    pub fn is_leased(&self, path: impl AsRef<Path>) -> bool {
        let state = self.0.state();
        state.volume.find(path.as_ref()).is_ok_and(|inode| state.opened.is_leased(inode))
    }

    /// The bytes of a file, links followed; `None` where there is no file.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.0.state();
        let inode = state.volume.follow(path.as_ref()).ok()?.inode();
        state.volume.content(inode).ok().map(|content| content.cached.to_vec())
    }

    /// Writes a file anew in place, its folders too where they are missing.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = path.as_ref();
        self.create_dirs(path.parent().expect("a file lies in a folder"));
        self.edit(path, |volume| {
            let inode = volume.open(path, Open::Create(Mode::Shared))?;
            let content = volume.content_mut(inode)?;
            content.set_len(0);
            content.write(0, bytes.as_ref());
            volume.touch(inode);
            Ok(())
        });
    }

    /// Removes a file, a link or an empty folder.
    pub fn remove(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.edit(path, |volume| match volume.remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => volume.remove_dir(path),
            other => other,
        });
    }

    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        self.edit(from.as_ref(), |volume| volume.rename(from.as_ref(), to.as_ref()));
    }

    /// Two files, folders or links change places in one rename (`RENAME_EXCHANGE`).
    pub fn exchange(&self, one: impl AsRef<Path>, other: impl AsRef<Path>) {
        self.edit(one.as_ref(), |volume| volume.exchange(one.as_ref(), other.as_ref()));
    }

    /// Gives a file one more name, in a folder that is made when missing.
    pub fn hard_link(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        self.create_dirs(to.as_ref().parent().expect("a file lies in a folder"));
        self.edit(from.as_ref(), |volume| volume.hard_link(from.as_ref(), to.as_ref()));
    }

    /// Makes a folder, and those above it where they are missing.
    pub fn create_dirs(&self, path: impl AsRef<Path>) {
        let above: Vec<&Path> = path.as_ref().ancestors().collect();
        for path in above.into_iter().rev() {
            self.edit(path, |volume| match volume.create_dir(path, Mode::Shared) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other.map(|_| ()),
            });
        }
    }

    /// Plants a symbolic link.
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) {
        self.edit(path.as_ref(), |volume| {
            volume.symlink(target.as_ref(), path.as_ref()).map(|_| ())
        });
    }

    /// Damages a file at rest: the medium gives other bytes, and nobody wrote them.
    pub fn damage(&self, path: impl AsRef<Path>, offset: u64, bytes: &[u8]) {
        self.edit(path.as_ref(), |volume| {
            let inode = volume.find(path.as_ref())?;
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            volume.content_mut(inode)?.damage(offset, bytes);
            Ok(())
        });
    }

    /// All that the page cache holds becomes durable, what a failed sync left too.
    pub fn settle(&self) {
        self.0.state().volume.settle();
    }

    /// The tree for people, with lengths, inodes and the beginnings of files.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for (path, kind) in self.tree() {
            let state = self.0.state();
            let Ok(inode) = state.volume.find(&path) else { continue };
            let stat = state.volume.stat(inode);
            let body = match &state.volume.node(inode).body {
                Body::File(content) => {
                    let mut head = [0; 60];
                    let filled = content.cached.read(&mut head, 0);
                    format!("{}", head[..filled].escape_ascii())
                }
                Body::Link(target) => format!("-> {}", target.display()),
                Body::Folder(_) => String::new(),
            };
            let (inode, mode, len) = (stat.inode, stat.mode, stat.len);
            writeln!(text, "{inode:5} {mode:4o} {len:9} {kind:?} {} {body}", path.display())
                .expect("a string takes all");
        }
        text
    }

    fn edit(&self, path: &Path, edit: impl FnOnce(&mut Volume) -> io::Result<()>) {
        let done = edit(&mut self.0.state().volume);
        done.unwrap_or_else(|error| panic!("edit of {}: {error}", path.display()));
    }
}
