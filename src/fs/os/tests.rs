//! That what is asked of the real disk reaches the system.

use super::*;

/// A file and a folder of the kernel's own: neither can be synced, and only the system knows.
#[cfg(target_os = "linux")]
#[test]
fn a_sync_reaches_the_system_and_its_refusal_comes_back() {
    // (A device would not be opened, and `/proc/self` is a link.)
    let own = format!("/proc/{}/comm", std::process::id());
    let file = OsFs.open(Path::new(&own), Open::Write).unwrap();
    let error = file.sync_data().expect_err("nothing to sync");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    let error = OsFs.sync_dir(Path::new("/proc")).expect_err("nothing to sync");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
}

#[test]
fn a_sync_of_what_is_there_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = OsFs.open(&path, Open::CreateNew(Mode::Private)).unwrap();
    file.write_at(b"bytes", 0).unwrap();
    file.sync_data().unwrap();
    OsFs.sync_dir(folder.path()).unwrap();
    OsFs.sync_filesystem(folder.path()).unwrap();
}
