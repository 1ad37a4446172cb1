//! A sync that fails, and what a later one proves.

use std::io;
use std::path::Path;
use std::sync::Arc;

use docbox::fs::{File, Fs, Mode};

use crate::support::sim::{Disk, SimFs, Survival, fail_at};
use crate::{after_power_cuts, create, disk_with, files, open, rename, sync_dir, write};

fn failing_sync(disk: &Disk, file: &dyn File) {
    disk.hook(fail_at(disk.calls(), io::ErrorKind::StorageFull));
    assert_eq!(file.sync_data().unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.unhook();
}

fn failing_sync_dir(disk: &Disk, process: &SimFs) {
    disk.hook(fail_at(disk.calls(), io::ErrorKind::StorageFull));
    assert!(process.sync_dir(Path::new("/s")).is_err());
    disk.unhook();
}

fn durable(disk: &Disk, path: &str) -> Option<Vec<u8>> {
    let disk = disk.fork();
    disk.power_cut_with(Survival::NOTHING);
    disk.read(path)
}

fn overwritten() -> (Disk, Arc<dyn File>) {
    let disk = disk_with([("/s/a", &[b'.'; 1024])]);
    let file = open(&*disk.process(), "/s/a");
    write(&*file, [b'x'; 1024], 0);
    failing_sync(&disk, &*file);
    (disk, file)
}

#[test]
fn failed_sync_leaves_pages_clean_and_not_durable() {
    let (disk, file) = overwritten();
    assert_eq!(disk.read("/s/a").unwrap(), [b'x'; 1024], "the page cache has them");
    file.sync_data().unwrap();
    assert_eq!(durable(&disk, "/s/a").unwrap(), [b'.'; 1024], "a later sync proves nothing");
}

#[test]
fn of_a_failed_sync_any_part_may_be_on_the_disk() {
    let (disk, file) = overwritten();
    file.sync_data().unwrap();
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    assert!(seen.contains([b'.'; 1024].as_slice()));
    assert!(seen.contains([b'x'; 1024].as_slice()));
    assert!(seen.iter().any(|bytes| bytes[0] == b'.' && bytes[512] == b'x'));
}

#[test]
fn only_the_cells_that_are_written_again_become_durable() {
    let (disk, file) = overwritten();
    write(&*file, "x", 600);
    file.sync_data().unwrap();
    let mut half = vec![b'.'; 512];
    half.resize(1024, b'x');
    assert_eq!(durable(&disk, "/s/a").unwrap(), half);
    write(&*file, "x", 0);
    file.sync_data().unwrap();
    assert_eq!(
        after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap()),
        [vec![b'x'; 1024]].into()
    );
}

#[test]
fn a_newer_cell_in_a_page_does_not_bring_back_older_bytes_of_another() {
    let (disk, file) = overwritten();
    write(&*file, [b'y'; 512], 512);
    file.sync_data().unwrap();
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    assert!(seen.iter().all(|bytes| bytes[512..] == [b'y'; 512]));
    assert!(seen.iter().any(|bytes| bytes[0] == b'.'));
}

#[test]
fn a_length_whose_sync_failed_is_durable_once_bytes_past_the_durable_one_are_written_again() {
    let disk = disk_with([("/s/a", b"1234")]);
    let file = open(&*disk.process(), "/s/a");
    write(&*file, "5678", 4);
    failing_sync(&disk, &*file);
    write(&*file, "1234", 0);
    file.sync_data().unwrap();
    assert_eq!(durable(&disk, "/s/a").unwrap(), b"1234");
    write(&*file, "5678", 4);
    file.sync_data().unwrap();
    assert_eq!(durable(&disk, "/s/a").unwrap(), b"12345678");
}

#[test]
fn a_cut_whose_sync_failed_may_be_undone_until_the_length_changes_again() {
    let disk = disk_with([("/s/a", b"1234")]);
    let file = open(&*disk.process(), "/s/a");
    file.set_len(2).unwrap();
    failing_sync(&disk, &*file);
    file.set_len(2).unwrap();
    file.sync_data().unwrap();
    assert_eq!(durable(&disk, "/s/a").unwrap(), b"1234");
    file.set_len(1).unwrap();
    file.sync_data().unwrap();
    assert_eq!(durable(&disk, "/s/a").unwrap(), b"1");
}

#[test]
fn a_failed_sync_of_a_folder_leaves_its_entries_not_durable() {
    let disk = Disk::new();
    let process = disk.process();
    create(&*process, "/s/a");
    failing_sync_dir(&disk, &process);
    sync_dir(&*process, "/s");
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").is_some());
    assert_eq!(seen, [false, true].into());
}

#[test]
fn a_failed_sync_of_one_folder_says_nothing_of_another() {
    let disk = Disk::new();
    let process = disk.process();
    process.create_dir(Path::new("/s/p"), Mode::Private).unwrap();
    sync_dir(&*process, "/s");
    create(&*process, "/s/p/a");
    failing_sync_dir(&disk, &process);
    sync_dir(&*process, "/s/p");
    assert!(durable(&disk, "/s/p/a").is_some());
}

#[test]
fn a_durable_cut_ends_what_failed_syncs_left() {
    let disk = disk_with([("/s/a", b"")]);
    let file = open(&*disk.process(), "/s/a");
    write(&*file, [b'x'; 9000], 0);
    failing_sync(&disk, &*file);
    file.set_len(0).unwrap();
    failing_sync(&disk, &*file);
    for len in [9000, 0, 9000] {
        file.set_len(len).unwrap();
        file.sync_data().unwrap();
    }
    assert_eq!(after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap()), [vec![0; 9000]].into());
}

#[test]
fn an_entry_that_is_made_again_after_a_failed_sync_becomes_durable() {
    let disk = disk_with([("/s/a", b"old"), ("/s/t1", b"new"), ("/s/t2", b"new")]);
    let process = disk.process();
    rename(&*process, "/s/t1", "/s/a");
    failing_sync_dir(&disk, &process);
    rename(&*process, "/s/t2", "/s/a");
    sync_dir(&*process, "/s");
    let seen = after_power_cuts(&disk, |disk| files(disk, ["/s/a", "/s/t2"]));
    assert_eq!(seen, [[Some("new".to_owned()), None]].into());
}
