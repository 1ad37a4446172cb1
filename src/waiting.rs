//! Waiting until a subscription is settled as far as somebody wants, from its files alone: whoever consumes
//! it, and wherever.

use std::time::{Duration, Instant};

use crate::core::Core;
use crate::cursor;
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::filter::{Filter, Globs};
use crate::names;
use crate::position::Position;
use crate::roster;
use crate::snapshot::SnapshotId;
use crate::sync::thread;

/// How often it is looked whether the cursor has moved.
const EVERY: Duration = Duration::from_millis(5);

/// Waits until a subscription has settled everything up to `target` that it wants, at most this long. Whether
/// it has.
///
/// # Errors
/// [`Error::NoSubscription`], also when it is removed or renamed meanwhile; [`Error::Cursor`]; what reading
/// the journal says.
pub fn wait_for(core: &Core, name: &str, target: Position, timeout: Duration) -> Result<bool> {
    names::check_subscription(name)?;
    wait_until(core, name, target, Instant::now().checked_add(timeout))
}

/// Waits until subscriptions have settled everything up to the head of this moment, at most this long in all.
/// Whether all of them have.
///
/// # Errors
/// As [`wait_for`].
pub fn drain<N: AsRef<str>>(core: &Core, names: &[N], timeout: Duration) -> Result<bool> {
    let deadline = Instant::now().checked_add(timeout);
    let target = Position::end_of(core.head()?.seq);
    for name in names {
        names::check_subscription(name.as_ref())?;
        if !roster::is_there(&*core.fs, &core.names, name.as_ref())? {
            return Err(Error::NoSubscription { name: name.as_ref().to_owned() });
        }
    }
    // Each is looked at once at least, so that the answer of a timeout of nothing is worth something.
    let mut settled = true;
    for name in names {
        settled &= wait_until(core, name.as_ref(), target, deadline)?;
    }
    Ok(settled)
}

fn wait_until(
    core: &Core,
    name: &str,
    target: Position,
    deadline: Option<Instant>,
) -> Result<bool> {
    let mut look = Look { core, name, target, first: None };
    loop {
        core.check_open()?;
        if look.is_settled()? {
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
        thread::sleep(EVERY);
    }
}

/// What is known of a subscription that is waited for.
struct Look<'a> {
    core: &'a Core,
    name: &'a str,
    target: Position,
    /// The first event up to the target that it wants and has not settled, as far as was found.
    first: Option<Position>,
}

impl Look<'_> {
    fn is_settled(&mut self) -> Result<bool> {
        let (core, name) = (self.core, self.name);
        if !roster::is_there(&*core.fs, &core.names, name)? {
            return Err(Error::NoSubscription { name: name.to_owned() });
        }
        let value = cursor::peek(&*core.fs, &core.names, name)?;
        let value = value.ok_or_else(|| cursor::unreadable(name))?;
        let head = core.head()?;
        cursor::check(name, &value, &core.identity, &head)?;
        if value.next > self.target {
            return Ok(true);
        }
        if head.seq < self.target.seq || self.first.is_some_and(|first| value.next <= first) {
            return Ok(false);
        }
        // Nobody need move the cursor over what is not wanted.
        self.first = self.first_wanted(value.next, value.snapshot)?;
        Ok(self.first.is_none())
    }

    fn first_wanted(
        &self,
        from: Position,
        snapshot: Option<SnapshotId>,
    ) -> Result<Option<Position>> {
        let (core, name) = (self.core, self.name);
        let definition = Definition::read(&*core.fs, &core.names, name)?;
        let globs = definition.map_or_else(Globs::default, |definition| definition.filter);
        let (filter, head) = (Filter::new(&globs)?, core.head()?);
        if let Some(mut items) = core.items(name, from, snapshot)? {
            let mut position = items.position();
            while position <= self.target
                && let Some(subject) = items.subject()?
            {
                if filter.matches_item(&subject) {
                    return Ok(Some(position));
                }
                position = items.position();
            }
        }
        let mut reader = core.reader(from.first_commit());
        while reader.next() <= self.target.seq {
            let begins = if reader.next() == from.seq { from.idx as usize } else { 0 };
            let first =
                reader.look(&head, &filter, |line| Ok(filter.places(line, begins).next()))?;
            let Some(first) = first else { break };
            if let Some(first) = first {
                return Ok((first <= self.target).then_some(first));
            }
        }
        Ok(None)
    }
}
