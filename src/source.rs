//! Where a subscription reads on: in its snapshot, and then in the journal.

use crate::core::Core;
use crate::cursor::CursorValue;
use crate::error::Result;
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::head::Head;
use crate::journal::Reader;
use crate::position::Position;
use crate::record::events::EventLine;
use crate::snapshot::SnapshotId;
use crate::snapshot::reader::Items;

/// What comes next for the cursor of a subscription.
#[derive(Debug)]
pub struct Source {
    /// Until it is read to its end.
    snapshot: Option<Ahead>,
    journal: Reader,
}

/// A snapshot that is not read to its end.
#[derive(Debug)]
struct Ahead {
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
            snapshot: next.is_in_snapshot().then_some(Ahead { next, id, items: None }),
            journal: core.reader(next.first_commit()),
        }
    }

    /// The commit that comes next, or at whose end the snapshot was taken.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.snapshot.as_ref().map_or_else(|| self.journal.next(), |ahead| ahead.next.seq)
    }

    /// Takes what stands in the journal in front of a head, so that it need not be read.
    pub fn take_in(&mut self, head: &Head, lines: &[u8]) {
        self.journal.take_in(head, lines);
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
        if let Some(ahead) = &mut self.snapshot {
            let (item, read_to) = ahead.read(core, name, filter)?;
            if !read_to.is_in_snapshot() {
                self.snapshot = None;
            }
            wanted.extend(item);
            return Ok(Some(read_to));
        }
        let (seq, epoch) = (self.journal.next(), core.identity.epoch);
        let from = if seq == read_to.seq { read_to.idx as usize } else { 0 };
        let look = |line: &EventLine<'_>| filter.wanted(line, from, epoch, wanted);
        let read = self.journal.look(head, filter, look)?;
        Ok(read.map(|()| Position::end_of(seq).next()))
    }
}

impl Ahead {
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
