//! Changing what a subscription is, so that its consumer sees it at once, whoever that is.

use crate::core::Core;
use crate::definition::Definition;
use crate::error::{Context, Error, Result};
use crate::fs;
use crate::head::Head;
use crate::lock::Locked;
use crate::names;
use crate::recovery::roll_forward;
use crate::renaming;
use crate::roster;

/// Takes `commit.lock` for a change of a subscription; what a dead process left undone is settled.
///
/// # Errors
/// What the disk says; [`Error::Unusable`] for a store that is only read.
pub fn take(core: &Core) -> Result<(Locked<'_>, Head)> {
    core.check_writable()?;
    let mut locked = core.lock.take()?;
    let head = roll_forward(core, &mut locked)?;
    renaming::settle(core)?;
    Ok((locked, head))
}

/// The definition of a subscription that is there.
///
/// # Errors
/// [`Error::NoSubscription`]; [`Error::Invalid`] for what is no name; what the disk says.
pub fn find(core: &Core, name: &str) -> Result<Definition> {
    names::check_subscription(name)?;
    if !roster::is_there(&*core.fs, &core.names, name)? {
        return Err(Error::NoSubscription { name: name.to_owned() });
    }
    let found = Definition::read(&*core.fs, &core.names, name)?;
    Ok(found.unwrap_or_else(|| Definition::unknown(name)))
}

/// Makes consumers look at their definitions: those of other processes watch `head`.
///
/// # Errors
/// What the disk says.
pub fn tell(core: &Core, locked: &mut Locked<'_>, head: &Head) -> Result<()> {
    locked.write_head(head)?;
    core.bell.ring();
    Ok(())
}

/// Refuses while a subscription has dead letters, which would be nobody's.
///
/// # Errors
/// [`Error::Invalid`]; what the disk says.
pub fn check_no_letters(core: &Core, name: &str) -> Result<()> {
    let folder = core.names.letters(name);
    let entries = fs::none_if_missing(core.fs.read_dir(&folder)).context("list", &folder)?;
    let is_letter = |entry: &fs::Entry| names::is_document_name(&entry.name);
    let count = entries.unwrap_or_default().iter().filter(|entry| is_letter(entry)).count();
    if count == 0 {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "subscription `{name}` has {count} dead letters in {}: redrive or drop them first",
        folder.display()
    )))
}
