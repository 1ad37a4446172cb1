//! Where a subscription begins.

use jiff::Timestamp;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::journal::Segments;
use crate::position::Position;
use crate::record::events::EventLine;
use crate::record::sight::{NoEvents, UpTo};

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event that the journal still holds.
    Beginning,
    /// With what is committed from now on.
    Now,
    /// With what follows a position.
    After(Position),
    /// With the first commit of this time, or the first after it.
    At(Timestamp),
    /// With every document as it is now, as events `docbox.snapshot`, and then with what is committed from now on.
    Snapshot,
}

/// The first position that a start means. Under `commit.lock`, so that it cannot be dropped meanwhile.
///
/// # Errors
/// [`Error::Compacted`] when it is no longer kept, [`Error::Invalid`] when it is beyond the head, or yet to come.
pub fn resolve(core: &Core, start: Start, head: &Head) -> Result<Position> {
    let there = Segments::list(&*core.fs, &core.names)?.oldest().unwrap_or(1);
    // What is about to be dropped is no beginning.
    let kept =
        core.applied()?.and_then(|applied| applied.oldest).filter(|kept| *kept <= head.seq + 1);
    let oldest = there.max(kept.unwrap_or(1));
    match start {
        Start::At(time) => at(core, time, oldest, head),
        Start::Beginning => Ok(Position::new(oldest, 0)),
        Start::Now => Ok(Position::new(head.seq + 1, 0)),
        Start::Snapshot => Err(Error::Invalid(
            "a snapshot is for a subscription; use `beginning` for the events that are kept".into(),
        )),
        Start::After(asked) if asked.is_in_snapshot() => Err(Error::Invalid(format!(
            "position {asked} is in a snapshot; only the subscription that is in it just now can go there; use \
             `snapshot` for one of now"
        ))),
        Start::After(asked) if asked.seq > head.seq => Err(Error::Invalid(format!(
            "position {asked} is beyond the head, which is at {}; use `now` for what comes from here on",
            head.seq
        ))),
        Start::After(asked) if asked.next() < Position::new(oldest, 0) => {
            Err(Error::Compacted { asked, oldest: Position::end_of(oldest - 1) })
        }
        Start::After(asked) => Ok(asked.next()),
    }
}

/// The first commit that is not earlier than a time. Times never go back from one commit to the next.
fn at(core: &Core, asked: Timestamp, oldest: u64, head: &Head) -> Result<Position> {
    if asked > Timestamp::now().max(head.time) {
        return Err(Error::Invalid(format!(
            "{asked:.0} is yet to come; use `now` for what comes from here on"
        )));
    }
    if head.seq == 0 || head.time < asked {
        return Ok(Position::new(head.seq + 1, 0));
    }
    let mut from = None;
    for first in Segments::list(&*core.fs, &core.names)?.firsts().iter().rev() {
        if (oldest..=head.seq).contains(first)
            && time_of(core, *first, head)?.is_some_and(|it| it < asked)
        {
            from = Some(*first);
            break;
        }
    }
    let Some(from) = from else {
        // What was dropped may have been of that time too.
        return if oldest == 1 {
            Ok(Position::new(1, 0))
        } else {
            Err(Error::Compacted {
                asked: Position::BEGINNING,
                oldest: Position::end_of(oldest - 1),
            })
        };
    };
    let mut reader = core.reader(from);
    loop {
        let seq = reader.next();
        match reader.look(head, &NoEvents(UpTo::Events), time)? {
            Some(time) if time < asked => {}
            _ => return Ok(Position::new(seq, 0)),
        }
    }
}

fn time(line: &EventLine<'_>) -> std::result::Result<Timestamp, String> {
    line.time()
}

fn time_of(core: &Core, seq: u64, head: &Head) -> Result<Option<Timestamp>> {
    core.reader(seq).look(head, &NoEvents(UpTo::Events), time)
}
