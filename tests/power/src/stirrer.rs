//! Writes back pages that nobody has synced, as a kernel does at its own time. No flush follows, so that
//! what a crash leaves of them is up to the disk.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::dice::Dice;

pub struct Stirrer {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stirrer {
    pub fn start(root: &Path, seed: u64) -> Self {
        let (root, is_over) = (root.to_owned(), Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&is_over);
        let thread = thread::spawn(move || stir(&root, &flag, &mut Dice::new(seed)));
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Stirrer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn stir(root: &Path, is_over: &AtomicBool, dice: &mut Dice) {
    while !is_over.load(Ordering::Acquire) {
        // Half of all files are the store's own.
        let home = root.join(".docbox");
        let files = files_below(if dice.once_in(2) { &home } else { root });
        for _ in 0..20.min(files.len()) {
            write_back(&files[dice.roll(files.len())]);
            thread::sleep(Duration::from_millis(dice.next() % 8));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn write_back(path: &Path) {
    // It may be gone.
    let Ok(file) = File::open(path) else { return };
    // SAFETY: the descriptor is open for the length of the call.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// All files below a folder, its own hidden ones included.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}
