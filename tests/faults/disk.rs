//! Small disks of our own, and how full they are.
//!
//! They are mounted where only this test sees them, so that they are gone with it, however it ends.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::again::{again, itself};
use crate::home::eventually;
use crate::skip;

/// What is taken and given back at once when the last of a disk counts.
pub const BLOCK_BYTES: u64 = 4096;

/// Runs a test again in a process with mounts of its own. `name` is its own, with the module.
#[track_caller]
pub fn with_own_mounts(name: &str, test: impl FnOnce()) {
    // Where this is not root's, a namespace in which it is does for a tmpfs.
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| say(Command::new("unshare").args(**way).arg("true")).is_ok();
    let Some(way) = ways.iter().find(works) else {
        return skip("this machine lets nobody have mounts of his own");
    };
    again(name, Command::new("unshare").args(*way).arg(itself()), test);
}

/// What a command printed; else why it failed.
pub fn say(command: &mut Command) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match command.output() {
        Ok(Output { status, stdout, .. }) if status.success() => Ok(text(&stdout)),
        Ok(Output { stderr, .. }) => Err(format!("{command:?}: {}", text(&stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// A small filesystem, mounted.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    at: PathBuf,
}

impl Disk {
    /// A filesystem in a file, made by a command that is given the file.
    pub fn made_by(mkfs: &[&str], mib: u64) -> Result<Self, String> {
        Self::mount(|folder| {
            let image = folder.join("image");
            File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("an image");
            say(Command::new(mkfs[0]).args(&mkfs[1..]).arg(&image))?;
            let mut mount = Command::new("mount");
            mount.args(["-o", "loop"]).arg(image);
            Ok(mount)
        })
    }

    pub fn tmpfs(options: &str) -> Result<Self, String> {
        Self::mount(|_| {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
            Ok(mount)
        })
    }

    fn mount(make: impl FnOnce(&Path) -> Result<Command, String>) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("disk");
        fs::create_dir(&at).expect("a folder");
        let mut mount = make(folder.path())?;
        say(mount.arg(&at))?;
        Ok(Self { folder, at })
    }

    pub fn path(&self) -> &Path {
        &self.at
    }

    /// As after the machine was off: nothing is left in memory. Nobody may have anything open on it.
    pub fn remount(&self) {
        // The thread of a store that was dropped lets go a moment later.
        eventually("nobody uses it", || say(Command::new("umount").arg(&self.at)).is_ok());
        let image = self.folder.path().join("image");
        say(Command::new("mount").args(["-o", "loop"]).arg(image).arg(&self.at))
            .expect("it mounts");
    }

    /// Changes how it is mounted: `ro`, `rw`.
    pub fn set(&self, how: &str) -> Result<String, String> {
        say(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.at))
    }

    /// The file by which ext4 is made to find an error on this disk.
    pub fn trigger(&self) -> PathBuf {
        let device = say(Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.at));
        let device = device.expect("it is mounted").replace("/dev/", "");
        Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // In use, perhaps, by what a failed test left open: then it goes when that is closed.
        if say(Command::new("umount").arg(&self.at)).is_err() {
            let _ = say(Command::new("umount").arg("--lazy").arg(&self.at));
        }
    }
}

/// A file that takes all the room there is.
#[derive(Debug)]
pub struct Ballast {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Ballast {
    pub fn on(disk: &Disk) -> Self {
        let path = disk.path().join("ballast");
        let file = File::create(&path).expect("a file");
        let mut ballast = Self { file, path, len: 0 };
        ballast.fill();
        ballast
    }

    /// Takes whatever there is, also what is given back only by and by.
    pub fn fill(&mut self) {
        loop {
            let before = self.len;
            rustix::fs::syncfs(&self.file).expect("a sync");
            self.take();
            if self.len == before {
                return;
            }
        }
    }

    fn take(&mut self) {
        let mut step: u64 = 64 << 20;
        while step >= BLOCK_BYTES {
            let flags = rustix::fs::FallocateFlags::empty();
            if rustix::fs::fallocate(&self.file, flags, self.len, step).is_ok() {
                self.len += step;
            } else {
                step /= 2;
            }
            self.len = self.len.max(self.file.metadata().expect("its length").len());
        }
    }

    /// Gives room back; whether there was as much.
    pub fn give(&mut self, bytes: u64) -> bool {
        let Some(len) = self.len.checked_sub(bytes) else { return false };
        self.len = len;
        self.file.set_len(len).and_then(|()| self.file.sync_all()).expect("room is given back");
        true
    }

    /// Gives all room back.
    pub fn lift(self) {
        fs::remove_file(&self.path).expect("it can be removed");
        self.file.set_len(0).and_then(|()| self.file.sync_all()).expect("room is given back");
    }
}

/// Takes every file that can still be made; how many there were.
pub fn take_inodes(disk: &Disk) -> Vec<PathBuf> {
    let folder = disk.path().join("inodes");
    fs::create_dir(&folder).expect("a folder");
    let path = |number: usize| folder.join(number.to_string());
    let mut taken = Vec::new();
    while File::create(path(taken.len())).is_ok() {
        taken.push(path(taken.len()));
    }
    taken
}

/// Writes into a file of the kernel's.
pub fn tell(path: &Path, text: &str) -> std::io::Result<()> {
    File::options().write(true).open(path)?.write_all(text.as_bytes())
}
