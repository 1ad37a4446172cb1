//! The loops: crash at every call, fail every call, in every workload, and hold what is left against what
//! was promised.
//!
//! A crash state is an image of the disk, different from every other that was looked at for the same
//! call of the same workload, that is opened and held against what its processes had been told.
//! `DOCBOX_STATES=n` sets how many there are in all loops together. `DOCBOX_SEED=s` begins with other
//! dice. A failure prints what to set in `DOCBOX_ONLY` to see that one state again, alone.

mod case;
mod faults;
mod plan;
mod scene;
mod throws;

use case::Kind;
use faults::{Fault, Span};
use plan::{look_at_all, look_at_some};

/// Everything dies at once before a call, then the power fails, or not.
#[test]
fn a_crash_at_any_call_breaks_no_promise() {
    look_at_all(50, &[Kind::Cut]);
}

/// One process dies before a call, and the others live on; at last the power fails, or not.
#[test]
fn a_process_that_dies_at_any_call_breaks_no_promise_of_another() {
    look_at_all(10, &[Kind::Kill]);
}

/// A kill in the middle of a write: a part of it is in the page cache.
#[test]
fn a_write_that_is_cut_by_a_kill_breaks_no_promise() {
    look_at_all(4, &[Kind::Part]);
}

/// A crash within the life after a crash: recovery, delivery, commits, and the crash after that.
#[test]
fn a_crash_within_recovery_breaks_no_promise() {
    look_at_some(14, Kind::Again);
}

/// Each call fails once, in every way in which it can; the program goes on.
#[test]
fn a_call_that_fails_once_breaks_no_promise() {
    look_at_all(12, &Fault::ALL.map(|fault| Kind::Fails(fault, Span::Once)));
}

/// Calls fail from one on, for a while or until the disk is well again.
#[test]
fn calls_that_fail_from_somewhere_on_break_no_promise() {
    let lasting = Fault::LASTING.map(|fault| Kind::Fails(fault, Span::On));
    let passing = Fault::LASTING.map(|fault| Kind::Fails(fault, Span::While));
    look_at_all(6, &[lasting, passing].concat());
}

/// A call fails, and some calls later comes the crash.
#[test]
fn a_crash_soon_after_a_fault_breaks_no_promise() {
    look_at_some(4, Kind::Ill);
}
