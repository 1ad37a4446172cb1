//! What the cursor says of a window, in as much detail as has room.

use super::{Slot, State, Window};
use crate::attempts::{Failure, Run, Tried};
use crate::cursor::Movable;
use crate::position::Position;
use crate::register::SLOT_BYTES;

/// The most settled runs above the floor that a cursor surely has room for.
pub(super) const MAX_RUNS: usize = 32;
/// The most events in hand, or to be handed over again, that a cursor surely has room for.
pub(super) const MAX_TRIED: usize = 64;

/// More tried ones than any cursor has room for: each takes 24 bytes at least, `{"at":"1-0","attempt":1}`.
const TOO_MANY: usize = SLOT_BYTES / 24 + 1;

/// How much of the failures is said at each detail: how many of one event, and how many bytes of each.
const FAILURES: [(usize, usize); 3] = [(usize::MAX, usize::MAX), (1, usize::MAX), (1, 60)];

impl Window {
    /// What the cursor is to say: in full at detail 0, ever less at those that follow. What is left out is
    /// the text of failures first, then what is settled highest above the floor, which then comes again after
    /// a restart.
    #[must_use]
    pub fn movable(&self, detail: usize) -> Movable {
        let next = self.floor();
        let folded = if self.commits == 0 {
            self.folded.max(next.seq.saturating_sub(1))
        } else {
            self.folded
        };
        let (mut settled, mut tried) = (self.runs(), self.tried(next, detail));
        if let Some(less) = detail.checked_sub(FAILURES.len()) {
            settled.truncate(MAX_RUNS >> less.min(5));
            tried.truncate(MAX_TRIED >> less.min(6));
        }
        Movable { next, folded, attempt: self.attempt_at(next), settled, tried }
    }

    fn attempt_at(&self, next: Position) -> u32 {
        if let Some(first) = self.events.front() {
            return first.attempt;
        }
        let known = self.tried.iter().find(|tried| tried.is_of(next, false));
        known.map_or(0, |tried| tried.attempt)
    }

    /// What is settled above the floor.
    pub(super) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut is_open = false;
        for slot in self.touched_apart() {
            if slot.state != State::Settled {
                is_open = false;
                continue;
            }
            match runs.last_mut().filter(|_| is_open) {
                Some(run) => run.1 = slot.position,
                None => runs.push(Run(slot.position, slot.position)),
            }
            is_open = true;
        }
        // What the cursor knew and is not read yet.
        runs.extend(self.settled.iter().map(|run| Run(run.0.max(self.read_to), run.1)));
        runs
    }

    /// The events of which anything is to be said, but for those at the end that were handed over alike.
    fn touched_apart(&self) -> impl Iterator<Item = &Slot> {
        debug_assert!(self.alike().is_none_or(|(first, _)| {
            let is_like = |slot: &Slot| {
                let is_out = matches!(slot.state, State::Out { .. });
                is_out && slot.failures.is_empty() && slot.attempt == first.attempt
            };
            self.touched().skip(self.marks.alike()).all(is_like)
        }));
        self.events.range(..self.marks.alike())
    }

    /// The first of those at the end that were handed over alike, and where the last one is.
    fn alike(&self) -> Option<(&Slot, Position)> {
        let first = self.events.get(self.marks.alike())?;
        let last = self.events.get(self.marks.touched().checked_sub(1)?)?;
        self.marks.has_alike().then_some((first, last.position))
    }

    /// What was handed over and is not settled; neighbours of which the same is to be said as one. Once it is more
    /// than has room, no more is looked for: it is written at each word on an event, and a batch has tens of
    /// thousands.
    fn tried(&self, next: Position, detail: usize) -> Vec<Tried> {
        let mut all: Vec<Tried> = Vec::new();
        let mut is_open = false;
        let apart = self.touched_apart().map(|slot| (slot, slot.position));
        let unsettled = apart.chain(self.alike()).filter(|(slot, _)| slot.state != State::Settled);
        for (slot, to) in unsettled {
            if slot.attempt == 0 {
                is_open = false;
                continue;
            }
            let failures = said(&slot.failures, detail);
            let is_plain = failures.is_empty();
            let is_too_much = all.len() > TOO_MANY;
            match all.last_mut().filter(|last| is_open && is_plain && last.attempt == slot.attempt)
            {
                Some(last) => last.to = Some(to),
                None if is_too_much => break,
                None => {
                    let to = (to > slot.position).then_some(to);
                    all.push(Tried { to, ..one(slot, false, failures) });
                }
            }
            is_open = is_plain;
        }
        // Of the first alone `attempt` says it.
        let is_said =
            |first: &Tried| first.at == next && first.to.is_none() && first.failures.is_empty();
        if all.first().is_some_and(is_said) {
            all.remove(0);
        }
        let letters = self.letters.iter().filter(|slot| slot.attempt > 0);
        all.extend(letters.map(|slot| one(slot, true, said(&slot.failures, detail))));
        for tried in &self.tried {
            let mut tried = Tried { failures: said(&tried.failures, detail), ..tried.clone() };
            if !tried.redriven && tried.at < self.read_to {
                tried.at = self.read_to;
            }
            if !is_said(&tried) {
                all.push(tried);
            }
        }
        all
    }
}

fn one(slot: &Slot, redriven: bool, failures: Vec<Failure>) -> Tried {
    Tried { at: slot.position, to: None, attempt: slot.attempt, redriven, failures }
}

fn said(failures: &[Failure], detail: usize) -> Vec<Failure> {
    let Some((count, bytes)) = FAILURES.get(detail) else { return Vec::new() };
    let from = failures.len().saturating_sub(*count);
    failures[from..].iter().map(|failure| failure.within(*bytes)).collect()
}
