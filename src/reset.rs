//! Reset: telling a subscription where to go on.
//!
//! The request is durable in the definition before anything else happens; the consumer obeys it, be it
//! one that runs now, the next one, or this call when nobody holds the subscription.

use std::time::Instant;

use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::defining;
use crate::definition::ResetRequest;
use crate::error::{Context, Result};
use crate::fs::{Lock, Open};
use crate::opening::{BUSY_FOR, STAND_BY};
use crate::position::Position;
use crate::register::{Register, RegisterWriter};
use crate::start::{Start, resolve};
use crate::sync::thread;

/// Makes a subscription go on from elsewhere. The position that comes next.
///
/// # Errors
/// [`Error::NoSubscription`], [`Error::Compacted`], [`Error::Invalid`].
pub fn reset(core: &Core, name: &str, to: Start) -> Result<Position> {
    let (mut locked, head) = defining::take(core)?;
    let mut definition = defining::find(core, name)?;
    let next = resolve(core, to, &head)?;
    let obeyed = cursor::peek(&*core.fs, &core.names, name)?.map_or(0, |value| value.generation);
    let last = definition.reset.map_or(0, |request| request.generation).max(obeyed);
    let request = ResetRequest { generation: last + 1, next, folded: head.seq };
    definition.reset = Some(request);
    definition.write(&*core.fs, &core.names)?;
    let lock = cursor::open_lock(&*core.fs, &core.names, name)?;
    let path = core.names.cursor_lock(name);
    // Who lists the subscriptions holds it for a moment; a consumer holds it longer, and obeys itself.
    let begun = Instant::now();
    let mut alone = lock.try_lock(Lock::Exclusive).context("lock", &path)?;
    while !alone && begun.elapsed() < BUSY_FOR {
        thread::sleep(STAND_BY);
        alone = lock.try_lock(Lock::Exclusive).context("lock", &path)?;
    }
    if alone {
        obey_alone(core, name, request)?;
    }
    defining::tell(core, &mut locked, &head)?;
    tracing::info!(subscription = name, next = %next, "reset");
    Ok(next)
}

/// Writes the cursor itself, since nobody holds it. It may be damaged, or another store's.
fn obey_alone(core: &Core, name: &str, request: ResetRequest) -> Result<()> {
    let path = core.names.cursor(name);
    let value = request.cursor(core);
    let Some(register) = Register::<CursorValue>::open(&*core.fs, &path, Open::Write)? else {
        return Register::create(&*core.fs, &path, &value);
    };
    let (mut writer, found) = RegisterWriter::take_over(&*core.fs, register)?;
    if found.is_none() {
        return Register::create(&*core.fs, &path, &value);
    }
    writer.write(&value)?;
    writer.sync()
}

impl ResetRequest {
    /// The cursor that has obeyed this request.
    #[must_use]
    pub fn cursor(&self, core: &Core) -> CursorValue {
        CursorValue::at(core.identity.clone(), self.next, self.folded, self.generation)
    }
}
