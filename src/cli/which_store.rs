//! Which store is meant, and how it is opened.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use docbox::fs::{Fs, Kind, OsFs};
use docbox::{Error, Store};

use super::failure::{Failure, Result};
use super::output::say;

/// What makes a folder a store.
const HOME: &str = ".docbox";

/// The store that was named, by `--store` or else by `DOCBOX_STORE`.
pub fn named(given: Option<PathBuf>) -> Option<PathBuf> {
    let from_environment = || env::var_os("DOCBOX_STORE").filter(|dir| !dir.is_empty());
    given.or_else(|| from_environment().map(PathBuf::from))
}

/// Whether there is a store in a folder, of whatever format.
pub fn is_store(folder: &Path) -> bool {
    OsFs.stat(&folder.join(HOME).join("store.json")).is_ok()
}

/// The store that was named, else the nearest upwards from here.
fn find(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = named(given) {
        return Ok(named);
    }
    let here = env::current_dir().map_err(|error| {
        Failure::Broken(format!(
            "could not tell which folder this is: {error}; name a store with `--store DIR`"
        ))
    })?;
    let has_home =
        |folder: &Path| OsFs.stat(&folder.join(HOME)).is_ok_and(|stat| stat.kind == Kind::Dir);
    here.ancestors().find(|folder| has_home(folder)).map(Path::to_owned).ok_or_else(|| {
        Failure::Broken(format!(
            "there is no store in {} or above it; make one with `docbox init DIR`, or name one with `--store DIR`",
            here.display()
        ))
    })
}

/// Opens the store for a verb that writes, and closes it after.
pub fn writing(
    given: Option<PathBuf>,
    verb: impl FnOnce(&Store) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let store = Store::options().create(false).open(find(given)?)?;
    close_after(&store, verb)
}

/// Opens the store for a verb that only reads. It is opened as by anybody, so that it is recovered; where
/// that cannot be, it is read as it stands. It is not closed: that would sync what others write just now.
pub fn reading(
    given: Option<PathBuf>,
    verb: impl FnOnce(&Store) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let folder = find(given)?;
    let store = match Store::options().create(false).open(&folder) {
        Err(error) if can_be_read_all_the_same(&error) => {
            say(&format!(
                "reading the store as it stands, because it cannot be opened for writing: {error}"
            ));
            Store::options().open_read_only(&folder)?
        }
        other => other?,
    };
    verb(&store)
}

fn can_be_read_all_the_same(error: &Error) -> bool {
    match error {
        Error::Corrupt { .. } | Error::Blocked { .. } => true,
        Error::Io { source, .. } => matches!(
            source.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
        ),
        _ => false,
    }
}

fn close_after(store: &Store, verb: impl FnOnce(&Store) -> Result<ExitCode>) -> Result<ExitCode> {
    let done = verb(store);
    if let Err(error) = store.close() {
        // What was committed is durable: the next open only has more to do.
        say(&format!("the store was left as by a kill, and the next open recovers it: {error}"));
    }
    done
}
