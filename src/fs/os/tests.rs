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

/// Changes a file that is open for writing, each time otherwise.
#[cfg(unix)]
fn change(file: &dyn File, path: &Path, round: usize) {
    match round % 5 {
        0 => assert_eq!(file.write_at(b"x", 0).unwrap(), 1),
        1 => file.set_len(1).unwrap(),
        2 => file.set_mode(if round.is_multiple_of(2) { 0o600 } else { 0o644 }).unwrap(),
        3 => {
            let other = path.with_extension("other");
            OsFs.rename(path, &other).unwrap();
            OsFs.rename(&other, path).unwrap();
        }
        _ => {
            let other = OsFs.open(path, Open::Write).unwrap();
            assert_eq!(other.write_at(b"y", 0).unwrap(), 1);
        }
    }
}

#[cfg(unix)]
#[test]
fn where_it_is_said_that_each_change_is_told_each_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("file");
    let file = OsFs.open(&path, Open::CreateNew(Mode::Private)).unwrap();
    file.write_at(b"a", 0).unwrap();
    // Often, because a busy machine may be too slow to tell.
    let is_told = (0..100).any(|_| file.tells_each_change().unwrap());
    assert_eq!(OsFs.open(&path, Open::Read).unwrap().stat().unwrap().len, 1, "it is as it was");
    if !is_told {
        eprintln!("not on this filesystem: there is nothing to hold it to");
        return;
    }
    for round in 0..5000 {
        let before = file.stat().unwrap();
        change(&*file, &path, round);
        let after = file.stat().unwrap();
        assert_ne!(after.changed_ns, before.changed_ns, "round {round}: {before:?}");
    }
}
