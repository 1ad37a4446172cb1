//! Which names survive a power cut.

use std::path::Path;

use docbox::fs::{Fs, Mode};

use crate::support::sim::{Disk, Survival};
use crate::{after_power_cuts, create, disk_with, files, sync_dir, write};

fn mkdir(fs: &dyn Fs, path: &str) {
    fs.create_dir(Path::new(path), Mode::Private).expect("the name is free");
}

fn remove(fs: &dyn Fs, path: &str) {
    fs.remove_file(Path::new(path)).expect("the file is there");
}

#[test]
fn unsynced_entry_may_vanish_and_may_survive() {
    let disk = Disk::new();
    let process = disk.process();
    create(&*process, "/s/a").sync_data().unwrap();
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").is_some());
    assert_eq!(seen, [false, true].into(), "a sync of the file is none of its name");
}

#[test]
fn synced_entry_always_survives() {
    let disk = Disk::new();
    let process = disk.process();
    create(&*process, "/s/a");
    sync_dir(&*process, "/s");
    assert_eq!(after_power_cuts(&disk, |disk| disk.read("/s/a").is_some()), [true].into());
}

#[test]
fn a_sync_of_one_folder_says_nothing_of_another() {
    let disk = Disk::new();
    disk.create_dirs("/s/one");
    disk.settle();
    let process = disk.process();
    create(&*process, "/s/one/a");
    sync_dir(&*process, "/s");
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/one/a").is_some());
    assert_eq!(seen, [false, true].into());
}

#[test]
fn a_removed_name_may_come_back_until_its_folder_is_synced() {
    let disk = disk_with([("/s/a", b"a")]);
    let process = disk.process();
    remove(&*process, "/s/a");
    let there = |disk: &Disk| disk.read("/s/a").is_some();
    assert_eq!(after_power_cuts(&disk, there), [false, true].into());
    sync_dir(&*process, "/s");
    assert_eq!(after_power_cuts(&disk, there), [false].into());
}

#[test]
fn two_removals_survive_in_either_order() {
    let disk = disk_with([("/s/1", b"1"), ("/s/2", b"2")]);
    let process = disk.process();
    remove(&*process, "/s/1");
    remove(&*process, "/s/2");
    let seen = after_power_cuts(&disk, |disk| files(disk, ["/s/1", "/s/2"]).map(|it| it.is_some()));
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn of_a_name_that_was_used_again_any_state_may_survive() {
    let disk = disk_with([("/s/a", b"1")]);
    let process = disk.process();
    for text in ["2", "3"] {
        remove(&*process, "/s/a");
        let file = create(&*process, "/s/a");
        write(&*file, text, 0);
        file.sync_data().unwrap();
    }
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a"));
    let states = [None, Some(b"1".to_vec()), Some(b"2".to_vec()), Some(b"3".to_vec())];
    assert_eq!(seen, states.into());
}

#[test]
fn a_lost_folder_takes_its_whole_tree_with_it() {
    let disk = Disk::new();
    let process = disk.process();
    mkdir(&*process, "/s/p");
    mkdir(&*process, "/s/p/q");
    let file = create(&*process, "/s/p/q/a");
    write(&*file, "a", 0);
    file.sync_data().unwrap();
    sync_dir(&*process, "/s/p/q");
    sync_dir(&*process, "/s/p");
    let seen = after_power_cuts(&disk, |disk| files(disk, ["/s/p/q/a"]));
    assert_eq!(seen, [[None], [Some("a".to_owned())]].into());
    let lost = disk.fork();
    lost.power_cut_with(Survival::NOTHING);
    assert_eq!(lost.tree().len(), 1, "{}", lost.dump());
    sync_dir(&*process, "/s");
    let seen = after_power_cuts(&disk, |disk| files(disk, ["/s/p/q/a"]));
    assert_eq!(seen, [[Some("a".to_owned())]].into());
}

#[test]
fn a_removed_folder_may_come_back_with_what_was_in_it() {
    let disk = disk_with([("/s/p/a", b"a")]);
    let process = disk.process();
    remove(&*process, "/s/p/a");
    process.remove_dir(Path::new("/s/p")).unwrap();
    let seen = after_power_cuts(&disk, |disk| disk.tree().len());
    assert_eq!(seen, [1, 2, 3].into(), "the folder gone, empty, or as it was");
}

#[test]
fn survival_of_everything_is_the_page_cache_and_of_nothing_is_what_was_synced() {
    let disk = disk_with([("/s/old", b"old")]);
    let process = disk.process();
    remove(&*process, "/s/old");
    write(&*create(&*process, "/s/new"), "new", 0);
    let everything = disk.fork();
    everything.power_cut_with(Survival::EVERYTHING);
    assert_eq!(files(&everything, ["/s/old", "/s/new"]), [None, Some("new".to_owned())]);
    disk.power_cut_with(Survival::NOTHING);
    assert_eq!(files(&disk, ["/s/old", "/s/new"]), [Some("old".to_owned()), None]);
}
