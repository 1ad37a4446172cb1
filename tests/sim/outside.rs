//! Looks and edits from outside, copies, and the dice.

use std::collections::BTreeSet;
use std::path::Path;

use docbox::fs::{Fs, Kind};

use crate::support::sim::{Disk, ROOT, Survival};
use crate::{after_power_cuts, create, disk_with, open, write};

#[test]
fn a_new_disk_has_a_durable_folder() {
    let disk = Disk::new();
    disk.power_cut_with(Survival::NOTHING);
    assert_eq!(disk.tree(), [(ROOT.into(), Kind::Dir)]);
    assert_eq!(disk.calls(), 0);
}

#[test]
fn an_edit_from_outside_goes_to_the_page_cache_and_to_no_trace() {
    let disk = disk_with([("/s/a", b"old")]);
    let process = disk.process();
    let before = process.stat(Path::new("/s/a")).unwrap();
    disk.take_trace();
    disk.write("/s/a", "edited");
    assert!(disk.trace().is_empty());
    let after = process.stat(Path::new("/s/a")).unwrap();
    assert!(after.same_file(&before) && after != before);
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    assert!(seen.contains(b"old".as_slice()) && seen.contains(b"edited".as_slice()));
}

#[test]
fn from_outside_files_folders_and_links_are_made_renamed_and_removed() {
    let disk = Disk::new();
    disk.write("/s/p/q/a", "a");
    disk.symlink("p/q", "/s/link");
    assert_eq!(disk.read("/s/link/a").unwrap(), b"a");
    disk.rename("/s/p/q/a", "/s/b");
    disk.remove("/s/p/q");
    disk.remove("/s/link");
    let tree = [("/s", Kind::Dir), ("/s/b", Kind::File), ("/s/p", Kind::Dir)];
    assert_eq!(disk.tree(), tree.map(|(path, kind)| (path.into(), kind)));
    assert_eq!(disk.read("/s/p"), None);
    assert!(disk.dump().contains("/s/b a"), "{}", disk.dump());
}

#[test]
fn what_is_settled_survives() {
    let disk = Disk::new();
    disk.write("/s/p/a", "a");
    disk.settle();
    assert_eq!(after_power_cuts(&disk, |disk| disk.read("/s/p/a")), [Some(b"a".to_vec())].into());
}

#[test]
fn damage_at_rest_is_no_write() {
    let disk = disk_with([("/s/a", b"0123")]);
    let process = disk.process();
    let before = process.stat(Path::new("/s/a")).unwrap();
    disk.damage("/s/a", 1, b"XY");
    assert_eq!(process.stat(Path::new("/s/a")).unwrap(), before);
    assert_eq!(disk.read("/s/a").unwrap(), b"0XY3");
    disk.power_cut_with(Survival::NOTHING);
    assert_eq!(disk.read("/s/a").unwrap(), b"0XY3");
}

#[test]
fn a_fork_and_its_origin_go_their_own_ways() {
    let disk = disk_with([("/s/a", b"old")]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    write(&*file, "new", 0);
    let fork = disk.fork();
    assert_eq!(fork.calls(), 0);
    write(&*open(&*fork.process(), "/s/a"), "FORK", 0);
    assert_eq!(disk.read("/s/a").unwrap(), b"new");
    file.sync_data().unwrap();
    fork.power_cut_with(Survival::NOTHING);
    assert_eq!(fork.read("/s/a").unwrap(), b"old", "a sync of the origin is none of the fork");
    assert!(disk.is_alive(&process), "a power cut of the fork is none of the origin");
}

#[test]
fn the_same_seed_gives_the_same_crash_and_others_give_others() {
    let disk = Disk::new();
    let process = disk.process();
    for index in 0..8 {
        write(&*create(&*process, &format!("/s/{index}")), [b'x'; 2000], 0);
    }
    let crash = |seed| {
        let disk = disk.fork();
        disk.power_cut(seed);
        (0..8).map(|index| disk.read(format!("/s/{index}"))).collect::<Vec<_>>()
    };
    assert!((0..20).all(|seed| crash(seed) == crash(seed)));
    assert!((0..20).map(crash).collect::<BTreeSet<_>>().len() > 10);
}

#[test]
fn after_a_power_cut_what_survived_is_durable() {
    let disk = disk_with([("/s/a", &[b'.'; 4000])]);
    let process = disk.process();
    write(&*open(&*process, "/s/a"), [b'x'; 9000], 0);
    create(&*process, "/s/b");
    for seed in 0..50 {
        let disk = disk.fork();
        disk.power_cut(seed);
        let state = (disk.tree(), disk.read("/s/a"));
        disk.power_cut(seed + 1);
        assert_eq!((disk.tree(), disk.read("/s/a")), state);
    }
}
