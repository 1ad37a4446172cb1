//! Each call does and refuses what the real one does and refuses.

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use docbox::fs::{File, Fs, Kind, Mode, Open};

use crate::support::sim::{Disk, SimFs};
use crate::{disk_with, open};

/// A file, a folder with a file, an empty folder, and links to each, to nothing and to itself.
fn furnished() -> (Disk, Arc<SimFs>) {
    let disk = disk_with([("/s/file", b"bytes"), ("/s/dir/a", b"a")]);
    disk.create_dirs("/s/empty");
    for (target, path) in [
        ("file", "/s/to-file"),
        ("/s/dir", "/s/to-dir"),
        ("nothing", "/s/to-nothing"),
        ("loop", "/s/loop"),
    ] {
        disk.symlink(target, path);
    }
    let process = disk.process();
    (disk, process)
}

fn kind<T: Debug>(result: io::Result<T>) -> ErrorKind {
    result.expect_err("it is refused").kind()
}

fn is_loop<T>(result: io::Result<T>) -> bool {
    #[cfg(unix)]
    let code = Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(not(unix))]
    let code = None;
    result.is_err_and(|error| error.raw_os_error() == code)
}

#[test]
fn open_finds_files_and_makes_them_as_asked() {
    let (_disk, process) = furnished();
    let open =
        |path: &str, how| process.open(Path::new(path), how).map(|file| file.stat().unwrap());
    for how in [Open::Read, Open::Write] {
        assert_eq!(open("/s/file", how).unwrap().len, 5);
        assert_eq!(kind(open("/s/new", how)), ErrorKind::NotFound);
    }
    for how in [Open::Read, Open::Write, Open::Create(Mode::Shared)] {
        assert_eq!(kind(open("/s/none/a", how)), ErrorKind::NotFound);
        assert_eq!(kind(open("/s/file/a", how)), ErrorKind::NotADirectory);
    }
    assert_eq!(kind(open("/s/file", Open::CreateNew(Mode::Shared))), ErrorKind::AlreadyExists);
    assert_eq!(kind(open("/s/dir", Open::CreateNew(Mode::Shared))), ErrorKind::AlreadyExists);
    assert_eq!(kind(open("/s/dir", Open::Create(Mode::Shared))), ErrorKind::IsADirectory);
    assert_eq!(kind(open("/s/dir", Open::Write)), ErrorKind::IsADirectory);
    assert_eq!(kind(open("/s/dir", Open::Read)), ErrorKind::InvalidInput);
    assert_eq!(open("/s/1", Open::CreateNew(Mode::Private)).unwrap().mode, 0o600);
    assert_eq!(open("/s/2", Open::Create(Mode::Shared)).unwrap().mode, 0o644);
    assert_eq!(open("/s/2", Open::Create(Mode::Shared)).unwrap().mode, 0o644);
    assert_eq!(open("/s/2", Open::Create(Mode::Private)).unwrap().mode, 0o600);
}

#[test]
fn paths_must_be_such_as_a_kernel_takes() {
    let (_disk, process) = furnished();
    let stat = |path: &str| process.stat(Path::new(path));
    assert_eq!(kind(stat("s/file")), ErrorKind::InvalidInput);
    assert_eq!(kind(stat("/s/a\0b")), ErrorKind::InvalidInput);
    assert_eq!(kind(stat(&format!("/s/{}", "a".repeat(256)))), ErrorKind::InvalidFilename);
    assert_eq!(kind(stat(&format!("/s/{}", "a".repeat(255)))), ErrorKind::NotFound);
    assert_eq!(kind(stat(&format!("/s{}", "/a".repeat(2048)))), ErrorKind::InvalidFilename);
    assert_eq!(stat("/s/dir/../file").unwrap().len, 5);
    assert_eq!(kind(stat("/s/file/../file")), ErrorKind::NotADirectory);
    assert_eq!(stat("/").unwrap().kind, Kind::Dir);
}

#[test]
fn a_link_in_the_last_place_is_not_followed() {
    let (_disk, process) = furnished();
    let path = Path::new("/s/to-file");
    assert_eq!(process.stat(path).unwrap().kind, Kind::Other);
    for how in [Open::Read, Open::Write, Open::Create(Mode::Shared)] {
        assert!(is_loop(process.open(path, how)));
        assert!(is_loop(process.open(Path::new("/s/to-nothing"), how)));
    }
    let new = Open::CreateNew(Mode::Shared);
    assert_eq!(kind(process.open(path, new)), ErrorKind::AlreadyExists);
    assert_eq!(kind(process.create_dir(path, Mode::Shared)), ErrorKind::AlreadyExists);
    process.rename(path, Path::new("/s/renamed")).unwrap();
    assert_eq!(process.stat(Path::new("/s/renamed")).unwrap().kind, Kind::Other);
    process.remove_file(Path::new("/s/renamed")).unwrap();
    assert_eq!(kind(process.remove_dir(Path::new("/s/to-dir"))), ErrorKind::NotADirectory);
    assert_eq!(process.stat(Path::new("/s/file")).unwrap().len, 5, "it is not the link's target");
}

#[test]
fn a_link_in_the_middle_is_followed() {
    let (_disk, process) = furnished();
    let stat = |path: &str| process.stat(Path::new(path));
    assert!(stat("/s/to-dir/a").unwrap().same_file(&stat("/s/dir/a").unwrap()));
    assert_eq!(stat("/s/to-dir/../file").unwrap().len, 5);
    assert_eq!(kind(stat("/s/to-nothing/a")), ErrorKind::NotFound);
    assert_eq!(kind(stat("/s/to-file/a")), ErrorKind::NotADirectory);
    assert!(is_loop(stat("/s/loop/a")));
    assert_eq!(process.read_dir(Path::new("/s/to-dir")).unwrap().len(), 1);
    process.sync_dir(Path::new("/s/to-dir")).unwrap();
    for how in [Open::Read, Open::Write, Open::Create(Mode::Shared)] {
        assert!(is_loop(process.open(Path::new("/s/to-dir/a"), how)), "but no file is opened");
    }
}

#[test]
fn canonical_resolves_every_link() {
    let (_disk, process) = furnished();
    let canonical = |path: &str| process.canonical(Path::new(path));
    assert_eq!(canonical("/s/to-file").unwrap(), PathBuf::from("/s/file"));
    assert_eq!(canonical("/s/to-dir/./a").unwrap(), PathBuf::from("/s/dir/a"));
    assert_eq!(canonical("/s/dir/..").unwrap(), PathBuf::from("/s"));
    assert_eq!(canonical("/").unwrap(), PathBuf::from("/"));
    assert_eq!(kind(canonical("/s/to-nothing")), ErrorKind::NotFound);
    assert!(is_loop(canonical("/s/loop")));
}

#[test]
fn folders_are_made_listed_and_removed() {
    let (_disk, process) = furnished();
    let mkdir = |path: &str, mode| process.create_dir(Path::new(path), mode);
    mkdir("/s/new", Mode::Private).unwrap();
    mkdir("/s/new/er", Mode::Shared).unwrap();
    let mode = |path: &str| process.stat(Path::new(path)).unwrap().mode;
    assert_eq!((mode("/s/new"), mode("/s/new/er")), (0o700, 0o755));
    assert_eq!(kind(mkdir("/s/file", Mode::Shared)), ErrorKind::AlreadyExists);
    assert_eq!(kind(mkdir("/", Mode::Shared)), ErrorKind::AlreadyExists);
    assert_eq!(kind(mkdir("/s/none/a", Mode::Shared)), ErrorKind::NotFound);
    assert_eq!(kind(mkdir("/s/file/a", Mode::Shared)), ErrorKind::NotADirectory);
    let rmdir = |path: &str| process.remove_dir(Path::new(path));
    assert_eq!(kind(rmdir("/s/new")), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(rmdir("/s/file")), ErrorKind::NotADirectory);
    assert_eq!(kind(rmdir("/s/none")), ErrorKind::NotFound);
    rmdir("/s/new/er").unwrap();
    rmdir("/s/new").unwrap();
    assert_eq!(kind(process.read_dir(Path::new("/s/file"))), ErrorKind::NotADirectory);
    assert_eq!(kind(process.read_dir(Path::new("/s/none"))), ErrorKind::NotFound);
    assert_eq!(kind(process.sync_dir(Path::new("/s/none"))), ErrorKind::NotFound);
    let mut listed: Vec<_> = process
        .read_dir(Path::new("/s"))
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name.into_string().unwrap(), entry.kind))
        .collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("dir", Kind::Dir),
        ("empty", Kind::Dir),
        ("file", Kind::File),
        ("loop", Kind::Other),
        ("to-dir", Kind::Other),
        ("to-file", Kind::Other),
        ("to-nothing", Kind::Other),
    ];
    assert_eq!(listed, expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn a_listing_is_in_no_order_that_code_could_lean_on() {
    let disk = Disk::new();
    for index in 0..10 {
        disk.write(format!("/s/{index}"), "");
    }
    let entries = disk.process().read_dir(Path::new("/s")).unwrap();
    assert!(!entries.is_sorted_by(|one, other| one.name <= other.name));
    assert!(!entries.is_sorted_by(|one, other| one.name >= other.name));
}

#[test]
fn rename_goes_over_files_and_empty_folders_of_the_same_sort() {
    let (disk, process) = furnished();
    let rename = |from: &str, to: &str| process.rename(Path::new(from), Path::new(to));
    assert_eq!(kind(rename("/s/none", "/s/a")), ErrorKind::NotFound);
    assert_eq!(kind(rename("/s/file", "/s/none/a")), ErrorKind::NotFound);
    assert_eq!(kind(rename("/s/file", "/s/file/a")), ErrorKind::NotADirectory);
    assert_eq!(kind(rename("/s/file", "/s/empty")), ErrorKind::IsADirectory);
    assert_eq!(kind(rename("/s/dir", "/s/file")), ErrorKind::NotADirectory);
    assert_eq!(kind(rename("/s/empty", "/s/dir")), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(rename("/s/dir/a", "/s/dir")), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(rename("/s/dir", "/s/dir/b")), ErrorKind::InvalidInput);
    rename("/s/file", "/s/file").unwrap();
    rename("/s/dir", "/s/empty").unwrap();
    rename("/s/file", "/s/empty/a").unwrap();
    assert_eq!(disk.read("/s/empty/a").unwrap(), b"bytes");
    assert!(disk.read("/s/file").is_none() && disk.read("/s/dir/a").is_none());
}

#[test]
fn remove_file_removes_files_only() {
    let (disk, process) = furnished();
    let remove = |path: &str| process.remove_file(Path::new(path));
    assert_eq!(kind(remove("/s/none")), ErrorKind::NotFound);
    assert_eq!(kind(remove("/s/file/a")), ErrorKind::NotADirectory);
    assert_eq!(kind(remove("/s/empty")), ErrorKind::IsADirectory);
    remove("/s/file").unwrap();
    assert!(disk.read("/s/file").is_none());
}

#[test]
fn temp_files_have_new_names_and_the_mode_asked_for() {
    let (disk, process) = furnished();
    let temp = |mode| process.create_temp(Path::new("/s/dir"), ".new-", mode).unwrap();
    disk.write("/s/dir/.new-00000002", "planted");
    let ((one, first), (other, second)) = (temp(Mode::Private), temp(Mode::Shared));
    assert_ne!(one, other);
    for path in [&one, &other] {
        assert!(path.file_name().unwrap().to_str().unwrap().starts_with(".new-"));
        assert!(path.starts_with("/s/dir"));
    }
    assert_eq!((first.stat().unwrap().mode, second.stat().unwrap().mode), (0o600, 0o644));
    assert_eq!(disk.read("/s/dir/.new-00000002").unwrap(), b"planted");
    let missing = process.create_temp(Path::new("/s/none"), "a", Mode::Private);
    assert_eq!(kind(missing.map(|(path, _)| path)), ErrorKind::NotFound);
}

#[test]
fn a_file_opened_for_reading_cannot_be_changed() {
    let (_disk, process) = furnished();
    let file = process.open(Path::new("/s/file"), Open::Read).unwrap();
    let mut bytes = [0; 9];
    assert_eq!(file.read_at(&mut bytes, 2).unwrap(), 3);
    assert_eq!(&bytes[..3], b"tes");
    assert_eq!(file.read_at(&mut bytes, 5).unwrap(), 0);
    assert_eq!(file.read_at(&mut bytes, u64::MAX).unwrap(), 0);
    assert!(file.write_at(b"x", 0).is_err());
    assert_eq!(kind(file.set_len(0)), ErrorKind::InvalidInput);
    file.sync_data().unwrap();
}

#[test]
fn mode_bits_are_kept_over_a_power_cut() {
    let (disk, process) = furnished();
    open(&*process, "/s/file").set_mode(0o640).unwrap();
    disk.settle();
    disk.power_cut(1);
    assert_eq!(disk.process().stat(Path::new("/s/file")).unwrap().mode, 0o640);
}

#[test]
fn a_wrong_offset_is_refused() {
    let (_disk, process) = furnished();
    let file: Arc<dyn File> = open(&*process, "/s/file");
    assert_eq!(kind(file.write_at(b"x", u64::MAX)), ErrorKind::FileTooLarge);
    assert_eq!(kind(file.set_len(u64::MAX)), ErrorKind::FileTooLarge);
    assert_eq!(file.write_at(b"", 100).unwrap(), 0);
    assert_eq!(file.stat().unwrap().len, 5);
}
