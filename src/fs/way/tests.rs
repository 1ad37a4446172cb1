//! Both ways to a file, on the real filesystem.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

type Open = fn(&Path, OFlags, Mode) -> rustix::io::Result<OwnedFd>;

/// What the system does itself, and what is done where it cannot.
const WAYS: [Open; 2] = [open_at, step_by_step];

#[expect(clippy::disallowed_methods, reason = "a test lays files out by hand")]
fn laid_out() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("real/deep")).unwrap();
    fs::write(root.join("real/deep/a"), "a").unwrap();
    symlink("real", root.join("folder")).unwrap();
    symlink("a", root.join("real/deep/file")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    (folder, root)
}

#[test]
fn a_way_without_links_is_gone() {
    let (_folder, root) = laid_out();
    for open in WAYS {
        for (path, how) in [("real/deep/a", FILE), ("real/deep", FOLDER), ("real/../real", ENTER)] {
            assert!(open(&root.join(path), how, Mode::empty()).is_ok(), "{path}");
        }
        assert!(open(Path::new("/"), FOLDER, Mode::empty()).is_ok());
        let missing = open(&root.join("real/no/a"), FILE, Mode::empty()).unwrap_err();
        assert_eq!(missing, Errno::NOENT);
        let file = open(&root.join("real/deep/a/b"), FILE, Mode::empty()).unwrap_err();
        assert_eq!(file, Errno::NOTDIR);
        let new = FILE | OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        let made = root.join("real/deep/new");
        assert!(open(&made, new, Mode::RUSR).is_ok());
        remove_file(&made).unwrap();
    }
}

#[test]
fn a_link_anywhere_on_the_way_is_refused() {
    let (_folder, root) = laid_out();
    for open in WAYS {
        for (path, how) in [
            ("folder/deep/a", FILE),
            ("folder/deep", FOLDER),
            ("folder", FOLDER),
            ("folder", ENTER),
            ("folder/new", FILE | OFlags::CREATE | OFlags::RDWR),
            ("real/deep/file", FILE),
            ("dangling", FILE | OFlags::CREATE | OFlags::RDWR),
            ("dangling/a", FILE),
        ] {
            let refused = open(&root.join(path), how, Mode::empty()).unwrap_err();
            assert_eq!(refused, Errno::LOOP, "{path}");
        }
    }
}
