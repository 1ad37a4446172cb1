//! Locks, as `flock` has them.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use docbox::fs::{File, Lock};

use crate::support::sim::{Disk, SimFs, Survival};
use crate::{disk_with, open};

struct Two {
    disk: Disk,
    processes: [Arc<SimFs>; 2],
    files: [Arc<dyn File>; 2],
}

/// Two processes that have one file open.
fn two() -> Two {
    let disk = disk_with([("/s/lock", b"")]);
    let processes = [disk.process(), disk.process()];
    let files = [open(&*processes[0], "/s/lock"), open(&*processes[1], "/s/lock")];
    Two { disk, processes, files }
}

fn try_lock(file: &dyn File, lock: Lock) -> bool {
    file.try_lock(lock).expect("the process lives")
}

/// Returns once somebody waits for a lock.
fn until_somebody_waits(disk: &Disk) {
    while disk.waiting() == 0 {
        thread::yield_now();
    }
}

#[test]
fn shared_locks_go_together_and_an_exclusive_one_with_none() {
    let Two { files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Shared));
    assert!(try_lock(&*other, Lock::Shared));
    other.unlock().unwrap();
    assert!(!try_lock(&*other, Lock::Exclusive));
    one.unlock().unwrap();
    assert!(try_lock(&*other, Lock::Exclusive));
    assert!(!try_lock(&*one, Lock::Shared));
    assert!(try_lock(&*other, Lock::Exclusive), "to take it again is no change");
}

#[test]
fn two_openings_in_one_process_are_two_holders() {
    let Two { processes: [process, _], files: [one, _], .. } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let again = open(&*process, "/s/lock");
    assert!(!try_lock(&*again, Lock::Shared));
    again.unlock().unwrap();
    assert!(!try_lock(&*again, Lock::Shared), "nobody gives back the lock of another");
}

#[test]
fn a_lock_is_freed_when_the_last_reference_to_the_open_file_is_dropped() {
    let Two { files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let kept = one.clone();
    drop(one);
    assert!(!try_lock(&*other, Lock::Exclusive));
    drop(kept);
    assert!(try_lock(&*other, Lock::Exclusive));
}

#[test]
fn a_refused_upgrade_loses_the_lock() {
    let Two { files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Shared));
    assert!(try_lock(&*other, Lock::Shared));
    assert!(!try_lock(&*one, Lock::Exclusive));
    assert!(try_lock(&*other, Lock::Exclusive), "the shared lock of the first is gone");
}

#[test]
fn a_lone_holder_may_convert_its_lock_both_ways() {
    let Two { files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Shared));
    assert!(try_lock(&*one, Lock::Exclusive));
    assert!(!try_lock(&*other, Lock::Shared));
    assert!(try_lock(&*one, Lock::Shared));
    assert!(try_lock(&*other, Lock::Shared));
}

#[test]
fn locks_of_two_files_have_nothing_to_do_with_each_other() {
    let disk = disk_with([("/s/a", b""), ("/s/b", b"")]);
    let process = disk.process();
    let (one, other) = (open(&*process, "/s/a"), open(&*process, "/s/b"));
    assert!(try_lock(&*one, Lock::Exclusive));
    assert!(try_lock(&*other, Lock::Exclusive));
}

#[test]
fn whoever_waits_gets_the_lock_when_it_is_given_back() {
    let Two { disk, files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let waiter = thread::spawn(move || other.lock().map(|()| other));
    until_somebody_waits(&disk);
    one.unlock().unwrap();
    let other = waiter.join().unwrap().unwrap();
    assert!(!try_lock(&*one, Lock::Exclusive));
    drop(other);
    assert!(try_lock(&*one, Lock::Exclusive));
}

#[test]
fn whoever_waits_gets_the_lock_when_its_holder_closes_the_file() {
    let Two { disk, files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let waiter = thread::spawn(move || other.lock());
    until_somebody_waits(&disk);
    drop(one);
    waiter.join().unwrap().unwrap();
}

#[test]
fn whoever_waits_gets_the_lock_when_its_holder_dies() {
    let Two { disk, processes: [holder, _], files: [one, other] } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let waiter = thread::spawn(move || other.lock());
    until_somebody_waits(&disk);
    disk.kill(&holder);
    waiter.join().unwrap().unwrap();
}

#[test]
fn whoever_waits_and_is_killed_gets_the_error_of_the_dead() {
    let Two { disk, processes: [_, waiting], files: [one, other] } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let waiter = thread::spawn(move || other.lock());
    until_somebody_waits(&disk);
    disk.kill(&waiting);
    assert_eq!(waiter.join().unwrap().unwrap_err().to_string(), "process is dead");
    assert!(try_lock(&*one, Lock::Exclusive));
}

#[test]
fn a_power_cut_frees_every_lock_and_ends_every_wait() {
    let Two { disk, files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    let waiter = thread::spawn(move || other.lock());
    until_somebody_waits(&disk);
    disk.power_cut_with(Survival::NOTHING);
    assert!(waiter.join().unwrap().is_err());
    assert!(try_lock(&*open(&*disk.process(), "/s/lock"), Lock::Exclusive));
}

#[test]
fn a_waiting_upgrade_gives_its_shared_lock_back_first() {
    let Two { disk, files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Shared));
    assert!(try_lock(&*other, Lock::Shared));
    let waiter = thread::spawn(move || other.lock());
    until_somebody_waits(&disk);
    // Both upgrade: were the shared locks kept, each would wait for the other for ever.
    one.lock().unwrap();
    one.unlock().unwrap();
    waiter.join().unwrap().unwrap();
}

#[test]
#[should_panic(expected = "deadlock: process 1002 waits for /s/lock")]
fn a_wait_without_end_is_a_deadlock() {
    let Two { disk, files: [one, other], .. } = two();
    assert!(try_lock(&*one, Lock::Exclusive));
    disk.set_patience(Duration::from_millis(1));
    other.lock().unwrap();
}
