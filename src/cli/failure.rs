//! Why a verb ends, as text and as exit code.

use std::io::ErrorKind;
use std::process::ExitCode;

use docbox::Error;

use super::output::say;

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What ends a verb before it is done.
#[derive(Debug)]
pub enum Failure {
    /// What the store said.
    Store(Error),
    /// Exit 1: the store says no.
    No(String),
    /// Exit 2: what was given is wrong.
    Wrong(String),
    /// Exit 3: the store or the system failed.
    Broken(String),
    /// Nobody reads stdout any more, which is no failure.
    PipeClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Says it on stderr; the exit code.
    pub fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::PipeClosed => return ExitCode::SUCCESS,
            Self::Store(error) => (with_hint(&error), code_of(&error)),
            Self::No(text) => (text, 1),
            Self::Wrong(text) => (text, 2),
            Self::Broken(text) => (text, 3),
        };
        say(&text);
        ExitCode::from(code)
    }
}

/// The exit code of what the store said.
pub fn code_of(error: &Error) -> u8 {
    match error {
        Error::Conflict { .. }
        | Error::NoSubscription { .. }
        | Error::Busy { .. }
        | Error::Compacted { .. } => 1,
        Error::Invalid(_) | Error::Json { .. } => 2,
        _ => 3,
    }
}

/// What was wrong, and what to do next where the library cannot know it.
fn with_hint(error: &Error) -> String {
    let hint = match error {
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied => "check whose it is and its mode, then try again",
            ErrorKind::ReadOnlyFilesystem => "make the filesystem writable, then try again",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, then try again",
            _ => "mend that and try again; `docbox verify` says whether the store is sound",
        },
        Error::Json { .. } => "mend the text and give it again",
        Error::Busy { .. } => "`--wait` waits for it",
        Error::Compacted { .. } => {
            "`docbox reset NAME --to POS --accept-gap` goes on with what is left, and says so"
        }
        Error::NoSubscription { .. } => "`docbox subscribe NAME --from beginning` makes one",
        _ => return error.to_string(),
    };
    format!("{error}; {hint}")
}
