//! Where a subscription reads on: in its snapshot, and then in the journal.

use std::sync::Arc;

use crate::core::Core;
use crate::cursor::CursorValue;
use crate::error::Result;
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::head::Head;
use crate::journal::{LookedAhead, Reader};
use crate::latest::Moved;
use crate::position::Position;
use crate::record::events::EventLine;
use crate::snapshot::SnapshotId;
use crate::snapshot::reader::Items;

/// What comes next for the cursor of a subscription.
#[derive(Debug)]
pub struct Source {
    /// Until it is read to its end.
    snapshot: Option<Snapshot>,
    journal: Reader,
    /// Of the commit that comes next.
    ahead: Option<Ahead>,
}

/// What is wanted of a commit whose line was on its way to the disk.
#[derive(Debug)]
struct Ahead {
    /// It counts once these have moved the head, and not before.
    lines: Arc<Vec<u8>>,
    /// They have, and are what is read next.
    is_there: bool,
    /// From where on it is wanted.
    from: Position,
    wanted: Vec<RecordedEvent>,
    line: LookedAhead,
}

/// A snapshot that is not read to its end.
#[derive(Debug)]
struct Snapshot {
    /// What comes next of it.
    next: Position,
    id: Option<SnapshotId>,
    /// Opened when it is read, so that what is wrong with it is said where events are asked for.
    items: Option<Items>,
}

impl Source {
    /// For a cursor.
    #[must_use]
    pub fn new(core: &Core, value: &CursorValue) -> Self {
        let (next, id) = (value.next, value.snapshot);
        Self {
            snapshot: next.is_in_snapshot().then_some(Snapshot { next, id, items: None }),
            journal: core.reader(next.first_commit()),
            ahead: None,
        }
    }

    /// The commit that comes next, or at whose end the snapshot was taken.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.snapshot.as_ref().map_or_else(|| self.journal.next(), |snapshot| snapshot.next.seq)
    }

    /// Takes what stands in the journal in front of a head, so that it need not be read.
    pub fn take_in(&mut self, Moved { looked, lines }: &Moved) {
        let is_next = self.journal.take_in(&looked.head, lines);
        match &mut self.ahead {
            Some(ahead) if is_next && Arc::ptr_eq(&ahead.lines, lines) => ahead.is_there = true,
            _ => self.ahead = None,
        }
    }

    /// Looks what is wanted, from `from` on, of a commit that may come next, in lines on their way to the disk. It is
    /// kept here until these are taken in; where it cannot be told, it is read then.
    pub fn look_ahead(
        &mut self,
        core: &Core,
        filter: &Filter,
        from: Position,
        lines: Arc<Vec<u8>>,
    ) {
        let is_this = |it: &Ahead| it.from == from && Arc::ptr_eq(&it.lines, &lines);
        if self.ahead.as_ref().is_some_and(is_this) {
            return;
        }
        let mut wanted = Vec::new();
        let look = |line: &EventLine<'_>| {
            filter.wanted(line, self.first_of(from), core.identity.epoch, &mut wanted)
        };
        let seen = self.journal.look_ahead(&lines, filter, look);
        self.ahead = seen.map(|((), line)| Ahead { lines, is_there: false, from, wanted, line });
    }

    /// Adds what is wanted of the next commit, from `read_to` on, or of the next item. Up to where was read;
    /// `None` at the head.
    ///
    /// # Errors
    /// What reading the journal says, or the snapshot. Part of that commit may have been added.
    pub fn read(
        &mut self,
        core: &Core,
        (name, filter): (&str, &Filter),
        read_to: Position,
        head: &Head,
        wanted: &mut Vec<RecordedEvent>,
    ) -> Result<Option<Position>> {
        if let Some(snapshot) = &mut self.snapshot {
            let (item, read_to) = snapshot.read(core, name, filter)?;
            if !read_to.is_in_snapshot() {
                self.snapshot = None;
            }
            wanted.extend(item);
            return Ok(Some(read_to));
        }
        let (seq, epoch) = (self.journal.next(), core.identity.epoch);
        let ahead = self.ahead.take_if(|it| it.is_there && it.from == read_to);
        if let Some(Ahead { wanted: events, line, .. }) = ahead {
            self.journal.pass(line);
            wanted.extend(events);
            return Ok(Some(Position::end_of(seq).next()));
        }
        let from = self.first_of(read_to);
        let look = |line: &EventLine<'_>| filter.wanted(line, from, epoch, wanted);
        let read = self.journal.look(head, filter, look)?;
        if read.is_some() {
            self.ahead = None;
        }
        Ok(read.map(|()| Position::end_of(seq).next()))
    }

    /// The first event of the next commit that is wanted, from a position on.
    fn first_of(&self, from: Position) -> usize {
        if self.journal.next() == from.seq { from.idx as usize } else { 0 }
    }
}

impl Snapshot {
    fn read(
        &mut self,
        core: &Core,
        name: &str,
        filter: &Filter,
    ) -> Result<(Option<RecordedEvent>, Position)> {
        if self.items.is_none() {
            self.items = core.items(name, self.next, self.id)?;
        }
        let Some(items) = &mut self.items else {
            return Ok((None, Position::end_of(self.next.seq).next()));
        };
        let item = items.take(|subject| filter.matches_item(subject))?;
        self.next = items.position();
        Ok((item.flatten(), self.next))
    }
}
