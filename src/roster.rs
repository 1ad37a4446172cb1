//! Which subscriptions are there.
//!
//! One is there if its cursor is, and nothing says otherwise: a definition that says that it has ended
//! makes void whatever a power cut brings back; one that says what it is renamed from is void as long as
//! that is there and does not say the same. So the moment at which a subscription is removed, or has
//! another name, is the replacement of one file.

use crate::cursor;
use crate::definition::{Definition, End};
use crate::error::{Error, Result};
use crate::fs::Fs;
use crate::names::Names;

/// Their names, sorted.
///
/// # Errors
/// What the disk says.
pub fn list(fs: &dyn Fs, names: &Names) -> Result<Vec<String>> {
    let mut found = cursor::list(fs, names)?;
    let mut failed = Ok(());
    found.retain(|name| match is_void(fs, names, name) {
        Ok(is_void) => !is_void,
        Err(error) => {
            failed = Err(error);
            true
        }
    });
    failed.map(|()| found)
}

/// Whether there is a subscription of this name.
///
/// # Errors
/// What the disk says.
pub fn is_there(fs: &dyn Fs, names: &Names, name: &str) -> Result<bool> {
    Ok(cursor::is_there(fs, names, name)? && !is_void(fs, names, name)?)
}

fn is_void(fs: &dyn Fs, names: &Names, name: &str) -> Result<bool> {
    let Some(definition) = readable(fs, names, name)? else { return Ok(false) };
    if definition.has_ended() {
        return Ok(true);
    }
    let Some(old) = definition.renamed_from else { return Ok(false) };
    Ok(cursor::is_there(fs, names, &old)? && !is_renamed(fs, names, &old, name)?)
}

/// Whether a name says that it was given up for another.
///
/// # Errors
/// What the disk says.
pub fn is_renamed(fs: &dyn Fs, names: &Names, old: &str, new: &str) -> Result<bool> {
    let definition = readable(fs, names, old)?;
    Ok(definition.is_some_and(|it| it.end == Some(End::Renamed(new.to_owned()))))
}

/// The definition of a subscription. One that is damaged says nothing of an end.
fn readable(fs: &dyn Fs, names: &Names, name: &str) -> Result<Option<Definition>> {
    match Definition::read(fs, names, name) {
        Err(Error::Corrupt { .. }) => Ok(None),
        other => other,
    }
}
