//! Which bytes survive a power cut.

use crate::support::sim::{Disk, Fate, Survival};
use crate::{after_power_cuts, create, disk_with, files, open, write};

const CELL: usize = 512;

/// The first byte of each cell.
fn cells(disk: &Disk, path: &str) -> Vec<u8> {
    let bytes = disk.read(path).expect("the file is durable");
    bytes.chunks(CELL).map(|cell| cell[0]).collect()
}

#[test]
fn synced_data_always_survives() {
    let disk = disk_with([("/s/a", b"")]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    write(&*file, vec![b'x'; 10_000], 0);
    file.sync_data().unwrap();
    assert_eq!(
        after_power_cuts(&disk, |disk| disk.read("/s/a")),
        [Some(vec![b'x'; 10_000])].into()
    );
}

#[test]
fn a_sync_makes_durable_what_any_process_wrote_to_the_file() {
    let disk = disk_with([("/s/a", b"old")]);
    let (one, other) = (disk.process(), disk.process());
    write(&*open(&*one, "/s/a"), "new", 0);
    open(&*other, "/s/a").sync_data().unwrap();
    assert_eq!(after_power_cuts(&disk, |disk| disk.read("/s/a")), [Some(b"new".to_vec())].into());
}

#[test]
fn a_sync_of_one_file_says_nothing_of_another() {
    let disk = disk_with([("/s/a", b"old"), ("/s/b", b"old")]);
    let process = disk.process();
    let (one, other) = (open(&*process, "/s/a"), open(&*process, "/s/b"));
    write(&*one, "new", 0);
    write(&*other, "new", 0);
    one.sync_data().unwrap();
    let seen = after_power_cuts(&disk, |disk| files(disk, ["/s/a", "/s/b"]));
    assert!(seen.iter().all(|[a, _]| a.as_deref() == Some("new")));
    assert!(seen.iter().any(|[_, b]| b.as_deref() == Some("old")));
}

#[test]
fn each_unsynced_cell_survives_or_not_apart_from_the_others() {
    let disk = disk_with([("/s/a", &[b'.'; 2 * CELL])]);
    let process = disk.process();
    // The cells differ in their first byte only, so that a torn one is seen there.
    let file = open(&*process, "/s/a");
    write(&*file, "x", 0);
    write(&*file, "x", 512);
    let seen = after_power_cuts(&disk, |disk| cells(disk, "/s/a"));
    for outcome in [b"..", b".x", b"x.", b"xx"] {
        assert!(seen.contains(outcome.as_slice()), "{outcome:?} was never seen");
    }
}

#[test]
fn cells_of_one_large_write_survive_apart_as_well() {
    let disk = disk_with([("/s/a", &[b'.'; 20 * CELL])]);
    let process = disk.process();
    write(&*open(&*process, "/s/a"), [b'x'; 20 * CELL], 0);
    let seen = after_power_cuts(&disk, |disk| cells(disk, "/s/a"));
    assert!(seen.contains([b'.'; 20].as_slice()), "all may be lost");
    assert!(seen.contains([b'x'; 20].as_slice()), "all may be kept");
    let mixed = |cells: &Vec<u8>| cells[3] == b'.' && cells[17] == b'x';
    assert!(seen.iter().any(mixed), "a later cell may be kept without an earlier one");
}

#[test]
fn any_version_since_the_last_sync_may_be_on_the_disk() {
    // So many bytes that none is whole by chance when it is torn.
    let version = |text: &str| text.repeat(40).into_bytes();
    let disk = disk_with([("/s/a", version("0").as_slice())]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    write(&*file, version("1"), 0);
    file.sync_data().unwrap();
    for text in ["2", "3", "4"] {
        write(&*file, version(text), 0);
    }
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    for text in ["1", "2", "3", "4"] {
        assert!(seen.contains(&version(text)), "{text} was never seen");
    }
    assert!(!seen.iter().flatten().all(|byte| b"1234".contains(byte)), "some are torn");
    assert!(!seen.contains(&version("0")), "what was there before the last sync is gone");
}

#[test]
fn a_torn_cell_is_damaged_only_in_bytes_that_the_write_changed() {
    let mut old = vec![b'a'; CELL];
    let disk = disk_with([("/s/a", &old)]);
    let process = disk.process();
    // Of the written bytes, the last ten have the value that they had.
    write(&*open(&*process, "/s/a"), "bbbbbbbbbbaaaaaaaaaa", 100);
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a").unwrap());
    assert!(seen.iter().all(|bytes| bytes[..100] == old[..100] && bytes[110..] == old[110..]));
    assert!(seen.iter().any(|bytes| bytes[100..110].iter().any(|byte| !b"ab".contains(byte))));
    assert!(
        seen.iter().any(|bytes| bytes[100..110].contains(&b'a') && bytes[100..110] != old[..10])
    );
    old[100..110].fill(b'b');
    assert!(seen.contains(&old));
}

#[test]
fn a_page_that_is_written_over_and_over_keeps_its_newest_version() {
    let disk = disk_with([("/s/a", &[b'.'; 4 * CELL])]);
    let process = disk.process();
    let file = open(&*process, "/s/a");
    write(&*file, "y", 3 * 512);
    for byte in b'a'..=b'z' {
        write(&*file, [byte], 0);
        write(&*file, [byte], 512);
    }
    let everything = disk.fork();
    everything.power_cut_with(Survival::EVERYTHING);
    assert_eq!(cells(&everything, "/s/a"), b"zz.y");
    let seen = after_power_cuts(&disk, |disk| cells(disk, "/s/a"));
    let mixed = |cells: &Vec<u8>| cells[3] == b'y' && cells[0] == b'.';
    assert!(seen.iter().any(mixed), "the older write of another cell is not forgotten");
    file.sync_data().unwrap();
    disk.power_cut_with(Survival::NOTHING);
    assert_eq!(cells(&disk, "/s/a"), b"zz.y");
}

#[test]
fn the_bytes_of_a_new_file_may_be_lost_though_its_name_and_length_survive() {
    let disk = Disk::new();
    let process = disk.process();
    write(&*create(&*process, "/s/a"), [b'x'; 1000], 0);
    let look = |survival| {
        let disk = disk.fork();
        disk.power_cut_with(survival);
        disk.read("/s/a")
    };
    let all = Survival::EVERYTHING;
    assert_eq!(look(all), Some(vec![b'x'; 1000]));
    assert_eq!(look(Survival { bytes: Fate::Lost, ..all }), Some(vec![0; 1000]));
    assert_eq!(look(Survival { lengths: Fate::Lost, ..all }), Some(Vec::new()));
    assert_eq!(look(Survival { entries: Fate::Lost, ..all }), None);
    let seen = after_power_cuts(&disk, |disk| disk.read("/s/a"));
    let part = |bytes: &Vec<u8>| bytes.starts_with(b"x") && bytes.ends_with(b"\0");
    assert!(seen.iter().flatten().any(part), "it may be there in part");
}
