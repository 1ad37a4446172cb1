//! What is kept of the journal: what the store was told, and the defaults for the rest.

use std::time::Duration;

use crate::core::Core;
use crate::creation;
use crate::error::{Error, Result};
use crate::recovery::roll_forward;
use crate::retain::Retain;

/// What is kept, in full.
#[derive(Clone, Debug)]
pub struct Policy {
    /// For this long.
    pub age: Duration,
    /// Or shorter, once the journal has more bytes than this.
    pub bytes: u64,
    /// Nothing is ever dropped.
    pub keep_all: bool,
    /// Where segments go that are dropped.
    pub archive: Option<Archive>,
}

/// Where segments go that are dropped.
#[derive(Clone, Debug)]
pub struct Archive {
    /// From the store's root, unless it is absolute.
    pub folder: String,
    /// Whether they are compressed.
    pub gzip: bool,
}

/// What the store says now; another process may have told it something else since it was opened.
///
/// # Errors
/// What the disk says; [`Error::Corrupt`].
pub fn policy(core: &Core) -> Result<Policy> {
    let retain = read(core)?;
    Ok(Policy {
        age: retain.age_s.map_or(core.limits.retain_age, Duration::from_secs),
        bytes: retain.bytes.unwrap_or(core.limits.retain_bytes),
        keep_all: retain.keep_all,
        archive: retain.archive.map(|folder| Archive { folder, gzip: retain.gzip }),
    })
}

/// What the store was told.
///
/// # Errors
/// As [`policy`].
pub fn read(core: &Core) -> Result<Retain> {
    let store = creation::read(&*core.fs, &core.names)?;
    Ok(store.and_then(|store| store.retain).unwrap_or_default())
}

/// Tells the store what is to be kept.
///
/// # Errors
/// [`Error::Invalid`]; what the disk says.
pub fn tell(core: &Core, retain: Retain) -> Result<()> {
    core.check_writable()?;
    retain.check()?;
    let mut locked = core.lock.take()?;
    roll_forward(core, &mut locked)?;
    let store = creation::read(&*core.fs, &core.names)?.filter(|it| it.identity == core.identity);
    let Some(store) = store else {
        return Err(Error::unusable(
            core.names.root(),
            "its `store.json` is gone or another's; open the store anew",
        ));
    };
    if store.retain.clone().unwrap_or_default() == retain {
        return Ok(());
    }
    tracing::info!(?retain, "told what is to be kept of the journal");
    creation::write(&*core.fs, &core.names, &creation::StoreFile { retain: Some(retain), ..store })
}
