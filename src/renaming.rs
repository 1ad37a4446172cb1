//! Rename: another name for a subscription, which stays one whatever crashes.
//!
//! The names of two files cannot change in one step, and a power cut may leave both or neither of one
//! rename. So the new cursor is made first, void as long as the old definition does not say that it was
//! given up for it; the replacement of that definition is the moment at which the name changes; then
//! what is left of the old one is removed. Whoever comes next, under `commit.lock`, finishes or undoes
//! what a dead process left in between, durably, before anybody consumes.

use std::time::{Duration, Instant};

use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::defining;
use crate::definition::{Definition, End};
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Lock};
use crate::head::Head;
use crate::lock::Locked;
use crate::names;
use crate::opening::{BUSY_FOR, STAND_BY};
use crate::register::Register;
use crate::roster;
use crate::settlement::fold;
use crate::sync::{Arc, thread};

/// How long a consumer may take to let go of what it has in hand.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

/// Both names, and that nobody consumes under either.
struct Alone<'a> {
    locked: Locked<'a>,
    head: Head,
    definition: Definition,
    _cursors: [Arc<dyn File>; 2],
}

/// Gives a subscription another name. A consumer that runs is asked to end, and waited for.
///
/// # Errors
/// [`Error::NoSubscription`]; [`Error::Invalid`] for a name that is taken or none, and while dead letters are
/// left; [`Error::Busy`] when a consumer does not let go; what the disk says.
pub fn rename(core: &Core, old: &str, new: &str) -> Result<()> {
    names::check_subscription(new)?;
    let begun = Instant::now();
    let alone = loop {
        match try_alone(core, old, new, begun)? {
            Some(alone) => break alone,
            None => wait_for_consumer(core, old, begun)?,
        }
    };
    let Alone { mut locked, head, definition, _cursors } = alone;
    if let Err(error) = carry_over(core, definition, new, &head) {
        // Whoever comes next does it too, before anybody consumes under either name.
        if settle(core).is_err() || !roster::is_there(&*core.fs, &core.names, new)? {
            return Err(error);
        }
    }
    defining::tell(core, &mut locked, &head)?;
    tracing::info!(subscription = old, new, "renamed");
    Ok(())
}

/// Takes all locks; `None` when a consumer has the subscription, which is asked to end.
fn try_alone<'a>(
    core: &'a Core,
    old: &str,
    new: &str,
    begun: Instant,
) -> Result<Option<Alone<'a>>> {
    let (mut locked, head) = defining::take(core)?;
    let mut definition = defining::find(core, old)?;
    if roster::is_there(&*core.fs, &core.names, new)? {
        return Err(Error::Invalid(format!(
            "there is a subscription `{new}` already: choose another name, or remove that one first"
        )));
    }
    defining::check_no_letters(core, old)?;
    let other = lock(core, new)?.ok_or_else(|| busy(core, new))?;
    if let Some(own) = lock(core, old)? {
        return Ok(Some(Alone { locked, head, definition, _cursors: [own, other] }));
    }
    let late = begun.elapsed() >= LET_GO_WITHIN;
    let wanted = (!late).then(|| End::Renaming(new.to_owned()));
    if definition.end != wanted {
        definition.end = wanted;
        definition.write(&*core.fs, &core.names)?;
    }
    defining::tell(core, &mut locked, &head)?;
    if late { Err(busy(core, old)) } else { Ok(None) }
}

/// Without `commit.lock`, which a consumer may need to settle what it has in hand.
fn wait_for_consumer(core: &Core, name: &str, begun: Instant) -> Result<()> {
    while begun.elapsed() < LET_GO_WITHIN {
        core.check_open()?;
        if lock(core, name)?.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

/// The lock of a cursor, asked for again for a moment: whoever lists the subscriptions holds it so long.
fn lock(core: &Core, name: &str) -> Result<Option<Arc<dyn File>>> {
    let lock = cursor::open_lock(&*core.fs, &core.names, name)?;
    let path = core.names.cursor_lock(name);
    let begun = Instant::now();
    loop {
        if lock.try_lock(Lock::Exclusive).context("lock", &path)? {
            return Ok(Some(lock));
        }
        if begun.elapsed() >= BUSY_FOR {
            return Ok(None);
        }
        thread::sleep(STAND_BY);
    }
}

fn busy(core: &Core, name: &str) -> Error {
    let value = cursor::peek(&*core.fs, &core.names, name).ok().flatten();
    Error::Busy { name: name.to_owned(), pid: value.and_then(|value| value.pid) }
}

/// Makes the new one, gives up the old name, and removes what is left of it.
fn carry_over(core: &Core, old: Definition, new: &str, head: &Head) -> Result<()> {
    let (fs, names) = (&*core.fs, &core.names);
    let value = cursor::peek(fs, names, &old.name)?.ok_or_else(|| cursor::unreadable(&old.name))?;
    cursor::check(&old.name, &value, &core.identity, head)?;
    // The journal names what was settled by commits under the old name.
    let value = fold(core, &old.name, &value, head)?;
    let carried = Definition {
        name: new.to_owned(),
        end: None,
        renamed_from: Some(old.name.clone()),
        ..old.clone()
    };
    carried.write(fs, names)?;
    Register::create(fs, &names.cursor(new), &CursorValue { pid: None, ..value })?;
    // From here on the old name is void.
    Definition { end: Some(End::Renamed(new.to_owned())), ..old }.write(fs, names)?;
    finish(core, carried)
}

/// Removes what is left of the old name. Its cursor goes first, durably: without it nothing depends on what its
/// definition says.
fn finish(core: &Core, new: Definition) -> Result<()> {
    let Some(old) = new.renamed_from.clone() else { return Ok(()) };
    remove_for_good(core, &old)?;
    Definition { renamed_from: None, ..new }.write(&*core.fs, &core.names)?;
    // What it says is said no more to anybody; it does no harm where it stays.
    let _ = core.fs.remove_file(&core.names.cursor_definition(&old));
    Ok(())
}

/// Removes a cursor that is void, durably.
///
/// # Errors
/// What the disk says.
pub fn remove_for_good(core: &Core, name: &str) -> Result<()> {
    if !cursor::is_there(&*core.fs, &core.names, name)? {
        // The sync of an earlier removal may have failed, and another one would prove nothing: only what is
        // removed now does. Until it is, it is no cursor: its definition may say nothing of an end.
        fs::replace_durably(&*core.fs, &core.names.cursor(name), cursor::GONE)?;
    }
    remove_cursor(core, name)
}

/// Removes a cursor that is there, durably.
///
/// # Errors
/// What the disk says.
pub fn remove_cursor(core: &Core, name: &str) -> Result<()> {
    let (path, folder) = (core.names.cursor(name), core.names.cursors());
    core.fs.remove_file(&path).context("remove", &path)?;
    core.fs.sync_dir(&folder).context("sync the folder", &folder)
}

/// Finishes or undoes what processes that died while renaming left. Under `commit.lock`.
///
/// # Errors
/// What the disk says; then nobody consumes yet.
pub fn settle(core: &Core) -> Result<()> {
    let (fs, names) = (&*core.fs, &core.names);
    let folder = names.cursors();
    for entry in fs.read_dir(&folder).context("list", &folder)? {
        let Some(name) = names::parse_definition(&entry.name) else { continue };
        let Ok(Some(definition)) = Definition::read(fs, names, name) else { continue };
        let Some(old) = definition.renamed_from.clone() else { continue };
        if cursor::is_there(fs, names, &old)? && !roster::is_renamed(fs, names, &old, name)? {
            undo(core, name)?;
        } else {
            finish(core, definition)?;
        }
    }
    Ok(())
}

/// The old name stays.
fn undo(core: &Core, new: &str) -> Result<()> {
    remove_for_good(core, new)?;
    let path = core.names.cursor_definition(new);
    core.fs.remove_file(&path).context("remove", &path)
}
