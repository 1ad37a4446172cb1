//! Events that commits settle: on their way, there, refused, or in doubt.

use super::{Spot, State, Window};
use crate::cursor::CursorValue;
use crate::position::Position;

impl Window {
    /// A commit that settles it is on its way. From here on no deadline counts. What the commit says of the
    /// cursor: `Ok` where it moves up to a position, `Err` where only this event is settled.
    pub fn begin_commit(&mut self, spot: Spot, flight: u64) -> Result<Position, Position> {
        self.commits += 1;
        if let Some(slot) = self.flying_mut(spot, flight)
            && let State::Out { deadline, .. } = &mut slot.state
        {
            *deadline = None;
        }
        let mut unsettled = self.events.iter().filter(|slot| slot.state != State::Settled);
        match unsettled.next() {
            Some(first) if first.position == spot.position => {
                Ok(unsettled.next().map_or(self.read_to, |next| next.position).before())
            }
            _ => Err(spot.position),
        }
    }

    /// The commit is there, as `seq`.
    pub fn end_commit(&mut self, spot: Spot, flight: u64, seq: u64) {
        self.settle(spot, flight);
        self.done = self.done.max(seq);
        self.abandon_commit();
    }

    /// The commit was refused.
    pub fn abandon_commit(&mut self) {
        self.commits -= 1;
        if self.commits == 0 {
            self.folded = self.folded.max(self.done);
        }
    }

    /// Whether the commit is there is not known.
    pub fn doubt_commit(&mut self, spot: Spot, flight: u64) {
        match self.changing_mut(spot, flight) {
            Some(entry) => {
                entry.state = State::InDoubt;
                self.out -= 1;
            }
            // The subscription was reset since, which decided it.
            None => self.abandon_commit(),
        }
    }

    /// What was in doubt is known: the cursor says it of events, `is_letter` of letters.
    pub fn resolve(&mut self, value: &CursorValue, is_letter: impl Fn(Position) -> bool) {
        let mut resolved = 0;
        for slot in self.events.iter_mut().filter(|slot| slot.state == State::InDoubt) {
            let settled = slot.position < value.next
                || value.settled.iter().any(|run| run.has(slot.position));
            slot.state = if settled { State::Settled } else { State::Waiting };
            resolved += 1;
        }
        for slot in self.letters.iter_mut().filter(|slot| slot.state == State::InDoubt) {
            slot.state = if is_letter(slot.position) { State::Waiting } else { State::Settled };
            resolved += 1;
        }
        self.commits -= resolved;
        if self.commits == 0 {
            self.folded = self.folded.max(value.folded);
        }
        self.pass();
    }
}
