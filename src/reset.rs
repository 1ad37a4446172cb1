//! Reset: telling a subscription where to go on.
//!
//! The request is durable in the definition before anything else happens; the consumer obeys it, be it
//! one that runs now, the next one, or this call when nobody holds the subscription.

use std::time::Instant;

use serde::Serialize;

use crate::commit::commit;
use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::defining;
use crate::definition::{Definition, ResetRequest};
use crate::draft::{self, Beginning, Draft};
use crate::error::{Context, Error, Result};
use crate::event::Event;
use crate::fs::{Lock, Open};
use crate::head::Head;
use crate::names;
use crate::opening::{BUSY_FOR, STAND_BY};
use crate::position::Position;
use crate::register::{Register, RegisterWriter};
use crate::roster;
use crate::snapshot::reader::Items;
use crate::start::{Start, resolve};
use crate::sweep::sweep_if_possible;
use crate::sync::thread;
use crate::transaction::Transaction;

/// Makes a subscription go on from elsewhere. The position that comes next.
///
/// # Errors
/// [`Error::NoSubscription`], [`Error::Compacted`], [`Error::Invalid`].
pub fn reset(core: &Core, name: &str, to: Start) -> Result<Position> {
    loop {
        let mut draft = take_snapshot(core, name, to)?;
        match reset_with(core, name, to, draft.as_mut()) {
            // What was committed since the snapshot is dropped already: it needs another.
            Err(Error::Compacted { .. }) if draft.is_some() => {}
            done => return done,
        }
    }
}

fn reset_with(core: &Core, name: &str, to: Start, draft: Option<&mut Draft>) -> Result<Position> {
    let (mut locked, head) = defining::take(core)?;
    let mut definition = defining::find(core, name)?;
    let Beginning { next, snapshot } = match draft {
        Some(draft) => draft.place(core, &locked, &head)?,
        None => beginning(core, &definition, to, &head)?,
    };
    let obeyed = cursor::peek(&*core.fs, &core.names, name)?.map_or(0, |value| value.generation);
    let last = definition.reset.map_or(0, |request| request.generation).max(obeyed);
    let request = ResetRequest { generation: last + 1, next, folded: head.seq, snapshot };
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
    sweep_if_possible(core, &locked);
    tracing::info!(subscription = name, next = %next, "reset");
    Ok(next)
}

/// The snapshot to go to, before the lock is taken.
fn take_snapshot(core: &Core, name: &str, to: Start) -> Result<Option<Draft>> {
    if to != Start::Snapshot {
        return Ok(None);
    }
    core.check_writable()?;
    names::check_subscription(name)?;
    if !roster::is_there(&*core.fs, &core.names, name)? {
        return Err(Error::NoSubscription { name: name.to_owned() });
    }
    draft::take(core).map(Some)
}

/// Where a start leads: into the journal, or to an item of the snapshot that the subscription is in.
fn beginning(core: &Core, definition: &Definition, to: Start, head: &Head) -> Result<Beginning> {
    let Start::After(asked) = to else { return Ok(Beginning::at(resolve(core, to, head)?)) };
    let name = &definition.name;
    let value = cursor::peek(&*core.fs, &core.names, name)?;
    let request = definition.request_after(value.as_ref().map_or(0, |value| value.generation));
    let snapshot = match request {
        Some(request) => request.snapshot,
        None => value.and_then(|value| value.needs()),
    };
    if !asked.is_in_snapshot() || snapshot.is_none_or(|snapshot| snapshot.seq != asked.seq) {
        return Ok(Beginning::at(resolve(core, to, head)?));
    }
    let items = core.items(name, asked.next(), snapshot)?;
    let count = items.as_ref().map_or(0, Items::count);
    if asked.item().is_some_and(|item| item >= count) {
        return Err(Error::Invalid(format!(
            "position {asked} is beyond the snapshot of subscription `{name}`, which has {count} items"
        )));
    }
    let next = items.map_or_else(|| asked.next(), |items| items.position());
    Ok(Beginning { next, snapshot: snapshot.filter(|_| next.is_in_snapshot()) })
}

/// Events that a subscription did not get and that are no longer kept: it went on behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last position before it.
    pub after: Position,
    /// The last position in it.
    pub up_to: Position,
}

/// The type of the event that says of a gap.
const GAP: &str = "docbox.gap";

/// The data of that event.
#[derive(Serialize)]
struct Skipped<'a> {
    subscription: &'a str,
    #[serde(flatten)]
    gap: Gap,
}

/// [`reset`], also where what was asked for, or what the subscription has not got yet, is no longer kept: then
/// it goes on behind that, and a commit says so before it does.
///
/// # Errors
/// As [`reset`], but for [`Error::Compacted`]; as a commit.
pub fn reset_over_gap(core: &Core, name: &str, to: Start) -> Result<(Position, Option<Gap>)> {
    loop {
        let (to, gap) = find_gap(core, name, to)?;
        if let Some(gap) = gap {
            let event = Event::new(GAP, &Skipped { subscription: name, gap })?.subject(name);
            let commit = commit(core, Transaction::new().emit_own(event))?;
            tracing::warn!(subscription = name, after = %gap.after, up_to = %gap.up_to, seq = commit.seq(), "a gap");
        }
        match reset(core, name, to) {
            // More was dropped meanwhile.
            Err(Error::Compacted { .. }) => {}
            moved => return Ok((moved?, gap)),
        }
    }
}

/// Where to go, and what is missing before that.
fn find_gap(core: &Core, name: &str, to: Start) -> Result<(Start, Option<Gap>)> {
    let (_locked, head) = defining::take(core)?;
    let definition = defining::find(core, name)?;
    // A snapshot is of now, and always to be had.
    let to_now = if to == Start::Snapshot { Start::Now } else { to };
    match beginning(core, &definition, to_now, &head) {
        Err(Error::Compacted { asked, oldest }) => {
            Ok((Start::After(oldest), Some(Gap { after: asked, up_to: oldest })))
        }
        resolved => {
            resolved?;
            let up_to = resolve(core, Start::Beginning, &head)?.before();
            let stands =
                cursor::peek(&*core.fs, &core.names, name)?.map(|value| value.next.before());
            let after = stands.filter(|after| *after < up_to);
            Ok((to, after.map(|after| Gap { after, up_to })))
        }
    }
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
        let Self { next, folded, generation, snapshot } = *self;
        CursorValue { snapshot, ..CursorValue::at(core.identity.clone(), next, folded, generation) }
    }
}
