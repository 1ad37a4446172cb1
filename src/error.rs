//! What can go wrong, each with its place and the next step.

use std::io;
use std::path::{Path, PathBuf};

use crate::key::Key;
use crate::position::Position;
use crate::revision::Revision;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that docbox refuses or that the disk refuses docbox.
///
/// From a commit, every variant but [`Error::InDoubt`] means: the transaction will never appear.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk said no.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "could not … PATH".
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something given is not allowed: a key, a name, a glob, a position, a size. The text says which
    /// rule it breaks and what would do.
    #[error("{0}")]
    Invalid(String),
    /// Something given is not JSON as docbox takes it.
    #[error("not valid JSON at line {line}, column {column}: {what}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1, in bytes of the line.
        column: usize,
        /// What was wrong, and what is allowed.
        what: String,
    },
    /// A document is not at the revision that the transaction expected.
    #[error(
        "conflict on `{key}`: expected {}, found {}; read it again and decide anew",
        expected.map_or("no document".to_owned(), |revision| format!("revision {revision}")),
        found.map_or("no document".to_owned(), |revision| format!("revision {revision}"))
    )]
    Conflict {
        /// The document.
        key: Key,
        /// What the transaction asked for; `None` for "no document".
        expected: Option<Revision>,
        /// What is in the folder; `None` for no document.
        found: Option<Revision>,
    },
    /// What once was durable cannot be read any more. Nothing from there on is served or overwritten.
    #[error(
        "{} is damaged at byte {offset}{}: {what}",
        path.display(),
        seq.map_or(String::new(), |seq| format!(" (commit {seq})"))
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in it, in bytes from its beginning.
        offset: u64,
        /// The commit that should stand there, where a journal is damaged.
        seq: Option<u64>,
        /// What was found, and what to do.
        what: String,
    },
    /// There is no store that can be used in this way: none there, another format, not writable,
    /// replaced, closed. The text says which, and what to do.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// The store's root.
        path: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// An earlier commit is durable but cannot be put in place; no other is taken until it is.
    #[error(
        "commit {seq} is in the journal but could not be put in place at {}: {source}; \
         mend that, and the next commit or open goes on from there",
        path.display()
    )]
    Blocked {
        /// The commit that waits.
        seq: u64,
        /// The document or folder in the way.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This very transaction may be, or is, in the journal as `seq`, though the call failed.
    #[error(
        "commit {seq} is in the journal or may be: {cause}; do not commit it again; \
         open the store anew to learn which"
    )]
    InDoubt {
        /// The commit's place in the journal.
        seq: u64,
        /// What failed.
        cause: String,
    },
    /// No subscription has this name.
    #[error("there is no subscription `{name}`; `subscriptions` lists those that are there")]
    NoSubscription {
        /// The name asked for.
        name: String,
    },
    /// Another consumer holds the subscription.
    #[error(
        "subscription `{name}` is held by another consumer{}; wait for it, or stop it first",
        pid.map_or(String::new(), |pid| format!(" (process {pid})"))
    )]
    Busy {
        /// The subscription.
        name: String,
        /// The process that holds it, where known.
        pid: Option<u32>,
    },
    /// The journal no longer holds what was asked for.
    #[error(
        "the journal begins after {oldest}; what follows {asked} is no longer kept; \
         start from `beginning` (what is left), or from `now`"
    )]
    Compacted {
        /// After which position events were asked for.
        asked: Position,
        /// The earliest position after which events can still be had.
        oldest: Position,
    },
    /// A cursor cannot be used: another store's, beyond the journal, or damaged; or the snapshot that it stands in.
    #[error(
        "subscription `{name}` cannot go on: {what}; \
         choose a place anew with `docbox reset {name} --to snapshot|beginning|now|POS`"
    )]
    Cursor {
        /// The subscription.
        name: String,
        /// What is wrong with its cursor, with the positions, or with its snapshot, with file and line.
        what: String,
    },
}

impl Error {
    /// The variants that say something about the store as a whole are shared by all callers of a batch.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Io { doing, path, source } => {
                Self::Io { doing, path: path.clone(), source: same(source) }
            }
            Self::Blocked { seq, path, source } => {
                Self::Blocked { seq: *seq, path: path.clone(), source: same(source) }
            }
            Self::Corrupt { path, offset, seq, what } => {
                Self::Corrupt { path: path.clone(), offset: *offset, seq: *seq, what: what.clone() }
            }
            Self::Unusable { path, what } => {
                Self::Unusable { path: path.clone(), what: what.clone() }
            }
            other => Self::Invalid(other.to_string()),
        }
    }

    /// Whether something failed for want of room on the disk.
    pub(crate) fn is_about_room(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_about_room(source))
    }

    /// A store that cannot be used.
    pub(crate) fn unusable(path: &Path, what: impl Into<String>) -> Self {
        Self::Unusable { path: path.to_owned(), what: what.into() }
    }
}

/// Whether a call failed for want of room, which is found out before anything is written.
pub(crate) fn is_about_room(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(
        || io::Error::new(error.kind(), error.to_string()),
        io::Error::from_raw_os_error,
    )
}

/// Says what was being done, and to which path.
pub(crate) trait Context<T> {
    /// Turns the system's error into ours.
    fn context(self, doing: &'static str, path: &Path) -> Result<T>;
    /// The same for a name in a folder.
    fn context_in(self, doing: &'static str, folder: &Path, name: &str) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }

    fn context_in(self, doing: &'static str, folder: &Path, name: &str) -> Result<T> {
        self.map_err(|source| Error::Io { doing, path: folder.join(name), source })
    }
}
