//! Processes that live together, and die.

use std::path::Path;

use docbox::fs::{Fs, Lock, Open};

use crate::support::sim::{Disk, Survival};
use crate::{disk_with, open, write};

#[test]
fn a_write_of_one_process_is_seen_by_the_others_at_once() {
    let disk = disk_with([("/s/a", b"old")]);
    let (one, other) = (disk.process(), disk.process());
    write(&*open(&*one, "/s/a"), "new", 0);
    let mut bytes = [0; 3];
    open(&*other, "/s/a").read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"new");
}

#[test]
fn each_process_has_an_id_of_its_own() {
    let disk = Disk::new();
    let (one, other) = (disk.process(), disk.process());
    assert_ne!(one.process_id(), other.process_id());
    assert!(!one.can_watch());
}

#[test]
fn killed_process_frees_its_locks_and_keeps_the_page_cache() {
    let disk = disk_with([("/s/a", b"old")]);
    let (one, other) = (disk.process(), disk.process());
    let file = open(&*one, "/s/a");
    write(&*file, "new", 0);
    assert!(file.try_lock(Lock::Exclusive).unwrap());
    let same = open(&*other, "/s/a");
    assert!(!same.try_lock(Lock::Exclusive).unwrap());
    disk.kill(&one);
    assert!(same.try_lock(Lock::Exclusive).unwrap());
    assert_eq!(disk.read("/s/a").unwrap(), b"new");
}

#[test]
fn every_call_of_a_killed_process_fails() {
    let disk = disk_with([("/s/a", b"old")]);
    let (one, other) = (disk.process(), disk.process());
    let file = open(&*one, "/s/a");
    disk.kill(&one);
    assert!(!disk.is_alive(&one) && disk.is_alive(&other));
    let calls = disk.calls();
    for error in [
        one.open(Path::new("/s/a"), Open::Read).map(|_| ()).unwrap_err(),
        one.remove_file(Path::new("/s/a")).unwrap_err(),
        one.sync_dir(Path::new("/s")).unwrap_err(),
        file.write_at(b"x", 0).unwrap_err(),
        file.read_at(&mut [0], 0).unwrap_err(),
        file.sync_data().unwrap_err(),
        file.lock().unwrap_err(),
        file.unlock().unwrap_err(),
    ] {
        assert_eq!(error.kind(), std::io::ErrorKind::Other);
        assert_eq!(error.to_string(), "process is dead");
    }
    assert_eq!(disk.calls(), calls, "the dead make no calls");
    assert!(other.stat(Path::new("/s/a")).is_ok());
}

#[test]
fn a_file_of_a_dead_process_that_is_dropped_late_takes_no_lock_from_the_living() {
    let disk = disk_with([("/s/a", b"")]);
    let (one, other) = (disk.process(), disk.process());
    let late = open(&*one, "/s/a");
    assert!(late.try_lock(Lock::Exclusive).unwrap());
    disk.kill(&one);
    let file = open(&*other, "/s/a");
    assert!(file.try_lock(Lock::Exclusive).unwrap());
    drop(late);
    assert!(!open(&*other, "/s/a").try_lock(Lock::Shared).unwrap());
}

#[test]
fn a_power_cut_kills_every_process_and_changes_the_incarnation() {
    let disk = disk_with([("/s/a", b"")]);
    let (one, other) = (disk.process(), disk.process());
    let incarnation = |fs: &dyn Fs| fs.incarnation(Path::new("/s/a")).unwrap().unwrap();
    let before = incarnation(&*one);
    disk.kill(&one);
    assert_eq!(incarnation(&*other), before, "a kill loses nothing");
    disk.power_cut_with(Survival::EVERYTHING);
    assert!(!disk.is_alive(&other));
    let after = incarnation(&*disk.process());
    assert_ne!(before.split('/').next(), after.split('/').next());
}

#[test]
fn a_pulled_disk_comes_back_in_the_same_boot_on_another_mount() {
    let disk = disk_with([("/s/a", b"old")]);
    let process = disk.process();
    let before = process.incarnation(Path::new("/s/a")).unwrap().unwrap();
    write(&*open(&*process, "/s/a"), "new", 0);
    disk.pull(Survival::NOTHING);
    let after = disk.process().incarnation(Path::new("/s/a")).unwrap().unwrap();
    let (before, after): (Vec<_>, Vec<_>) =
        (before.split('/').collect(), after.split('/').collect());
    assert_eq!((before[0], before[2]), (after[0], after[2]));
    assert_ne!(before[1], after[1]);
    assert_eq!(disk.read("/s/a").unwrap(), b"old");
}

#[test]
fn two_files_have_two_incarnations() {
    let disk = disk_with([("/s/a", b""), ("/s/b", b"")]);
    let process = disk.process();
    let of = |path| process.incarnation(Path::new(path)).unwrap();
    assert_ne!(of("/s/a"), of("/s/b"));
}

#[test]
fn an_open_file_without_a_name_can_be_used_until_it_is_closed() {
    let disk = disk_with([("/s/a", b"old")]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    process.remove_file(Path::new("/s/a")).unwrap();
    write(&*file, "new", 0);
    let mut bytes = [0; 3];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 3);
    assert_eq!(&bytes, b"new");
    file.sync_data().unwrap();
    assert_eq!(file.stat().unwrap().len, 3);
}

#[test]
fn every_write_gives_a_file_another_time_and_only_that_file() {
    let disk = disk_with([("/s/a", b"a"), ("/s/b", b"b")]);
    let process = disk.process();
    let (one, other) = (open(&*process, "/s/a"), open(&*process, "/s/b"));
    let (first, there) = (one.stat().unwrap(), other.stat().unwrap());
    assert_eq!(one.stat().unwrap(), first);
    write(&*one, "a", 0);
    let second = one.stat().unwrap();
    assert!(second.modified_ns > first.modified_ns && second.same_file(&first));
    one.set_len(1).unwrap();
    assert!(one.stat().unwrap().modified_ns > second.modified_ns);
    assert_eq!(other.stat().unwrap(), there);
}

#[test]
fn a_new_name_gives_a_folder_another_time() {
    let disk = disk_with([("/s/a", b"a")]);
    let process = disk.process();
    let time = || process.stat(Path::new("/s")).unwrap().modified_ns;
    let before = time();
    write(&*open(&*process, "/s/a"), "b", 0);
    assert_eq!(time(), before);
    process.remove_file(Path::new("/s/a")).unwrap();
    assert!(time() > before);
}
