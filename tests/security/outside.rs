//! A folder that is none of the store's business, and how it looked before.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What can be seen of a file or folder: its bytes or where it leads, its mode, its owner, its links, when
/// it was written, and when anything about it changed.
type Look = (Vec<u8>, u32, u32, u64, (i64, i64), (i64, i64));

/// A folder outside, full of names that a store uses.
pub struct Outside {
    folder: TempDir,
    before: BTreeMap<PathBuf, Look>,
}

impl Outside {
    /// With files of these names, and a folder with another file.
    pub fn with(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        for name in names.iter().copied().chain(["deep/a.json"]) {
            let path = folder.path().join(name);
            fs::write(&path, format!("\"of somebody else: {name}\"\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let before = look(folder.path());
        Self { folder, before }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Nothing here was made, written, cut, renamed, removed or given another mode.
    #[track_caller]
    pub fn assert_untouched(&self, after: &str) {
        let now = look(self.path());
        for (path, before) in &self.before {
            assert_eq!(now.get(path), Some(before), "{after}: {} changed", path.display());
        }
        let new: Vec<_> = now.keys().filter(|path| !self.before.contains_key(*path)).collect();
        assert!(new.is_empty(), "{after}: new outside: {new:?}");
    }
}

/// Everything in a folder, the folder itself too.
fn look(folder: &Path) -> BTreeMap<PathBuf, Look> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let bytes = if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        let times = (metadata.mtime(), metadata.mtime_nsec());
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let seen = (bytes, metadata.mode(), metadata.uid(), metadata.nlink(), times, changed);
        all.insert(path, seen);
    }
    all
}
