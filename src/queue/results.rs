//! Results that wait for their callers, and who tells whom that there is one.
//!
//! To wake a thread is a system call, and where all cores are busy who was woken may run in the place of who woke it. So
//! of its batch the standing leader tells a few, and each of those tells some others, while the leader goes on with the next.
//! Nobody depends on that: whoever has not come for a result by the end of the next batch is told by the leader too.

use std::collections::HashMap;

use super::{Commit, Ticket};
use crate::error::Result;

/// A leader tells at most so many of a batch; they tell the others.
const TOLD_BY_LEADER: usize = 2;

/// Results that were not fetched yet.
#[derive(Debug, Default)]
pub(super) struct Results {
    laid: HashMap<u64, Laid>,
    /// Whom others are to tell, of the last batch of which anybody is.
    hanging: Vec<Ticket>,
}

/// The result of a ticket.
#[derive(Debug)]
struct Laid {
    result: Result<Commit>,
    /// Whom to tell, for who fetches it.
    others: Vec<Ticket>,
}

impl Results {
    /// Lays the results of a batch where their callers look for them.
    pub(super) fn lay(&mut self, tickets: &[Ticket], results: Vec<Result<Commit>>) {
        let laid = results.into_iter().map(|result| Laid { result, others: Vec::new() });
        self.laid.extend(tickets.iter().map(|ticket| ticket.number).zip(laid));
    }

    /// The result of a ticket, and who is to be told by who fetches it.
    pub(super) fn fetch(&mut self, number: u64) -> Option<(Result<Commit>, Vec<Ticket>)> {
        self.laid.remove(&number).map(|laid| (laid.result, laid.others))
    }

    /// Of a batch whose results were laid, whom its leader is to tell. They tell the others.
    pub(super) fn share_out(&mut self, tickets: &[Ticket]) -> Vec<Ticket> {
        let each = tickets.len().div_ceil(TOLD_BY_LEADER).max(1);
        let groups = tickets.chunks(each);
        for (first, others) in groups.clone().filter_map(<[Ticket]>::split_first) {
            if let Some(laid) = self.laid.get_mut(&first.number) {
                laid.others = others.to_vec();
            }
            self.hanging.extend_from_slice(others);
        }
        groups.filter_map(<[Ticket]>::first).cloned().collect()
    }

    /// Those whom others were to tell, and who have not fetched their results: whoever is to tell them may not have had a
    /// moment since.
    pub(super) fn forgotten(&mut self) -> Vec<Ticket> {
        let mut hanging = std::mem::take(&mut self.hanging);
        hanging.retain(|ticket| self.laid.contains_key(&ticket.number));
        hanging
    }

    /// Whether there is none that was not fetched.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.laid.is_empty()
    }
}
