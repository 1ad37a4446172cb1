//! Changes of names where the system offers no more than paths. What is promised about links is not
//! promised there.

#![expect(clippy::disallowed_methods, reason = "the one place that touches std::fs")]

use std::fs;
use std::io;
use std::path::Path;

use super::{Entry, Kind};

/// Makes a folder.
pub fn create_dir(path: &Path, _is_private: bool) -> io::Result<()> {
    fs::create_dir(path)
}

/// Renames over whatever file has the new name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes a file.
pub fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Removes an empty folder.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    fs::remove_dir(path)
}

/// What a folder holds.
pub fn read_dir(path: &Path) -> io::Result<Vec<Entry>> {
    fs::read_dir(path)?
        .map(|entry| {
            let entry = entry?;
            Ok(Entry { name: entry.file_name(), kind: Kind::of(entry.file_type()?) })
        })
        .collect()
}
