//! The loops: crash at every call, fail every call, in every workload, and hold what is left against what
//! was promised.
//!
//! A crash state is an image of the disk, different from every other that was looked at for the same
//! call of the same workload, that is opened and held against what its processes had been told.
//! `DOCBOX_STATES=n` sets how many there are in the first seven loops together; the two others take 15 % more.
//! `DOCBOX_SEED=s` begins with other dice. A failure prints what to set in `DOCBOX_ONLY` to see that one
//! state again, alone.

mod case;
mod faults;
mod plan;
mod scene;
mod throws;

use case::Kind;
use faults::{Fault, Span};
use plan::{look_at_all, look_at_all_on, look_at_some, look_at_some_on};

use std::path::Path;

use crate::support::sim::{Call, Op};
use crate::workloads::{Lacks, Workload};
use scene::Stage;

/// Where documents are put in place by a rename.
const RENAMING: [Lacks; 2] = [Lacks::Leases, Lacks::Both];

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

/// The first three, where the filesystem offers no leases, or no exchange either: by the road of a new file
/// and a rename.
#[test]
fn a_crash_at_any_call_breaks_no_promise_where_documents_are_renamed() {
    look_at_all_on(&RENAMING, 8, &[Kind::Cut, Kind::Kill, Kind::Part]);
}

/// And the others: within recovery, with calls that fail, and soon after.
#[test]
fn no_fault_breaks_a_promise_where_documents_are_renamed() {
    let once = Fault::ALL.map(|fault| Kind::Fails(fault, Span::Once));
    let lasting = Fault::LASTING.map(|fault| Kind::Fails(fault, Span::On));
    look_at_all_on(&RENAMING, 4, &[once.as_slice(), lasting.as_slice()].concat());
    look_at_some_on(&RENAMING, 2, Kind::Again);
    look_at_some_on(&RENAMING, 1, Kind::Ill);
}

/// The roads are those that they are meant to be.
#[test]
fn documents_are_exchanged_where_that_can_be_and_renamed_elsewhere() {
    for lacks in [Lacks::Nothing, Lacks::Leases, Lacks::Both] {
        let workload = Workload::named("large").expect("a workload").on(lacks);
        let calls = Stage::new(workload).calls;
        let exchanged = calls.iter().filter(|call| call.op == Op::Exchange).count();
        let into_place = |call: &&Call| {
            let is_document = |to: &Path| to.starts_with("/s/agents");
            call.op == Op::Rename && call.to.as_deref().is_some_and(is_document)
        };
        let renamed = calls.iter().filter(into_place).count();
        match lacks {
            Lacks::Nothing => assert!(exchanged > 2 && renamed == 0, "{exchanged}, {renamed}"),
            _ => assert!(exchanged == 0 && renamed > 2, "{lacks:?}: {exchanged}, {renamed}"),
        }
    }
}
