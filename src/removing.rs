//! Remove: a subscription that is no more, and holds nothing any more.

use crate::core::Core;
use crate::cursor;
use crate::defining;
use crate::definition::{Definition, End};
use crate::error::{Error, Result};
use crate::names;
use crate::renaming::remove_cursor;
use crate::sweep::sweep_if_possible;

/// Removes a subscription. A consumer that runs ends at its next look. The moment is the replacement of its
/// definition; where a later step fails, whatever is left is void, and removing it again removes that.
///
/// # Errors
/// [`Error::NoSubscription`]; [`Error::Invalid`] while dead letters are left; what the disk says.
pub fn remove(core: &Core, name: &str) -> Result<()> {
    names::check_subscription(name)?;
    let (mut locked, head) = defining::take(core)?;
    let (fs, names) = (&*core.fs, &core.names);
    if !cursor::is_there(fs, names, name)? {
        return Err(Error::NoSubscription { name: name.to_owned() });
    }
    defining::check_no_letters(core, name)?;
    // What it was counts no more, be it damaged.
    Definition { end: Some(End::Removed), ..Definition::unknown(name) }.write(fs, names)?;
    remove_cursor(core, name)?;
    // It does no harm where it stays.
    let _ = core.fs.remove_file(&names.cursor_definition(name));
    defining::tell(core, &mut locked, &head)?;
    sweep_if_possible(core, &locked);
    tracing::info!(subscription = name, "removed");
    Ok(())
}
