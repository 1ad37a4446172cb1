//! Lag: what a subscription has not settled yet, and what the journal keeps for it. From files alone.

use std::time::{Duration, Instant};

use jiff::{Timestamp, Unit};

use crate::core::Core;
use crate::cursor;
use crate::error::{Error, Result};
use crate::filter::{Filter, Globs};
use crate::head::Head;
use crate::position::Position;
use crate::retention::Sealed;
use crate::snapshot::SnapshotId;
use crate::status::SubscriptionStatus;
use crate::store::Store;

/// Events that are wanted, from one position on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How many.
    pub events: u64,
    /// When the first of them was committed.
    pub oldest: Option<Timestamp>,
}

/// Counts the events that globs let through, from `from` on and before `end`.
///
/// # Errors
/// What reading the journal says; [`Error::Invalid`] for a glob.
pub fn wanted(
    core: &Core,
    globs: &Globs,
    from: Position,
    end: Position,
    head: &Head,
) -> Result<Wanted> {
    let filter = Filter::new(globs)?;
    let mut reader = core.reader(from.seq);
    let mut wanted = Wanted::default();
    while Position::new(reader.next(), 0) < end {
        let counted = reader.look(head, &filter, |line| {
            let places = filter.places(line, 0);
            let within = places.filter(|place| (from..end).contains(place));
            Ok((within.count() as u64, line.time()?))
        })?;
        let Some((count, time)) = counted else { break };
        wanted.events += count;
        if count > 0 {
            wanted.oldest.get_or_insert(time);
        }
    }
    Ok(wanted)
}

/// The same of a cursor that may stand in a snapshot: what is left of that comes first.
///
/// # Errors
/// As [`wanted`]; [`Error::Cursor`] where the snapshot is not there, or damaged.
pub fn left(
    core: &Core,
    (name, globs, snapshot): (&str, &Globs, Option<SnapshotId>),
    from: Position,
    end: Position,
    head: &Head,
) -> Result<Wanted> {
    let Some(mut items) = core.items(name, from, snapshot)? else {
        return wanted(core, globs, from, end, head);
    };
    let filter = Filter::new(globs)?;
    let (mut events, oldest) = (0, items.time());
    while items.position() < end {
        let mut is_wanted = false;
        let more = items.take(|subject| {
            is_wanted = filter.matches_item(subject);
            false
        })?;
        if more.is_none() {
            break;
        }
        events += u64::from(is_wanted);
    }
    let rest = wanted(core, globs, Position::new(from.seq + 1, 0), end, head)?;
    let oldest = if events > 0 { Some(oldest) } else { rest.oldest };
    Ok(Wanted { events: events + rest.events, oldest })
}

/// What the journal keeps for a subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Bytes of segments that would be gone by now, were they not kept for it.
    pub held_bytes: u64,
    /// In how many seconds the segment that it needs first is kept for its sake alone, or, when negative, since
    /// when. `None` where no age lets that be told: it needs the newest only, or nothing is ever dropped.
    pub retention_s: Option<f64>,
}

/// What the journal, whose sealed segments these are, keeps for one who needs everything from a commit on.
#[must_use]
pub fn kept(sealed: &[Sealed], needed: u64) -> Kept {
    let mut kept = Kept::default();
    for Sealed { next, len, due_in_s, is_outlived } in sealed {
        if *next <= needed {
            continue;
        }
        if *is_outlived {
            kept.held_bytes += len;
        }
        if kept.retention_s.is_none() {
            kept.retention_s = *due_in_s;
        }
    }
    kept
}

/// Looks at the subscriptions again and again, and says how fast they are.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// let store = docbox::Store::open(folder.path())?;
/// let mut meter = store.meter();
/// meter.look()?;
/// for one in meter.look()? {
///     println!("{}: {} to go, done in {:?} s", one.name, one.lag_events, one.catch_up_s);
/// }
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Debug)]
pub struct Meter {
    store: Store,
    last: Option<(Instant, Vec<SubscriptionStatus>)>,
}

impl Meter {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, last: None }
    }

    /// Every subscription; from the second look on with `rate_per_s` and `catch_up_s`, measured since the look
    /// before.
    ///
    /// # Errors
    /// As [`Store::subscriptions`].
    pub fn look(&mut self) -> Result<Vec<SubscriptionStatus>> {
        let now = Instant::now();
        let mut all = self.store.subscriptions()?;
        if let Some((then, before)) = &self.last {
            let elapsed = now.duration_since(*then);
            for one in &mut all {
                if let Some(before) = before.iter().find(|before| before.name == one.name) {
                    measure(self.store.core(), one, before, elapsed)?;
                }
            }
        }
        self.last = Some((now, all.clone()));
        Ok(all)
    }
}

/// How fast one was since an earlier look.
fn measure(
    core: &Core,
    one: &mut SubscriptionStatus,
    before: &SubscriptionStatus,
    elapsed: Duration,
) -> Result<()> {
    let (Some(from), Some(to)) = (before.position, one.position) else { return Ok(()) };
    if to < from || elapsed.is_zero() {
        return Ok(());
    }
    let globs = one.globs();
    let snapshot = match cursor::peek(&*core.fs, &core.names, &one.name) {
        Err(Error::NoSubscription { .. }) => return Ok(()),
        value => value?.and_then(|value| value.snapshot),
    };
    let whose = (one.name.as_str(), &globs, snapshot);
    let settled = match left(core, whose, from.next(), to.next(), &core.head()?) {
        // What it has settled may be gone by now, and so is a snapshot that it has passed.
        Err(Error::Compacted { .. } | Error::Cursor { .. }) => return Ok(()),
        settled => settled?.events,
    };
    let pace = Pace::new(settled, before.lag_events, one.lag_events, elapsed);
    one.rate_per_s = Some(pace.settled_per_s);
    one.catch_up_s = pace.catch_up_s;
    Ok(())
}

/// How fast a subscription is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    settled_per_s: f64,
    catch_up_s: Option<f64>,
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts them one by one")]
    fn new(settled: u64, lag_before: u64, lag_now: u64, elapsed: Duration) -> Self {
        let elapsed_s = elapsed.as_secs_f64();
        let settled_per_s = settled as f64 / elapsed_s;
        // By so much it comes nearer, whatever is committed meanwhile.
        let gained_per_s = (lag_before as f64 - lag_now as f64) / elapsed_s;
        let catch_up_s = match lag_now {
            0 => Some(0.0),
            _ if gained_per_s > 0.0 => Some(lag_now as f64 / gained_per_s),
            _ => None,
        };
        Self { settled_per_s, catch_up_s }
    }
}

/// How long ago something was, in seconds; not below 0.
#[must_use]
pub fn age_s(time: Timestamp) -> f64 {
    (Timestamp::now() - time).total(Unit::Second).unwrap_or(0.0).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_gains_catches_up_and_whoever_falls_behind_does_not() {
        let second = Duration::from_secs(1);
        let pace = |settled, before, now| Pace::new(settled, before, now, 2 * second);
        let is = |settled_per_s, catch_up_s| Pace { settled_per_s, catch_up_s };
        assert_eq!(pace(20, 100, 80), is(10.0, Some(8.0)));
        assert_eq!(pace(20, 100, 90), is(10.0, Some(18.0)), "while 10 came");
        assert_eq!(pace(20, 100, 120), is(10.0, None));
        assert_eq!(pace(0, 5, 5), is(0.0, None));
        assert_eq!(pace(0, 0, 0), is(0.0, Some(0.0)));
    }
}
