//! The simulated disk itself: each sentence of its model is a test here.

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod calls;
mod exchanges;
mod failed_sync;
mod hook;
mod lengths;
mod locks;
mod names;
mod outside;
mod processes;
mod renames;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use docbox::fs::{File, Fs, Mode, Open};
use support::sim::Disk;

/// Enough dice for an outcome that one in forty sees.
const SEEDS: u64 = 400;

/// What is seen after power cuts of copies of the disk, with many dice.
fn after_power_cuts<T: Ord>(disk: &Disk, look: impl Fn(&Disk) -> T) -> BTreeSet<T> {
    (0..SEEDS)
        .map(|seed| {
            let disk = disk.fork();
            disk.power_cut(seed);
            look(&disk)
        })
        .collect()
}

/// A disk with durable files.
fn disk_with<const N: usize>(files: [(&str, &[u8]); N]) -> Disk {
    let disk = Disk::new();
    for (path, bytes) in files {
        disk.write(path, bytes);
    }
    disk.settle();
    disk
}

fn open(fs: &dyn Fs, path: &str) -> Arc<dyn File> {
    fs.open(Path::new(path), Open::Write).expect("the file is there")
}

fn create(fs: &dyn Fs, path: &str) -> Arc<dyn File> {
    fs.open(Path::new(path), Open::CreateNew(Mode::Private)).expect("the name is free")
}

fn write(file: &dyn File, bytes: impl AsRef<[u8]>, offset: u64) {
    let bytes = bytes.as_ref();
    assert_eq!(file.write_at(bytes, offset).expect("the disk takes it"), bytes.len());
}

fn rename(fs: &dyn Fs, from: &str, to: &str) {
    fs.rename(Path::new(from), Path::new(to)).expect("it can be renamed");
}

fn sync_dir(fs: &dyn Fs, path: &str) {
    fs.sync_dir(Path::new(path)).expect("the folder can be synced");
}

/// Which of the files are there, as their bytes.
fn files<const N: usize>(disk: &Disk, paths: [&str; N]) -> [Option<String>; N] {
    paths.map(|path| disk.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
