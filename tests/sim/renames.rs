//! Which half of which rename survives a power cut.

use std::path::Path;

use docbox::fs::Fs;

use crate::support::sim::Disk;
use crate::{after_power_cuts, create, disk_with, files, rename, sync_dir, write};

fn there<const N: usize>(disk: &Disk, paths: [&str; N]) -> [bool; N] {
    files(disk, paths).map(|bytes| bytes.is_some())
}

#[test]
fn the_two_halves_of_a_rename_survive_apart() {
    let disk = disk_with([("/s/a", b"a")]);
    let process = disk.process();
    rename(&*process, "/s/a", "/s/b");
    let seen = after_power_cuts(&disk, |disk| there(disk, ["/s/a", "/s/b"]));
    assert_eq!(seen.len(), 4, "old name, new name, both, none: {seen:?}");
}

#[test]
fn both_names_of_a_rename_lead_to_one_file() {
    let disk = disk_with([("/s/a", b"a")]);
    rename(&*disk.process(), "/s/a", "/s/b");
    let seen = after_power_cuts(&disk, |disk| {
        let process = disk.process();
        let stat = |path| process.stat(Path::new(path)).ok();
        stat("/s/a").zip(stat("/s/b")).map(|(a, b)| a.same_file(&b))
    });
    assert_eq!(seen, [None, Some(true)].into());
}

#[test]
fn a_rename_between_two_files_of_one_inode_does_nothing() {
    let disk = disk_with([("/s/a", b"a")]);
    rename(&*disk.process(), "/s/a", "/s/b");
    let seen = after_power_cuts(&disk, |disk| {
        let both = there(disk, ["/s/a", "/s/b"]) == [true; 2];
        if both {
            rename(&*disk.process(), "/s/a", "/s/b");
        }
        (both, there(disk, ["/s/a", "/s/b"]) == [true; 2])
    });
    assert_eq!(seen, [(false, false), (true, true)].into());
}

#[test]
fn a_name_that_was_renamed_over_leads_to_the_old_file_or_the_new_one() {
    let disk = disk_with([("/s/a", b"old"), ("/s/t", b"new")]);
    let process = disk.process();
    rename(&*process, "/s/t", "/s/a");
    let seen = after_power_cuts(&disk, |disk| files(disk, ["/s/a"]));
    assert_eq!(seen, [[Some("new".to_owned())], [Some("old".to_owned())]].into());
}

#[test]
fn a_synced_rename_in_one_folder_survives_whole() {
    let disk = disk_with([("/s/a", b"a")]);
    let process = disk.process();
    rename(&*process, "/s/a", "/s/b");
    sync_dir(&*process, "/s");
    let seen = after_power_cuts(&disk, |disk| there(disk, ["/s/a", "/s/b"]));
    assert_eq!(seen, [[false, true]].into());
}

#[test]
fn a_rename_between_two_folders_needs_the_sync_of_both() {
    let disk = disk_with([("/s/one/a", b"a"), ("/s/two/x", b"")]);
    let process = disk.process();
    rename(&*process, "/s/one/a", "/s/two/a");
    let (one, two) = (disk.fork(), disk.fork());
    sync_dir(&*one.process(), "/s/one");
    sync_dir(&*two.process(), "/s/two");
    let paths = ["/s/one/a", "/s/two/a"];
    let seen = after_power_cuts(&one, |disk| there(disk, paths));
    assert_eq!(seen, [[false, false], [false, true]].into());
    let seen = after_power_cuts(&two, |disk| there(disk, paths));
    assert_eq!(seen, [[false, true], [true, true]].into());
}

#[test]
fn renames_of_one_inode_survive_in_order() {
    let disk = disk_with([("/s/a", b"a")]);
    let process = disk.process();
    rename(&*process, "/s/a", "/s/b");
    rename(&*process, "/s/b", "/s/c");
    let seen = after_power_cuts(&disk, |disk| there(disk, ["/s/a", "/s/b", "/s/c"]));
    let possible = [
        // The first in part, the second not at all.
        [true, false, false],
        [false, false, false],
        [true, true, false],
        [false, true, false],
        // The first whole, the second in part or whole.
        [false, true, true],
        [false, false, true],
    ];
    assert_eq!(seen, possible.into());
}

#[test]
fn a_durable_half_of_a_rename_makes_the_earlier_renames_of_the_inode_durable() {
    let disk = disk_with([("/s/1/a", b"a"), ("/s/2/x", b""), ("/s/3/x", b"")]);
    let process = disk.process();
    rename(&*process, "/s/1/a", "/s/2/a");
    rename(&*process, "/s/2/a", "/s/3/a");
    sync_dir(&*process, "/s/3");
    let seen = after_power_cuts(&disk, |disk| there(disk, ["/s/1/a", "/s/2/a", "/s/3/a"]));
    assert_eq!(seen, [[false, false, true], [false, true, true]].into());
}

#[test]
fn renames_of_two_inodes_survive_in_either_order() {
    let disk = disk_with([("/s/1/a", b"a"), ("/s/1/b", b"b"), ("/s/2/x", b"")]);
    let process = disk.process();
    rename(&*process, "/s/1/a", "/s/2/a");
    rename(&*process, "/s/1/b", "/s/2/b");
    let seen = after_power_cuts(&disk, |disk| there(disk, ["/s/2/a", "/s/2/b"]));
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_folder_never_has_two_names() {
    let disk = disk_with([("/s/p/a", b"a"), ("/s/one/x", b""), ("/s/two/x", b"")]);
    let process = disk.process();
    rename(&*process, "/s/p", "/s/one/p");
    rename(&*process, "/s/one/p", "/s/two/p");
    let paths = ["/s/p/a", "/s/one/p/a", "/s/two/p/a"];
    let seen = after_power_cuts(&disk, |disk| there(disk, paths));
    assert_eq!(seen, [[true, false, false], [false, true, false], [false, false, true]].into());
    sync_dir(&*process, "/s/one");
    let seen = after_power_cuts(&disk, |disk| there(disk, paths));
    assert_eq!(seen, [[false, false, true]].into(), "one synced half is the whole rename");
}

#[test]
fn a_new_file_put_in_place_without_a_sync_may_be_there_without_its_bytes() {
    let disk = disk_with([("/s/a", b"old")]);
    let process = disk.process();
    write(&*create(&*process, "/s/t"), "new", 0);
    rename(&*process, "/s/t", "/s/a");
    sync_dir(&*process, "/s");
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    for outcome in [b"".as_slice(), b"\0\0\0", b"new"] {
        assert!(seen.contains(outcome), "{outcome:?} was never seen");
    }
    assert!(!seen.contains(b"old".as_slice()));
}
