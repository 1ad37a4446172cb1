//! Loop devices, filesystems and mounts. Each is undone when it is dropped, and only what was done here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// A filesystem as it is made and mounted.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    fs: &'static str,
    make: &'static [&'static str],
    options: &'static str,
}

pub const KINDS: [Kind; 4] = [
    Kind { name: "ext4", fs: "ext4", make: EXT4, options: "data=ordered" },
    Kind { name: "ext4-writeback", fs: "ext4", make: EXT4, options: "data=writeback" },
    Kind { name: "xfs", fs: "xfs", make: &["mkfs.xfs", "-q", "-f", "-K"], options: "defaults" },
    Kind {
        name: "btrfs",
        fs: "btrfs",
        make: &["mkfs.btrfs", "-q", "-f", "-K"],
        options: "nodiscard",
    },
];

const EXT4: &[&str] =
    &["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];

impl Kind {
    pub fn maker(&self) -> &'static str {
        self.make[0]
    }

    pub fn make(&self, device: &Loop) -> Result<(), String> {
        run(Command::new(self.make[0]).args(&self.make[1..]).arg(&device.path)).map(drop)
    }
}

/// A command that must end with 0; what it printed.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// A block device on a file.
pub struct Loop {
    path: PathBuf,
}

impl Loop {
    pub fn attach(file: &Path, is_direct: bool) -> Result<Self, String> {
        let direct = if is_direct { "--direct-io=on" } else { "--direct-io=off" };
        let path = run(Command::new("losetup").args(["--find", "--show", direct]).arg(file))?;
        Ok(Self { path: PathBuf::from(path) })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // btrfs remembers devices; it answers with an error where there is nothing to forget.
        let _ = run(Command::new("btrfs").args(["device", "scan", "--forget"]).arg(&self.path));
        insist(Command::new("losetup").arg("-d").arg(&self.path));
        // Where anybody still has it, it goes when the last one does.
        let name = self.path.file_name().unwrap_or_default();
        let backing = Path::new("/sys/block").join(name).join("loop/backing_file");
        for _ in 0..600 {
            if !backing.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        eprintln!("power: {} is still there", self.path.display());
    }
}

/// A mounted filesystem.
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    pub fn new(kind: Kind, device: &Loop, at: &Path) -> Result<Self, String> {
        let options = ["-t", kind.fs, "-o", kind.options];
        run(Command::new("mount").args(options).arg(&device.path).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Makes all of it durable.
    pub fn sync(&self) -> Result<(), String> {
        run(Command::new("sync").arg("-f").arg(&self.at)).map(drop)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        insist(Command::new("umount").arg(&self.at));
    }
}

/// Again and again for a while: a process that was killed may hold it for a moment.
fn insist(command: &mut Command) {
    for _ in 0..100 {
        match run(command) {
            Ok(_) => return,
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
    eprintln!("power: could not be undone: {:?}", run(command));
}
