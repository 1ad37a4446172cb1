//! The one hook: it sees each call before it happens, and decides what becomes of it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use docbox::fs::{Lock, Open};

/// A call that a process is about to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who calls.
    pub process: u32,
    pub op: Op,
    /// The path; of a call on an open file, that by which it was opened.
    pub path: Arc<Path>,
    /// Where a rename goes to, or with what an exchange is.
    pub to: Option<Arc<Path>>,
    /// Of a read or write, in bytes.
    pub offset: u64,
    /// Of a read or write, or what a file is cut or extended to, in bytes.
    pub len: u64,
}

/// Which call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Open(Open),
    CreateTemp,
    CreateDir,
    Rename,
    Exchange,
    RemoveFile,
    RemoveDir,
    ReadDir,
    Stat,
    StatStrict,
    SyncDir,
    Canonical,
    Incarnation,
    ReadAt,
    WriteAt,
    SetLen,
    SyncData,
    StatFile,
    SetMode(u32),
    TryLease,
    HasNoWriter,
    TryLock(Lock),
    Lock,
    Unlock,
}

impl Op {
    /// Whether the disk or a lock may be another afterwards. A crash before a call that changes nothing
    /// is a crash before the next one that does.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Open(Open::Read | Open::Write)
                | Self::ReadDir
                | Self::Stat
                | Self::StatStrict
                | Self::Canonical
                | Self::Incarnation
                | Self::ReadAt
                | Self::StatFile
                | Self::TryLease
                | Self::HasNoWriter
        )
    }
}

impl Call {
    /// Whether it is this call on this path.
    pub fn is(&self, op: Op, path: impl AsRef<Path>) -> bool {
        self.op == op && *self.path == *path.as_ref()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.process, self.op, self.path.display())?;
        if let Some(to) = &self.to {
            write!(f, " -> {}", to.display())?;
        }
        match self.op {
            Op::ReadAt | Op::WriteAt => write!(f, " {}+{}", self.offset, self.len),
            Op::SetLen => write!(f, " {}", self.len),
            _ => Ok(()),
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It happens.
    Go,
    /// It fails and nothing happens; but a sync that fails leaves what was dirty clean and not durable.
    Fail(io::ErrorKind),
    /// The same, with an error of the operating system.
    FailOs(i32),
    /// It fails and nothing happens, a sync neither: what was dirty stays so.
    Refuse(i32),
    /// A read or a write goes no further than this many bytes; of other calls it means `Go`.
    Short(usize),
    /// The process dies before the call happens.
    Crash,
}

impl Answer {
    /// The error with which the call fails.
    pub fn error(self) -> Option<io::Error> {
        match self {
            Self::Fail(kind) => Some(kind.into()),
            Self::FailOs(code) | Self::Refuse(code) => Some(io::Error::from_raw_os_error(code)),
            Self::Go | Self::Short(_) | Self::Crash => None,
        }
    }

    /// How many bytes a read or a write of `len` may move.
    pub fn limit(self, len: usize) -> usize {
        if let Self::Short(limit) = self { limit.min(len) } else { len }
    }
}

/// Called with the number of the call (from 0, over all processes) and the call. It runs without any
/// lock of the disk, so it may look at the disk, fork it, kill, and let another process make calls (for
/// which it is called too).
pub type Hook = Arc<dyn Fn(u64, &Call) -> Answer + Send + Sync>;

/// The process that makes call number `at` dies there.
pub fn crash_at(at: u64) -> impl Fn(u64, &Call) -> Answer + Send + Sync + 'static {
    move |index, _| if index == at { Answer::Crash } else { Answer::Go }
}

/// Call number `at` fails, the others do not.
pub fn fail_at(
    at: u64,
    kind: io::ErrorKind,
) -> impl Fn(u64, &Call) -> Answer + Send + Sync + 'static {
    move |index, _| if index == at { Answer::Fail(kind) } else { Answer::Go }
}

/// From call number `at` on every call fails.
pub fn fail_from(
    at: u64,
    kind: io::ErrorKind,
) -> impl Fn(u64, &Call) -> Answer + Send + Sync + 'static {
    move |index, _| if index >= at { Answer::Fail(kind) } else { Answer::Go }
}
