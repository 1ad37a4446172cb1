//! What it ran on.

use std::fs;
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::Result;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub kernel: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub filesystem: String,
    /// Runnable tasks in the minute before: a busy machine makes poor figures.
    pub load: f64,
    pub peers: Vec<String>,
}

/// `statfs` magic numbers of filesystems that are known by name.
const FILESYSTEMS: &[(i64, &str)] = &[
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0x794c_7630, "overlayfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
];

/// # Errors
/// A filesystem in memory keeps nothing, so that there is nothing to measure.
pub fn facts(folder: &Path) -> Result<Machine> {
    let magic = rustix::fs::statfs(folder)?.f_type;
    let known = FILESYSTEMS.iter().find(|(number, _)| *number == magic);
    let filesystem = known.map_or_else(|| format!("{magic:#x}"), |(_, name)| (*name).to_owned());
    if ["tmpfs", "ramfs"].contains(&filesystem.as_str()) {
        return Err(format!(
            "{} is in memory ({filesystem}): a sync does nothing there, and durability is what is measured; \
             name a folder on a disk with --dir",
            folder.display()
        )
        .into());
    }
    let first = |path: &str, field: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned()
    };
    let kib: f64 = first("/proc/meminfo", "MemTotal")
        .split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(f64::NAN);
    Ok(Machine {
        kernel: first("/proc/sys/kernel/osrelease", ""),
        cpu: first("/proc/cpuinfo", "model name"),
        cores: thread::available_parallelism()?.get(),
        memory_gib: (kib / f64::from(1 << 20)).round(),
        filesystem,
        load: first("/proc/loadavg", "")
            .split_whitespace()
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or(f64::NAN),
        peers: peers(),
    })
}

/// The peers' versions, as locked.
fn peers() -> Vec<String> {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let entry = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1)?;
        Some(format!("{name} {}", entry.split('"').next()?))
    };
    let crates = ["fjall", "redb", "heed", "rusqlite"].into_iter().filter_map(version);
    // Told by .cargo/config.toml, which is read where cargo is run.
    let flags = option_env!("LIBSQLITE3_FLAGS").unwrap_or_default();
    let sync = if flags.contains("HAVE_FDATASYNC") { "fdatasync" } else { "fsync" };
    std::iter::once(format!("SQLite {} ({sync})", rusqlite::version())).chain(crates).collect()
}
