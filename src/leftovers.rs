//! What dead processes left behind, cleared by recovery, which is alone with the store.

use std::path::Path;

use crate::documents::Documents;
use crate::error::{Context, Result};
use crate::fs::{self, Kind};
use crate::names::Displaced;

/// Clears what dead processes left half-made: new files in the spool, and files that were to replace another.
///
/// # Errors
/// What the disk says.
pub fn clear_leftovers(documents: &Documents) -> Result<()> {
    let names = documents.names();
    let is_half_made = |name: &str| name.starts_with(fs::HALF_MADE);
    for folder in [&names.home(), &names.cursors(), &names.journal()] {
        clear(documents, folder, is_half_made)?;
    }
    clear(documents, &names.spool(), |name| Displaced::named(name).is_none())
}

/// Clears the spool: after a power cut two names may lead to one file, and nothing is known of who displaced
/// what.
///
/// # Errors
/// What the disk says.
pub fn clear_spool(documents: &Documents) -> Result<()> {
    clear(documents, &documents.names().spool(), |_| true)
}

fn clear(documents: &Documents, folder: &Path, which: impl Fn(&str) -> bool) -> Result<()> {
    let fs = documents.fs();
    for entry in fs.read_dir(folder).context("list", folder)? {
        // Of the names that are made here every one is text.
        if entry.kind == Kind::File && which(entry.name.to_str().unwrap_or_default()) {
            let path = folder.join(&entry.name);
            fs::none_if_missing(fs.remove_file(&path)).context("remove", &path)?;
        }
    }
    Ok(())
}
