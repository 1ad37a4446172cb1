//! Faults: how a call fails, and for how long.

use std::fmt;

use docbox::fs::Open;

use crate::support::sim::{Answer, Call, Op};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The disk is broken. A failed sync leaves its pages clean, and not durable.
    Eio,
    /// The disk is full: the write that meets it is cut, and what needs space fails.
    Enospc,
    /// No more files may be open.
    Emfile,
    /// A signal came.
    Eintr,
    /// A read or a write moves fewer bytes than asked for. That is no error.
    Short,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// One call.
    Once,
    /// Some calls.
    While,
    /// All from there on, until the workload has ended.
    On,
}

impl Fault {
    pub const ALL: [Self; 5] = [Self::Eio, Self::Enospc, Self::Emfile, Self::Eintr, Self::Short];
    /// Those that may last. (Signals without an end are not the disk's fault.)
    pub const LASTING: [Self; 4] = [Self::Eio, Self::Enospc, Self::Emfile, Self::Short];

    /// Whether a call can fail so.
    pub fn meets(self, op: Op) -> bool {
        let makes = matches!(
            op,
            Op::Open(Open::Create(_) | Open::CreateNew(_)) | Op::CreateTemp | Op::CreateDir
        );
        match self {
            // Giving a lock back asks no disk.
            Self::Eio | Self::Eintr => op != Op::Unlock,
            Self::Enospc => {
                makes
                    || matches!(
                        op,
                        Op::WriteAt | Op::Rename | Op::Exchange | Op::SyncData | Op::SyncDir
                    )
            }
            Self::Emfile => {
                matches!(op, Op::Open(_) | Op::CreateTemp | Op::ReadDir | Op::SyncDir)
            }
            Self::Short => matches!(op, Op::ReadAt | Op::WriteAt),
        }
    }

    /// Whether a call fails so while others do. A failed sync of a folder of documents is noted in
    /// `applied`; where the disk does not take that either, nobody can know of it (guarantees.md says so).
    pub fn meets_with_others(self, call: &Call) -> bool {
        let is_own = call.path.starts_with("/s/.docbox");
        self.meets(call.op) && (call.op != Op::SyncDir || is_own || self == Self::Emfile)
    }

    /// Whether whoever calls must not be told anything of it.
    pub fn is_no_error(self, op: Op) -> bool {
        self == Self::Short || (self == Self::Eintr && matches!(op, Op::ReadAt | Op::WriteAt))
    }

    /// What becomes of a call that it meets; `is_first` of those.
    pub fn answer(self, call: &Call, is_first: bool) -> Answer {
        let half = usize::try_from(call.len / 2).expect("small");
        match self {
            Self::Eio => Answer::FailOs(5),
            Self::Enospc if is_first && call.op == Op::WriteAt && half > 0 => Answer::Short(half),
            Self::Enospc => Answer::FailOs(28),
            Self::Emfile => Answer::Refuse(24),
            Self::Eintr => Answer::Refuse(4),
            Self::Short => Answer::Short(half.max(1)),
        }
    }
}

impl Span {
    pub const ALL: [Self; 3] = [Self::Once, Self::While, Self::On];

    /// How many calls, from call `at` on.
    pub fn calls(self, at: u64) -> u64 {
        match self {
            Self::Once => 1,
            Self::While => 2 + at % 13,
            Self::On => u64::MAX,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Emfile => "emfile",
            Self::Eintr => "eintr",
            Self::Short => "short",
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "once",
            Self::While => "while",
            Self::On => "on",
        })
    }
}
