//! The loops: crash at the k-th call, fail the k-th, fail from the k-th on, for every k.
//!
//! `DOCBOX_STATES=n` sets how many crash states are looked at, about; a failure prints what to set to see
//! it again alone.

use std::cmp::Ordering;
use std::env;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::history::History;
use crate::oracle::{check, disk, empty_disk, open};
use crate::support::sim::{Answer, Call, Disk, Op};
use crate::workloads::{ALL, Workload};

/// How many crash states a default run looks at, in each loop.
const STATES: u64 = 6_000;

fn states() -> u64 {
    env::var("DOCBOX_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(STATES)
}

/// What a workload begins with.
fn base(name: &str) -> Disk {
    if name == "creation" { empty_disk() } else { disk() }
}

/// The calls of a workload that change anything: a crash before another one is a crash before the next
/// of these.
fn calls(name: &str, workload: Workload) -> Vec<(u64, Call)> {
    let disk = base(name);
    workload(&disk, &History::default()).expect("a workload without faults");
    let trace = disk.trace();
    (0..).zip(trace).filter(|(_, call)| call.op.changes()).collect()
}

/// Runs a workload with a hook, on a new disk.
fn run(
    name: &str,
    workload: Workload,
    hook: impl Fn(u64, &Call) -> Answer + Send + Sync + 'static,
) -> (Disk, History) {
    let disk = base(name);
    let history = History::default();
    disk.hook(hook);
    let _ = workload(&disk, &history);
    disk.unhook();
    (disk, history)
}

/// Says where it was when `look` fails.
fn at(place: &str, look: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(look)) {
        eprintln!("failed: {place}");
        resume_unwind(panic);
    }
}

/// A crash at every call, by kill and by power cut with many dice.
#[test]
fn a_crash_at_any_call_breaks_no_promise() {
    for (name, workload) in ALL {
        let calls = calls(name, workload);
        let dice = (states() / ALL.len() as u64 / calls.len() as u64).max(2);
        for (k, call) in calls {
            let (crashed, history) = run(name, workload, crate::support::sim::crash_at(k));
            at(&format!("{name}, killed at call {k} ({call})"), || {
                check(&crashed.fork(), &history);
            });
            for seed in 0..dice {
                let disk = crashed.fork();
                disk.power_cut(seed);
                at(&format!("{name}, power cut at call {k} ({call}), seed {seed}"), || {
                    check(&disk, &history);
                });
            }
        }
    }
}

/// A kill in the middle of a write: a part of it is in the page cache.
#[test]
fn a_write_that_is_cut_by_a_kill_breaks_no_promise() {
    for (name, workload) in ALL {
        let writes = calls(name, workload).into_iter().filter(|(_, call)| call.op == Op::WriteAt);
        for (k, call) in writes {
            let len = usize::try_from(call.len).expect("small");
            for part in [1, len / 2, len - 1] {
                let process = call.process;
                let (crashed, history) =
                    run(name, workload, move |index, call| match index.cmp(&k) {
                        Ordering::Equal => Answer::Short(part),
                        Ordering::Greater if call.process == process => Answer::Crash,
                        Ordering::Less | Ordering::Greater => Answer::Go,
                    });
                at(&format!("{name}, {part} bytes of call {k} ({call}), killed"), || {
                    check(&crashed.fork(), &history);
                });
                let disk = crashed.fork();
                disk.power_cut(k);
                at(&format!("{name}, {part} bytes of call {k} ({call}), power cut"), || {
                    check(&disk, &history);
                });
            }
        }
    }
}

/// A crash within the recovery after a crash, for a sample of pairs.
#[test]
fn a_crash_within_recovery_breaks_no_promise() {
    for (name, workload) in ALL {
        let calls = calls(name, workload);
        let pairs = (states() / ALL.len() as u64).max(2);
        for pair in 0..pairs {
            // A fixed stride over both: the same pairs each time.
            let (k, call) = &calls[usize::try_from(pair * 7919).expect("small") % calls.len()];
            let (crashed, history) = run(name, workload, crate::support::sim::crash_at(*k));
            let cut = pair % 4 != 0;
            let disk = crashed.fork();
            if cut {
                disk.power_cut(pair);
            }
            let second = pair * 31 % 97;
            disk.hook(crate::support::sim::crash_at(second));
            let _ = open(&disk.process());
            disk.unhook();
            let disk = disk.fork();
            if pair % 3 != 0 {
                disk.power_cut(pair + 1);
            }
            at(
                &format!("{name}, crash at call {k} ({call}), pair {pair}, then at {second}"),
                || {
                    check(&disk, &history);
                },
            );
        }
    }
}

/// Each call fails once; the program goes on or ends, and then there may be a power cut.
#[test]
fn a_call_that_fails_once_breaks_no_promise() {
    for (name, workload) in ALL {
        for (k, call) in calls(name, workload) {
            for (kind, error) in [("EIO", 5), ("ENOSPC", 28)] {
                let (failed, history) = run(name, workload, move |index, _| {
                    if index == k { Answer::FailOs(error) } else { Answer::Go }
                });
                at(&format!("{name}, {kind} at call {k} ({call})"), || {
                    check(&failed.fork(), &history);
                });
                for seed in 0..2 {
                    let disk = failed.fork();
                    disk.power_cut(seed);
                    at(&format!("{name}, {kind} at call {k} ({call}), power cut {seed}"), || {
                        check(&disk, &history);
                    });
                }
            }
        }
    }
}

/// Everything fails from a call on, until the disk is well again.
#[test]
fn calls_that_fail_from_somewhere_on_break_no_promise() {
    for (name, workload) in ALL {
        for (k, call) in calls(name, workload) {
            let (failed, history) = run(name, workload, move |index, call| {
                let fails = index >= k && !matches!(call.op, Op::Unlock);
                if fails { Answer::Fail(ErrorKind::StorageFull) } else { Answer::Go }
            });
            at(&format!("{name}, failing from call {k} ({call})"), || {
                check(&failed.fork(), &history);
            });
            let disk = failed.fork();
            disk.power_cut(k);
            at(&format!("{name}, failing from call {k} ({call}), power cut"), || {
                check(&disk, &history);
            });
        }
    }
}
