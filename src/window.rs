//! Windows: what a subscription has read and its cursor has not passed yet, and where each event of it is.
//!
//! No I/O. The floor is the first event that is not settled; what is settled above it is remembered, here
//! and in the cursor, so that a restart delivers as little as possible again.

mod commits;
mod marks;
mod pick;
mod slot;
mod summary;

pub use pick::{Picked, Wish};

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Instant;

use self::marks::Marks;
use self::slot::{Slot, State};
use crate::attempts::{Failure, Run, Tried, note};
use crate::cursor::CursorValue;
use crate::event::RecordedEvent;
use crate::position::Position;
use crate::sync::Arc;

/// So many events are read ahead of the floor at most, unless a batch asks for more.
pub const WINDOW_EVENTS: usize = 1024;
/// And no more once they take so many bytes.
pub const WINDOW_BYTES: usize = 8 << 20;

/// Which event: by its position, and whether it comes from the journal or is a dead letter that is delivered
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub position: Position,
    pub redriven: bool,
}

/// What a delivery still has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Current,
    /// It took longer than its deadline.
    Overrun,
    /// It was settled or given up already, or the subscription was reset since.
    Gone,
}

/// What the floor has moved over.
#[derive(Debug)]
pub struct Passed {
    events: VecDeque<Slot>,
    letters: VecDeque<Slot>,
    bytes: usize,
}

/// What is handed over.
#[derive(Debug)]
pub struct Flight {
    pub spot: Spot,
    pub number: u64,
    pub event: Arc<RecordedEvent>,
    pub attempt: u32,
}

/// See above.
#[derive(Debug)]
pub struct Window {
    /// In order; the first is not settled.
    events: VecDeque<Slot>,
    /// How far anything was done to them.
    marks: Marks,
    /// Dead letters that are delivered again: before all else.
    letters: VecDeque<Slot>,
    /// Every event before this is in `events`, settled or not wanted.
    read_to: Position,
    /// What the cursor knew of events that are not read yet, when it was taken over.
    settled: Vec<Run>,
    /// The same of events and of letters.
    tried: Vec<Tried>,
    /// Counts the deliveries.
    flights: u64,
    /// How many are with the consumer.
    out: usize,
    /// Bytes of the events.
    bytes: usize,
    /// Commits up to here whose acks are known here.
    folded: u64,
    /// The newest commit of our own that settled something.
    done: u64,
    /// How many commits that settle something are on their way, or in doubt: `folded` must not pass them.
    commits: usize,
    /// The last reset that was obeyed.
    generation: u64,
    /// Where in `events` the last one was that was looked for. It may be another by now, or none.
    last_found: Cell<usize>,
}

impl Window {
    /// That of a cursor.
    #[must_use]
    pub fn new(value: &CursorValue) -> Self {
        let mut tried = value.tried.clone();
        if value.attempt > 0 && !tried.iter().any(|tried| tried.is_of(value.next, false)) {
            let (at, attempt) = (value.next, value.attempt);
            tried.push(Tried { at, to: None, attempt, redriven: false, failures: Vec::new() });
        }
        Self {
            events: VecDeque::new(),
            marks: Marks::default(),
            letters: VecDeque::new(),
            read_to: value.next,
            settled: value.settled.clone(),
            tried,
            flights: 0,
            out: 0,
            bytes: 0,
            folded: value.folded,
            done: 0,
            commits: 0,
            generation: value.generation,
            last_found: Cell::new(0),
        }
    }

    /// The first position that is not settled.
    #[must_use]
    pub fn floor(&self) -> Position {
        self.events.front().map_or(self.read_to, |slot| slot.position)
    }

    /// Every event before this is in it, settled or not wanted.
    #[must_use]
    pub fn read_to(&self) -> Position {
        self.read_to
    }

    /// Whether no event is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether an event is handed over without others: it was before, or is a letter.
    #[must_use]
    pub fn is_alone(&self, spot: Spot) -> bool {
        spot.redriven || self.find(spot).is_some_and(|slot| slot.attempt > 0)
    }

    /// Whether reading on has to wait until something is settled, when `wanted` events are asked for.
    #[must_use]
    pub fn is_full(&self, wanted: usize) -> bool {
        self.events.len() >= WINDOW_EVENTS.max(wanted) || self.bytes >= WINDOW_BYTES
    }

    /// The last reset that was obeyed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds what was read of the journal up to `read_to`.
    pub fn push(&mut self, events: impl IntoIterator<Item = RecordedEvent>, read_to: Position) {
        for event in events {
            let position = event.position;
            if self.settled.iter().any(|run| run.has(position)) {
                // Below the first that is not settled nothing need be known of it.
                if !self.events.is_empty() {
                    let slot = self.slot(position, false, None);
                    self.push_slot(Slot { state: State::Settled, ..slot });
                }
                continue;
            }
            self.bytes += bytes_of(&event);
            let slot = self.slot(position, false, Some(Arc::new(event)));
            self.push_slot(slot);
        }
        self.read_to = self.read_to.max(read_to);
        if !self.settled.is_empty() || !self.tried.is_empty() {
            self.settled.retain(|run| run.1 >= read_to);
            self.tried.retain(|tried| tried.redriven || tried.last() >= read_to);
        }
    }

    fn push_slot(&mut self, slot: Slot) {
        let is_untouched = slot.is_untouched();
        self.events.push_back(slot);
        if !is_untouched {
            self.marks.change(self.events.len() - 1);
        }
    }

    /// Adds a dead letter that is to be delivered again.
    pub fn push_letter(&mut self, event: RecordedEvent) {
        let position = event.position;
        if self.letters.iter().any(|slot| slot.position == position) {
            return;
        }
        let slot = self.slot(position, true, Some(Arc::new(event)));
        self.tried.retain(|tried| !tried.is_of(position, true));
        self.letters.push_back(slot);
    }

    /// How many letters are in it.
    #[must_use]
    pub fn letters(&self) -> usize {
        self.letters.len()
    }

    /// Forgets the attempts of letters that are not to be delivered again any more.
    pub fn keep_letters(&mut self, is_marked: impl Fn(Position) -> bool) {
        self.tried.retain(|tried| !tried.redriven || is_marked(tried.at));
    }

    fn slot(&self, position: Position, redriven: bool, event: Option<Arc<RecordedEvent>>) -> Slot {
        let tried = self.tried.iter().find(|tried| tried.is_of(position, redriven));
        let (attempt, failures) =
            tried.map_or((0, Vec::new()), |tried| (tried.attempt, tried.failures.clone()));
        Slot { position, event, attempt, failures, state: State::Waiting }
    }

    /// Hands an event over; its attempt is counted, unless it is only to be settled.
    pub fn take(&mut self, spot: Spot, deadline: Option<Instant>, counts: bool) -> Option<Flight> {
        let number = self.flights + 1;
        let entry = self.find_mut(spot)?;
        if !matches!(entry.state, State::Waiting | State::Backoff { .. }) {
            return None;
        }
        let event = Arc::clone(entry.event.as_ref()?);
        entry.attempt += u32::from(counts);
        entry.state = State::Out { flight: number, deadline };
        let attempt = entry.attempt;
        self.flights = number;
        self.out += 1;
        if !spot.redriven {
            self.mark_taken(self.last_found.get());
        }
        Some(Flight { spot, number, event, attempt })
    }

    /// Marks what was just handed over. What nothing was done to before has not failed, and most comes with others.
    fn mark_taken(&mut self, at: usize) {
        let before = self.events.get(self.marks.alike()).filter(|_| self.marks.has_alike());
        if before.is_none_or(|before| before.attempt == self.events[at].attempt) {
            self.marks.join(at);
        } else {
            self.marks.change(at);
        }
    }

    /// It was not handed over after all.
    pub fn give_back(&mut self, spot: Spot, flight: u64) {
        if let Some(slot) = self.changing_mut(spot, flight) {
            slot.attempt -= 1;
            slot.state = State::Waiting;
            self.out -= 1;
        }
    }

    /// Whether what a delivery says counts.
    #[must_use]
    pub fn standing(&self, spot: Spot, flight: u64, now: Instant) -> Standing {
        match self.find(spot).map(|slot| slot.state) {
            Some(State::Out { flight: current, deadline }) if current == flight => {
                if deadline.is_some_and(|deadline| deadline <= now) {
                    Standing::Overrun
                } else {
                    Standing::Current
                }
            }
            _ => Standing::Gone,
        }
    }

    /// Gives a delivery more time.
    pub fn extend(&mut self, spot: Spot, flight: u64, until: Instant) {
        if let Some(slot) = self.flying_mut(spot, flight)
            && let State::Out { deadline: Some(deadline), .. } = &mut slot.state
        {
            *deadline = until;
        }
    }

    /// It is done. The floor moves once [`Window::pass`] is called.
    pub fn settle(&mut self, spot: Spot, flight: u64) {
        if let Some(slot) = self.changing_mut(spot, flight) {
            slot.state = State::Settled;
            self.out -= 1;
        }
    }

    /// It was not done after all.
    pub fn unsettle(&mut self, spot: Spot, flight: u64) {
        // It was marked when it was settled.
        if let Some(slot) = self.find_mut(spot).filter(|slot| slot.state == State::Settled) {
            slot.state = State::Out { flight, deadline: None };
            self.out += 1;
        }
    }

    /// Moves the floor over what is settled.
    pub fn pass(&mut self) {
        drop(self.passing());
    }

    /// The same; what was passed.
    pub fn passing(&mut self) -> Passed {
        let is_settled = |slot: &Slot| slot.state == State::Settled;
        let count = self.events.iter().take_while(|slot| is_settled(slot)).count();
        let events: VecDeque<Slot> = self.events.drain(..count).collect();
        self.marks.pass(count);
        let bytes =
            events.iter().filter_map(|slot| slot.event.as_ref()).map(|it| bytes_of(it)).sum();
        self.bytes -= bytes;
        let letters = std::mem::take(&mut self.letters);
        let (settled, letters) = letters.into_iter().partition(is_settled);
        self.letters = letters;
        Passed { events, letters: settled, bytes }
    }

    /// Takes back what was passed a moment ago.
    pub fn restore(&mut self, passed: Passed) {
        let Passed { mut events, mut letters, bytes } = passed;
        self.marks.restore(events.len());
        events.append(&mut self.events);
        letters.append(&mut self.letters);
        (self.events, self.letters) = (events, letters);
        self.bytes += bytes;
    }

    /// It failed: it comes again, not before `until`.
    pub fn fail(&mut self, spot: Spot, flight: u64, failure: Option<Failure>, until: Instant) {
        if let Some(slot) = self.changing_mut(spot, flight) {
            slot.state = State::Backoff { until };
            if let Some(failure) = failure {
                note(&mut slot.failures, failure);
            }
            self.out -= 1;
        }
    }

    /// How often an event was handed over, and how it failed.
    #[must_use]
    pub fn history(&self, spot: Spot) -> (u32, Vec<Failure>) {
        self.find(spot).map_or((0, Vec::new()), |slot| (slot.attempt, slot.failures.clone()))
    }

    /// Goes where a reset says. What consumers still say of events counts no more.
    pub fn reset(&mut self, next: Position, folded: u64, generation: u64) {
        let in_doubt = self.events.iter().filter(|slot| slot.state == State::InDoubt).count();
        let is_out = |slot: &&Slot| matches!(slot.state, State::Out { .. });
        self.out = self.letters.iter().filter(is_out).count();
        self.events.clear();
        self.marks = Marks::default();
        self.settled.clear();
        self.tried.retain(|tried| tried.redriven);
        self.bytes = 0;
        self.commits -= in_doubt;
        (self.read_to, self.folded, self.generation) = (next, folded, generation);
    }

    /// The events of which anything is to be said.
    fn touched(&self) -> impl Iterator<Item = &Slot> {
        debug_assert!(self.events.range(self.marks.touched()..).all(Slot::is_untouched));
        self.events.range(..self.marks.touched())
    }

    fn find(&self, spot: Spot) -> Option<&Slot> {
        if spot.redriven {
            return self.letters.iter().find(|slot| slot.position == spot.position);
        }
        self.events.get(self.place(spot.position)?)
    }

    fn find_mut(&mut self, spot: Spot) -> Option<&mut Slot> {
        if spot.redriven {
            return self.letters.iter_mut().find(|slot| slot.position == spot.position);
        }
        let at = self.place(spot.position)?;
        self.events.get_mut(at)
    }

    /// Where an event is in `events`. Most are asked for in order, so it is looked for behind the one before.
    fn place(&self, position: Position) -> Option<usize> {
        let last = self.last_found.get();
        let is_at = |at: &usize| self.events.get(*at).is_some_and(|slot| slot.position == position);
        let search = || self.events.binary_search_by_key(&position, |slot| slot.position).ok();
        let found = [last, last + 1].into_iter().find(is_at).or_else(search)?;
        self.last_found.set(found);
        Some(found)
    }

    /// The same, of which something else is about to be said than before.
    fn changing_mut(&mut self, spot: Spot, number: u64) -> Option<&mut Slot> {
        self.flying_mut(spot, number)?;
        if !spot.redriven {
            self.marks.change(self.last_found.get());
        }
        self.find_mut(spot)
    }

    /// What is with the consumer as flight `number`.
    fn flying_mut(&mut self, spot: Spot, number: u64) -> Option<&mut Slot> {
        self.find_mut(spot)
            .filter(|slot| matches!(slot.state, State::Out { flight, .. } if flight == number))
    }
}

/// What an event takes, about.
fn bytes_of(event: &RecordedEvent) -> usize {
    let data = event.data_json().map_or(0, str::len) + event.meta_json().map_or(0, str::len);
    data + event.commit_meta_json().map_or(0, str::len) + 256
}

#[cfg(test)]
mod tests;
