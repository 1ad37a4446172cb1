//! Which lengths survive a power cut.

use std::collections::BTreeSet;

use crate::support::sim::{Disk, Fate, Survival};
use crate::{after_power_cuts, disk_with, open, write};

fn lengths(disk: &Disk) -> BTreeSet<usize> {
    after_power_cuts(disk, |disk| disk.read("/s/a").unwrap().len())
}

#[test]
fn a_synced_length_always_survives() {
    let disk = disk_with([("/s/a", &[b'x'; 5000])]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    file.set_len(100).unwrap();
    file.sync_data().unwrap();
    assert_eq!(lengths(&disk), [100].into());
    file.set_len(9000).unwrap();
    file.sync_data().unwrap();
    assert_eq!(lengths(&disk), [9000].into());
}

#[test]
fn growth_survives_or_not_and_also_in_part() {
    let disk = disk_with([("/s/a", &[b'x'; 100])]);
    let process = disk.process();
    write(&*open(&*process, "/s/a"), [b'y'; 1500], 100);
    assert_eq!(lengths(&disk), [100, 512, 1024, 1536, 1600].into());
}

#[test]
fn growth_whose_bytes_are_lost_reads_as_zeros() {
    let disk = disk_with([("/s/a", b"")]);
    let process = disk.process();
    write(&*open(&*process, "/s/a"), [b'y'; 400], 0);
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    assert!(seen.contains([].as_slice()));
    assert!(seen.contains([0; 400].as_slice()));
    assert!(seen.contains([b'y'; 400].as_slice()));
}

#[test]
fn a_cut_survives_or_not() {
    let disk = disk_with([("/s/a", &[b'x'; 5000])]);
    let process = disk.process();
    open(&*process, "/s/a").set_len(100).unwrap();
    assert_eq!(lengths(&disk), [100, 5000].into());
}

#[test]
fn any_length_since_the_last_sync_may_be_on_the_disk() {
    let disk = disk_with([("/s/a", &[b'x'; 400])]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    for len in [300, 200, 100] {
        file.set_len(len).unwrap();
    }
    assert_eq!(lengths(&disk), [400, 300, 200, 100].into());
}

#[test]
fn a_file_that_was_cut_and_grows_again_reads_zeros() {
    let disk = disk_with([("/s/a", &[b'x'; 9000])]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    file.set_len(100).unwrap();
    file.set_len(9000).unwrap();
    let mut cut = vec![b'x'; 100];
    cut.resize(9000, 0);
    assert_eq!(disk.read("/s/a").unwrap(), cut);
    file.sync_data().unwrap();
    assert_eq!(after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap()), [cut].into());
}

#[test]
fn bytes_that_were_cut_may_come_back_but_are_never_damaged() {
    let disk = disk_with([("/s/a", &[b'x'; 9000])]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    file.set_len(100).unwrap();
    file.set_len(9000).unwrap();
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    assert!(seen.iter().flatten().all(|byte| b"x\0".contains(byte)));
    assert!(seen.iter().any(|bytes| bytes.get(8999) == Some(&b'x')));
    assert!(seen.iter().any(|bytes| bytes.get(8999) == Some(&0)));
}

#[test]
fn bytes_past_a_cut_that_survived_are_gone_for_good() {
    let disk = disk_with([("/s/a", &[b'x'; 400])]);
    open(&*disk.process(), "/s/a").set_len(100).unwrap();
    disk.power_cut_with(Survival { lengths: Fate::Kept, ..Survival::NOTHING });
    open(&*disk.process(), "/s/a").set_len(400).unwrap();
    let mut cut = vec![b'x'; 100];
    cut.resize(400, 0);
    assert_eq!(disk.read("/s/a").unwrap(), cut);
}

#[test]
fn a_write_past_the_end_leaves_zeros_between() {
    let disk = disk_with([("/s/a", b"x")]);
    let process = disk.process();
    write(&*open(&*process, "/s/a"), "y", 5000);
    let bytes = disk.read("/s/a").unwrap();
    assert_eq!((bytes[0], bytes[5000], bytes.len()), (b'x', b'y', 5001));
    assert!(bytes[1..5000].iter().all(|byte| *byte == 0));
}
