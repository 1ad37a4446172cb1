//! Status: how a store is, from its files alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::attempts::{Failure, Run, Tried};
use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::dead;
use crate::definition::Definition;
use crate::documents::Found;
use crate::error::{Context, Error, Result};
use crate::filter::Globs;
use crate::fs;
use crate::head::Head;
use crate::journal::Segments;
use crate::key::Key;
use crate::lag::{self, Kept};
use crate::pause::Pause;
use crate::position::Position;
use crate::record::sight::UpTo;
use crate::retention::{Sealed, outlived};
use crate::roster;
use crate::spool::Way;

/// How a store is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The store's id.
    pub store: String,
    /// Which of its lives.
    pub epoch: u32,
    /// Where it lies.
    pub root: String,
    /// The newest commit that is durable and in place.
    pub head: u64,
    /// The newest commit whose documents are durable in the folder.
    pub applied: Option<u64>,
    /// The first commit that the journal still holds.
    pub oldest: u64,
    /// Files of the journal.
    pub segments: usize,
    /// Their bytes, fill included.
    pub journal_bytes: u64,
    /// Documents in the folder.
    pub documents: usize,
    /// How documents are put in place: `exchange`, or `rename` where the system cannot do that. `None` where
    /// it cannot be tried, for a store that is only read.
    pub path: Option<&'static str>,
    /// Documents that differ from what was last committed, as far as the journal is kept.
    pub drift: usize,
    /// Documents that were never committed, as far as the journal is kept.
    pub never_committed: usize,
    /// `*.json` files whose name is no key's name.
    pub strays: usize,
    /// Every subscription.
    pub subscriptions: Vec<SubscriptionStatus>,
}

/// How a subscription is.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionStatus {
    /// Its name.
    pub name: String,
    /// The last position that is settled; `None` when its cursor cannot be read.
    pub position: Option<Position>,
    /// How many events that it wants are not settled.
    pub lag_events: u64,
    /// How old the oldest of them is, in seconds.
    pub lag_age_s: Option<f64>,
    /// How many of them it settled in a second, between the last two looks of a [`Meter`](crate::Meter).
    pub rate_per_s: Option<f64>,
    /// In how many seconds it has caught up, if all goes on as between these looks; `None` also where it falls
    /// behind.
    pub catch_up_s: Option<f64>,
    /// Bytes of the journal that would be gone by now, were they not kept for it.
    pub held_bytes: u64,
    /// In how many seconds the segment that it needs first will be kept for its sake alone, or, when negative,
    /// since when; `None` where it needs the newest only.
    pub retention_s: Option<f64>,
    /// How often the event after `position` was handed over already.
    pub attempt: u32,
    /// Why its last attempt failed; `None` where none did, or nothing more is known.
    pub last_error: Option<String>,
    /// What failed and is to come again, or is in hand: of a subscription in total order the one event that
    /// holds it, else one for each subject that is blocked.
    pub blocked: Vec<Blocked>,
    /// How many dead letters it has.
    pub dead: usize,
    /// The process of its consumer; `None` when nobody consumes it.
    pub pid: Option<u32>,
    /// That it hands nothing over, why, and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Which types it wants, as it was last opened.
    pub types: Vec<String>,
    /// Which subjects it wants.
    pub subjects: Vec<String>,
    /// Whether it wants changes of documents.
    pub changes: bool,
    /// What is wrong with it, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An event that was handed over before and is not settled.
#[derive(Clone, Debug, Serialize)]
pub struct Blocked {
    /// Where it is.
    pub position: Position,
    /// What it is about, where known: as far as the journal is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How often it was handed over.
    pub attempt: u32,
    /// Why it failed last.
    pub error: String,
}

impl Status {
    /// Looks, and begins anew as often as retention drops what is being read.
    pub(crate) fn of(core: &Core) -> Result<Self> {
        let oldest = || Ok(Segments::list(&*core.fs, &core.names)?.oldest());
        let mut before = oldest()?;
        loop {
            match Self::look(core) {
                Err(Error::Compacted { .. }) if before < oldest()? => before = oldest()?,
                other => return other,
            }
        }
    }

    fn look(core: &Core) -> Result<Self> {
        let head = core.head()?;
        let segments = Segments::list(&*core.fs, &core.names)?;
        let mut journal_bytes = 0;
        for first in segments.firsts() {
            let path = core.names.segment(*first);
            let stat = fs::stat_if_there(&*core.fs, &path).context("look at", &path)?;
            journal_bytes += stat.map_or(0, |stat| stat.len);
        }
        let oldest = segments.oldest().unwrap_or(1);
        let mut committed = BTreeMap::new();
        let mut reader = core.reader(oldest);
        while let Some(record) = reader.read(&head)? {
            for write in &record.writes {
                committed.insert(Key::from_journal(&write.key)?, write.rev);
            }
        }
        let listing = core.documents.list("")?;
        let path = if core.read_only {
            None
        } else {
            core.spool.find_out(&core.documents).ok().map(Way::name)
        };
        let mut drift = 0;
        for (key, revision) in &committed {
            let found = core.documents.read(key)?.as_ref().map(Found::revision);
            drift += usize::from(found != *revision);
        }
        Ok(Self {
            store: core.identity.store.clone(),
            epoch: core.identity.epoch,
            root: core.names.root().display().to_string(),
            head: head.seq,
            applied: core.applied()?.map(|applied| applied.seq),
            oldest,
            segments: segments.firsts().len(),
            journal_bytes,
            documents: listing.keys.len(),
            path,
            drift,
            never_committed: listing
                .keys
                .iter()
                .filter(|key| !committed.contains_key(*key))
                .count(),
            strays: listing.strays.len(),
            subscriptions: SubscriptionStatus::all(core)?,
        })
    }
}

impl SubscriptionStatus {
    pub(crate) fn all(core: &Core) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        let sealed = outlived(core)?;
        for name in roster::list(&*core.fs, &core.names)? {
            match Self::of(core, name, &sealed) {
                // Removed, or renamed, a moment ago.
                Err(Error::NoSubscription { .. }) => {}
                one => all.push(one?),
            }
        }
        Ok(all)
    }

    fn of(core: &Core, name: String, sealed: &[Sealed]) -> Result<Self> {
        let mut error = None;
        let definition =
            Definition::read(&*core.fs, &core.names, &name).unwrap_or_else(|unreadable| {
                error = Some(unreadable.to_string());
                None
            });
        let now = Timestamp::now();
        let paused = definition.as_ref().and_then(|definition| definition.paused.clone());
        let paused = paused.filter(|pause| pause.holds_at(now));
        let Globs { types, subjects, changes } =
            definition.map(|definition| definition.filter).unwrap_or_default();
        let value = cursor::peek(&*core.fs, &core.names, &name)?;
        let head = core.head()?;
        let mut status = Self {
            position: value.as_ref().map(|value| value.next.before()),
            lag_events: 0,
            lag_age_s: None,
            rate_per_s: None,
            catch_up_s: None,
            held_bytes: 0,
            retention_s: None,
            attempt: value.as_ref().map_or(0, |value| value.attempt),
            last_error: value.as_ref().and_then(last_error),
            blocked: value.as_ref().map_or_else(Vec::new, blocked),
            dead: dead::positions(core, &name)?.len(),
            pid: cursor::consumer(&*core.fs, &core.names, &name)?,
            paused,
            types,
            subjects,
            changes,
            error,
            name,
        };
        let checked = value.ok_or_else(|| cursor::unreadable(&status.name)).and_then(|value| {
            cursor::check(&status.name, &value, &core.identity, &head).map(|()| value)
        });
        let needed =
            checked.as_ref().map_or(1, |value| value.next.first_commit().min(value.folded + 1));
        let Kept { held_bytes, retention_s } = lag::kept(sealed, needed);
        (status.held_bytes, status.retention_s) = (held_bytes, retention_s);
        match checked {
            Ok(value) => match status.measure_lag(core, &value, &head) {
                Err(gone @ (Error::Compacted { .. } | Error::Cursor { .. })) => {
                    status.error = Some(gone.to_string());
                }
                measured => measured?,
            },
            Err(unusable) => status.error = Some(unusable.to_string()),
        }
        Ok(status)
    }

    fn measure_lag(&mut self, core: &Core, value: &CursorValue, head: &Head) -> Result<()> {
        let globs = self.globs();
        let end = Position::end_of(head.seq).next();
        let whose = (self.name.as_str(), &globs, value.snapshot);
        let lag = lag::left(core, whose, value.next, end, head)?;
        let mut settled = 0;
        for Run(first, last) in &value.settled {
            settled += lag::left(core, whose, *first, last.next(), head)?.events;
        }
        self.lag_events = lag.events.saturating_sub(settled);
        self.lag_age_s = lag.oldest.filter(|_| self.lag_events > 0).map(lag::age_s);
        self.name_blocked_items(core, value)?;
        self.name_blocked(core, head)
    }

    /// What it wants.
    pub(crate) fn globs(&self) -> Globs {
        let (types, subjects) = (self.types.clone(), self.subjects.clone());
        Globs { types, subjects, changes: self.changes }
    }

    /// The same of the items of a snapshot.
    fn name_blocked_items(&mut self, core: &Core, value: &CursorValue) -> Result<()> {
        for one in self.blocked.iter_mut().filter(|one| one.position.is_in_snapshot()) {
            let items = core.items(&self.name, one.position, value.snapshot)?;
            one.subject = items.map(|mut items| items.subject()).transpose()?.flatten();
        }
        Ok(())
    }

    /// What that is about which is blocked.
    fn name_blocked(&mut self, core: &Core, head: &Head) -> Result<()> {
        let (Some(first), Some(last)) = (self.blocked.first(), self.blocked.last()) else {
            return Ok(());
        };
        let (mut reader, last) = (core.reader(first.position.first_commit()), last.position.seq);
        while reader.next() <= last {
            let blocked = &mut self.blocked;
            let read = reader.look(head, &UpTo::Writes, |line| {
                let in_line = |one: &&mut Blocked| {
                    one.position.seq == line.seq && one.position.item().is_none()
                };
                for one in blocked.iter_mut().filter(in_line) {
                    one.subject = line.subject(one.position.idx as usize).map(str::to_owned);
                }
                Ok(())
            })?;
            if read.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// What failed last, as far as the cursor says.
fn last_error(value: &CursorValue) -> Option<String> {
    let last: Option<&Failure> =
        value.tried.iter().flat_map(|tried| &tried.failures).max_by_key(|failure| failure.time);
    last.map(|failure| failure.error.clone())
}

/// What failed and is not settled.
fn blocked(value: &CursorValue) -> Vec<Blocked> {
    let failed = |tried: &Tried| {
        let last = tried.failures.last().filter(|_| !tried.redriven)?;
        Some(Blocked {
            position: tried.at,
            subject: None,
            attempt: tried.attempt,
            error: last.error.clone(),
        })
    };
    value.tried.iter().filter_map(failed).collect()
}
