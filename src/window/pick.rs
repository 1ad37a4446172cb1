//! What comes next of a window.

use std::collections::HashSet;
use std::time::Instant;

use super::summary::{MAX_RUNS, MAX_TRIED};
use super::{Slot, Spot, State, Window};
use crate::order::Order;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub order: Order,
    /// Whoever was handed over so often is not handed over again.
    pub max_attempts: u32,
    /// How many events at most.
    pub max: usize,
    /// No event of a commit past this.
    pub target: Option<u64>,
    pub now: Instant,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Picked {
    /// These are to be handed over.
    Give(Vec<Spot>),
    /// Its attempts are used: it becomes a dead letter.
    Bury(Spot),
    /// This delivery took longer than its deadline.
    Overrun(Spot, u64),
    /// A commit is in doubt: whether it is there comes first.
    Doubt,
    /// As many are in hand as may be.
    Busy(Option<Instant>),
    /// Nothing, unless more is read, before this.
    Nothing(Option<Instant>),
}

impl Window {
    /// What comes next.
    #[must_use]
    pub fn pick(&self, wish: &Wish) -> Picked {
        if self.commits > 0 && self.all().any(|(_, slot)| slot.state == State::InDoubt) {
            return Picked::Doubt;
        }
        let mut due = None;
        if self.out > 0 {
            for (redriven, slot) in self.with_letters(self.touched()) {
                let State::Out { flight, deadline: Some(deadline) } = slot.state else { continue };
                if deadline <= wish.now {
                    return Picked::Overrun(spot(redriven, slot), flight);
                }
                due = Some(earlier(due, deadline));
            }
        }
        if self.out >= wish.order.parallel() {
            return Picked::Busy(due);
        }
        match wish.order {
            Order::Total => self.pick_in_order(wish),
            Order::PerSubject { parallel } => self.pick_by_subject(wish, parallel as usize, due),
        }
    }

    /// Whether anything is to be done up to a commit, as far as it was read.
    #[must_use]
    pub fn is_pending(&self, target: u64) -> bool {
        let event = self.events.front().is_some_and(|slot| slot.position.seq <= target);
        event || !self.letters.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = (bool, &Slot)> {
        self.with_letters(self.events.iter())
    }

    /// The letters, which come first, and then these events; each with whether it is a letter.
    fn with_letters<'a>(
        &'a self,
        events: impl Iterator<Item = &'a Slot>,
    ) -> impl Iterator<Item = (bool, &'a Slot)> {
        let letters = self.letters.iter().map(|slot| (true, slot));
        letters.chain(events.map(|slot| (false, slot)))
    }

    /// The first that is not settled, and what follows it as far as it is new. What was tried before comes
    /// alone: if it is what kills its consumer, nothing else uses up attempts along with it.
    fn pick_in_order(&self, wish: &Wish) -> Picked {
        let mut given = Vec::new();
        let unsettled = self.all().filter(|(_, slot)| slot.state != State::Settled);
        for (redriven, slot) in unsettled {
            if !given.is_empty() && (slot.attempt > 0 || given.len() >= wish.max) {
                break;
            }
            if is_beyond(redriven, slot, wish) {
                break;
            }
            match slot.state {
                State::Backoff { until } if until > wish.now => {
                    return Picked::Nothing(Some(until));
                }
                State::Waiting | State::Backoff { .. } => {}
                State::Out { .. } | State::InDoubt | State::Settled => break,
            }
            if slot.attempt >= wish.max_attempts {
                return Picked::Bury(spot(redriven, slot));
            }
            given.push(spot(redriven, slot));
            if redriven || slot.attempt > 0 {
                break;
            }
        }
        if given.is_empty() { Picked::Nothing(None) } else { Picked::Give(given) }
    }

    /// The first of each subject of which nothing is in hand.
    fn pick_by_subject(&self, wish: &Wish, parallel: usize, mut due: Option<Instant>) -> Picked {
        let most = wish.max.min(parallel - self.out);
        let mut given = Vec::new();
        let mut seen = HashSet::new();
        let tried = self.letters.iter().chain(self.touched());
        let tried = tried.filter(|slot| slot.attempt > 0 && slot.event.is_some());
        let mut tried = tried.filter(|slot| slot.state != State::Settled).count();
        let has_room = self.runs().len() < MAX_RUNS;
        let unsettled = self.all().filter(|(_, slot)| slot.state != State::Settled);
        for (place, (redriven, slot)) in unsettled.enumerate() {
            let subject = slot.event.as_ref().and_then(|event| event.about());
            if !seen.insert(subject) {
                continue;
            }
            match slot.state {
                State::Backoff { until } if until > wish.now => {
                    due = Some(earlier(due, until));
                    continue;
                }
                State::Waiting | State::Backoff { .. } => {}
                State::Out { .. } | State::InDoubt | State::Settled => continue,
            }
            if is_beyond(redriven, slot, wish) {
                continue;
            }
            if slot.attempt >= wish.max_attempts {
                return Picked::Bury(spot(redriven, slot));
            }
            if slot.attempt == 0 {
                // What is known of it must have room in the cursor; the first always has.
                if place > 0 && (tried >= MAX_TRIED || !has_room) {
                    continue;
                }
                tried += 1;
            }
            given.push(spot(redriven, slot));
            if given.len() >= most {
                break;
            }
        }
        if given.is_empty() { Picked::Nothing(due) } else { Picked::Give(given) }
    }
}

fn is_beyond(redriven: bool, slot: &Slot, wish: &Wish) -> bool {
    !redriven && wish.target.is_some_and(|target| slot.position.seq > target)
}

fn spot(redriven: bool, slot: &Slot) -> Spot {
    Spot { position: slot.position, redriven }
}

fn earlier(due: Option<Instant>, other: Instant) -> Instant {
    due.map_or(other, |due| due.min(other))
}
