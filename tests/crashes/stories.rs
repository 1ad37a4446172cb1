//! The stories of docs/guarantees.md that broke earlier designs, each by name and number.

mod archive;
mod delivery;
mod edits;
mod failed_syncs;
mod folder;
mod in_the_way;
mod journal;
mod opening;
mod recent;
mod retention;
mod settlement;
mod settling;
mod snapshot;
mod spool;
mod verbs;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use docbox::Result;

use crate::support::sim::{Answer, Call, Disk, Op, SimFs, crash_at};

/// The file of a segment.
fn segment(first: u64) -> PathBuf {
    PathBuf::from(format!("/s/.docbox/journal/{first:016}.jsonl"))
}

/// Whether a call writes lines into the journal (not fill).
fn appends(call: &Call) -> bool {
    call.op == Op::WriteAt && call.path.starts_with("/s/.docbox/journal") && call.len < 512
}

/// Whether a call syncs a file of the journal.
fn syncs_journal(call: &Call) -> bool {
    call.op == Op::SyncData && call.path.starts_with("/s/.docbox/journal")
}

/// Whether a call puts a document in place, or takes it away.
fn puts_in_place(call: &Call) -> bool {
    let is_document = |path: &Path| !path.starts_with("/s/.docbox");
    let to = call.to.as_deref().is_some_and(is_document);
    matches!(call.op, Op::Rename | Op::Exchange) && (to || is_document(&call.path))
}

/// The process that makes the first call of this sort dies before it.
fn kill_at(disk: &Disk, which: impl Fn(&Call) -> bool + Send + Sync + 'static) {
    disk.hook(move |_, call| if which(call) { Answer::Crash } else { Answer::Go });
}

/// All calls of this sort fail.
fn fail(disk: &Disk, which: impl Fn(&Call) -> bool + Send + Sync + 'static) {
    disk.hook(move |_, call| if which(call) { Answer::FailOs(5) } else { Answer::Go });
}

/// What something meets at one of its calls.
#[derive(Clone, Copy)]
enum Mishap {
    Killed,
    Failed,
}

/// Does something on a copy of the disk once for each call of it that changes anything, where it meets a mishap at
/// that call; `look` gets what is left.
fn at_each_change<T>(
    base: &Disk,
    mishap: Mishap,
    run: impl Fn(&Arc<SimFs>) -> Result<T>,
    look: impl Fn(&Disk, &str),
) {
    let dry = base.fork();
    run(&dry.process()).expect("without a mishap");
    for (k, call) in (0..).zip(&dry.trace()).filter(|(_, call)| call.op.changes()) {
        let disk = base.fork();
        let what = match mishap {
            Mishap::Killed => {
                disk.hook(crash_at(k));
                "killed"
            }
            Mishap::Failed => {
                disk.hook(move |index, call| {
                    if index == k && call.op.changes() { Answer::FailOs(5) } else { Answer::Go }
                });
                "failed"
            }
        };
        let _ = run(&disk.process());
        disk.unhook();
        look(&disk.fork(), &format!("{what} at call {k}: {call}"));
    }
}
