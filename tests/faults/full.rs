//! A disk without room, and what is done with the last of it.

use std::time::Duration;

use docbox::{Error, Limits, Sizes, Start, Store, Transaction};

use crate::disk::{BLOCK_BYTES, Ballast, Disk, take_inodes, with_own_mounts};
use crate::home::{Home, make_and_delete};
use crate::ledger::{Ledger, is_full, never};
use crate::program::{program, run};
use crate::skip;

const EXT4: [&str; 4] = ["mkfs.ext4", "-q", "-m", "0"];
const XFS: [&str; 2] = ["mkfs.xfs", "-q"];
const BTRFS: [&str; 2] = ["mkfs.btrfs", "-q"];

/// Everything grows often.
fn growing() -> Limits {
    Limits { sizes: Sizes { segment_bytes: 24 << 10, fill_bytes: 4 << 10 }, ..Limits::default() }
}

#[test]
fn a_full_ext4_refuses_commits_and_nothing_else() {
    with_own_mounts("full::a_full_ext4_refuses_commits_and_nothing_else", || {
        on(Disk::made_by(&EXT4, 24), |disk| refuses_commits_and_nothing_else(disk, true));
    });
}

#[test]
fn a_full_xfs_refuses_commits_and_nothing_else() {
    with_own_mounts("full::a_full_xfs_refuses_commits_and_nothing_else", || {
        on(Disk::made_by(&XFS, 300), |disk| refuses_commits_and_nothing_else(disk, true));
    });
}

#[test]
fn a_full_btrfs_refuses_commits_and_perhaps_acks() {
    with_own_mounts("full::a_full_btrfs_refuses_commits_and_perhaps_acks", || {
        on(Disk::made_by(&BTRFS, 120), |disk| refuses_commits_and_nothing_else(disk, false));
    });
}

#[test]
fn a_full_tmpfs_refuses_commits_and_nothing_else() {
    with_own_mounts("full::a_full_tmpfs_refuses_commits_and_nothing_else", || {
        on(Disk::tmpfs("size=8m"), |disk| refuses_commits_and_nothing_else(disk, true));
    });
}

#[test]
fn on_the_last_blocks_of_ext4_no_commit_is_half_or_lost() {
    with_own_mounts("full::on_the_last_blocks_of_ext4_no_commit_is_half_or_lost", || {
        on(Disk::made_by(&EXT4, 16), |disk| no_commit_is_half_or_lost(disk, BLOCK_BYTES, true));
    });
}

#[test]
fn on_the_last_blocks_of_xfs_no_commit_is_half_or_lost() {
    with_own_mounts("full::on_the_last_blocks_of_xfs_no_commit_is_half_or_lost", || {
        on(Disk::made_by(&XFS, 300), |disk| no_commit_is_half_or_lost(disk, BLOCK_BYTES, true));
    });
}

#[test]
fn on_the_last_blocks_of_btrfs_no_commit_is_half_or_lost() {
    with_own_mounts("full::on_the_last_blocks_of_btrfs_no_commit_is_half_or_lost", || {
        on(Disk::made_by(&BTRFS, 120), |disk| no_commit_is_half_or_lost(disk, 64 << 10, false));
    });
}

#[test]
fn on_the_last_blocks_of_tmpfs_no_commit_is_half_or_lost() {
    with_own_mounts("full::on_the_last_blocks_of_tmpfs_no_commit_is_half_or_lost", || {
        on(Disk::tmpfs("size=4m"), |disk| no_commit_is_half_or_lost(disk, BLOCK_BYTES, true));
    });
}

#[test]
fn without_a_free_inode_what_needs_none_goes_on() {
    with_own_mounts("full::without_a_free_inode_what_needs_none_goes_on", || {
        let made = Disk::made_by(&["mkfs.ext4", "-q", "-m", "0", "-N", "128"], 16);
        on(made, needs_no_inode);
    });
}

#[test]
fn what_waits_in_the_spool_for_later_gives_way_where_the_disk_is_full() {
    let name = "full::what_waits_in_the_spool_for_later_gives_way_where_the_disk_is_full";
    let mkfs = [&EXT4[..], &["-b", "4096"]].concat();
    with_own_mounts(name, || on(Disk::made_by(&mkfs, 96), the_spool_gives_way));
}

fn on(disk: Result<Disk, String>, test: impl FnOnce(&Disk)) {
    match disk {
        Ok(disk) => test(&disk),
        Err(why) => skip(&why),
    }
}

/// A disk that is full all of a sudden.
fn refuses_commits_and_nothing_else(disk: &Disk, overwrites_in_place: bool) {
    let home = Home::within(disk.path());
    let store = Store::open(home.root()).expect("a store");
    let mut ledger = Ledger::default();
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
    ledger.commit(&store, 40);
    let mut ballast = Ballast::on(disk);
    while ledger.tally().1 < 40 {
        assert!(ledger.tally().0 < 2000, "it is full at last");
        if ledger.try_commit(&store, is_full) {
            // What it replaced was given back.
            ballast.fill();
        }
    }
    ledger.check_reads(&store);
    ledger.hear(&mut ui, |error| !overwrites_in_place && is_full(error));
    assert!(store.status().is_ok() && store.verify().expect("a look").is_clean());
    // What was refused may be asked for again as soon as there is room.
    ballast.give(4 << 20);
    ledger.commit(&store, 40);
    ballast.lift();
    ledger.commit(&store, 40);
    ledger.hear(&mut ui, never);
    ledger.check_heard(&home);
    ledger.check(&home, &store);
    ledger.say();
    store.close().expect("it closes");
}

/// Room comes back block by block, and is used up as it comes.
fn no_commit_is_half_or_lost(disk: &Disk, step: u64, overwrites_in_place: bool) {
    let home = Home::within(disk.path());
    let open = || {
        let options = Store::options().housekeeping(false).limits(growing());
        let store = options.open(home.root())?;
        let ui = store.subscribe("ui").from(Start::Beginning).open()?;
        Ok((store, ui))
    };
    let (mut store, mut ui) = open().expect("a store");
    let mut ledger = Ledger::default();
    ledger.commit(&store, 16);
    let mut ballast = Ballast::on(disk);
    for round in 0..if overwrites_in_place { 120 } else { 40 } {
        for _ in 0..8 {
            ledger.try_commit(&store, |error| {
                is_full(error) || (!overwrites_in_place && matches!(error, Error::Unusable { .. }))
            });
        }
        if ledger.must_reopen() {
            // Where a write could be begun and not ended, whoever opens next decides.
            drop((store, ui));
            (store, ui) = loop {
                match open() {
                    Ok(opened) => break opened,
                    Err(error) => assert!(is_full(&error) && ballast.give(step), "{error:?}"),
                }
            };
        }
        ledger.hear(&mut ui, |error| !overwrites_in_place && is_full(error));
        if round % 20 == 0 {
            ledger.check_reads(&store);
        }
        if !ballast.give(step) {
            break;
        }
    }
    ballast.lift();
    ledger.commit(&store, 16);
    ledger.hear(&mut ui, never);
    ledger.check_heard(&home);
    ledger.check(&home, &store);
    ledger.say();
    drop((store, ui));
    let (store, _ui) = open().expect("it opens");
    ledger.commit(&store, 8);
    ledger.check(&home, &store);
}

#[test]
fn on_a_full_disk_the_program_says_make_room_and_what_only_reads_goes_on() {
    let name = "full::on_a_full_disk_the_program_says_make_room_and_what_only_reads_goes_on";
    with_own_mounts(name, || {
        on(Disk::made_by(&EXT4, 24), |disk| {
            says_make_room(disk, || {});
            // What was never closed is recovered first, which needs room too.
            says_make_room(disk, || disk.remount());
        });
    });
}

fn says_make_room(disk: &Disk, before: impl FnOnce()) {
    let home = Home::within(disk.path());
    let docbox =
        |args: &[&str], stdin: &str| run(&mut program(home.root(), args), stdin.as_bytes());
    docbox(&["init"], "").ok();
    docbox(&["put", "a", "--event", "Made"], "1").ok();
    // As by a kill.
    drop(home.still().commit(Transaction::new().put("b", &2).expect("a document")).expect("room"));
    before();
    let ballast = Ballast::on(disk);
    let long = format!("\"{}\"", "x".repeat(40_000));
    let said = docbox(&["put", "long"], &long).fails(3);
    assert!(said.contains("No space left") && said.contains("make room, then try again"), "{said}");
    assert_eq!(docbox(&["get", "a"], "").ok(), "1\n");
    assert_eq!(docbox(&["get", "b"], "").ok(), "2\n");
    assert_eq!(docbox(&["ls"], "").ok(), "a\nb\n");
    assert_eq!(docbox(&["events", "--json"], "").json().len(), 1);
    docbox(&["status"], "").ok();
    docbox(&["verify"], "").ok();
    ballast.lift();
    assert!(docbox(&["put", "long"], &long).ok().starts_with("3 "));
    docbox(&["verify"], "").ok();
}

fn needs_no_inode(disk: &Disk) {
    let home = Home::within(disk.path());
    let store = Store::open(home.root()).expect("a store");
    let mut ledger = Ledger::default();
    ledger.commit(&store, 8);
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
    let taken = take_inodes(disk);
    for _ in 0..16 {
        ledger.try_commit(&store, is_full);
    }
    // Of eight, one writes no document, and one deletes: these go on.
    assert_eq!(ledger.tally(), (8 + 4, 12, 0));
    ledger.check_reads(&store);
    ledger.hear(&mut ui, never);
    for path in taken {
        std::fs::remove_file(path).expect("it can be removed");
    }
    ledger.commit(&store, 16);
    ledger.hear(&mut ui, never);
    ledger.check_heard(&home);
    ledger.check(&home, &store);
}

fn the_spool_gives_way(disk: &Disk) {
    const SPOOL_FILES: usize = 4096;
    let home = Home::within(disk.path());
    let limits = Limits { spool_age: Duration::from_hours(1), ..Limits::default() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root());
    let store = store.expect("a store");
    let waiting = || std::fs::read_dir(home.path(".docbox/spool")).expect("the spool").count();
    make_and_delete(&store, SPOOL_FILES + 2000);
    assert_eq!(waiting(), SPOOL_FILES + 2000);
    let _ballast = Ballast::on(disk);
    let text = "x".repeat(3000);
    let new = |number: usize| {
        let transaction = Transaction::new().put(format!("new/{number}"), &text);
        store.commit(transaction.expect("a document"))
    };
    // Of each a block, and as much again in the journal, which grows twice.
    for number in 0..600 {
        new(number).unwrap_or_else(|error| panic!("{number}: {error}, {}", waiting()));
    }
    assert!((SPOOL_FILES..SPOOL_FILES + 2000).contains(&waiting()), "{}", waiting());
    // What is needed in the long run stays, and the disk is full in the end.
    let error = (600..2000).find_map(|number| new(number).err()).expect("a full disk");
    assert!(is_full(&error), "{error}");
    assert_eq!(waiting(), SPOOL_FILES);
    assert!(store.verify().expect("a look").is_clean());
}
