//! The queue of transactions: many callers, one leader, one sync a batch.
//!
//! Whoever finds nobody leading takes what waits, commits it, and tells each caller. The rest wait for
//! their results. While there are any, the standing leader leads one batch after the other, if there is one
//! ([`Queue::serve`]); else the first of those who were not in the batch leads the next.

mod results;

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};

use self::results::Results;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::revision::Revision;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread};
use crate::transaction::Transaction;

/// The most transactions that share a sync.
pub const BATCH_TRANSACTIONS: usize = 1024;
/// No more transactions are taken into a batch once it holds this many bytes of documents.
pub const BATCH_BYTES: usize = 8 << 20;

/// A commit that was made: durable, in place, and to be delivered.
#[derive(Clone, Debug)]
pub struct Commit {
    pub(crate) seq: u64,
    pub(crate) revisions: Vec<(Key, Option<Revision>)>,
}

impl Commit {
    /// Its place in the sequence of all commits: 1, 2, 3 …
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The new revision of a document that it wrote; `None` for one that it deleted or did not write.
    #[must_use]
    pub fn revision(&self, key: &str) -> Option<Revision> {
        let key = Key::new(key).ok()?;
        self.revisions.iter().find(|(written, _)| *written == key)?.1
    }

    /// Every document that it wrote, in the order of the transaction; `None` for a deletion.
    #[must_use]
    pub fn revisions(&self) -> &[(Key, Option<Revision>)] {
        &self.revisions
    }
}

/// Transactions that wait for a leader, and results that wait for their callers.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    /// Whether a standing leader was asked for, and nobody has taken that up.
    wants_leader: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Ticket, Transaction)>,
    results: Results,
    leader: Leader,
    next_number: u64,
    /// How many transactions the last batch had.
    last_batch: usize,
    standing: Standing,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Leader {
    /// The queue is empty.
    #[default]
    None,
    /// Whoever has the ticket of this number, the first in the queue, is to lead.
    Next(u64),
    /// A caller leads.
    Caller,
    /// The standing leader leads, or is to.
    Standing,
}

/// The standing leader.
#[derive(Debug, Default)]
enum Standing {
    /// Nobody has waited behind a batch yet.
    #[default]
    Unneeded,
    /// It was asked for.
    Wanted,
    /// It is there, and told so when it is to lead.
    There(Arc<Condvar>),
    /// There is none any more.
    Dismissed,
}

/// Takes a batch out of the queue: what waits when it is called.
pub type Take<'a> = &'a mut dyn FnMut() -> Vec<Transaction>;

/// The place of a transaction in the queue.
#[derive(Clone, Debug)]
pub struct Ticket {
    number: u64,
    /// Of its own, so that nobody is woken for another's sake.
    told: Arc<Condvar>,
}

impl Queue {
    /// Queues transactions behind each other, with nobody's in between; a ticket for each. Each ticket is to
    /// be waited for, in their order.
    pub fn push(&self, transactions: Vec<Transaction>) -> Vec<Ticket> {
        let mut state = self.lock();
        let first = state.next_number;
        state.next_number += transactions.len() as u64;
        let new = |number| Ticket { number, told: Arc::default() };
        let tickets: Vec<Ticket> = (first..state.next_number).map(new).collect();
        state.waiting.extend(tickets.iter().cloned().zip(transactions));
        if state.leader == Leader::None {
            // The one who is to lead is the caller.
            state.choose_first();
        }
        tickets
    }

    /// Waits for the result of a ticket, and leads batches where it is the turn of its holder: `lead` takes some
    /// transactions, once, commits them, and has one result for each, in order.
    ///
    /// # Errors
    /// The result.
    pub fn wait(
        &self,
        ticket: &Ticket,
        mut lead: impl FnMut(Take<'_>) -> Vec<Result<Commit>>,
    ) -> Result<Commit> {
        let mut state = self.lock();
        loop {
            if let Some((result, others)) = state.results.fetch(ticket.number) {
                drop(state);
                tell(&others);
                return result;
            }
            if state.leader != Leader::Next(ticket.number) {
                state = ticket.told.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.leader = Leader::Caller;
            let is_crowded = state.last_batch > 1;
            drop(state);
            if is_crowded {
                // Those whose commits were made a moment ago come back with the next, if they get that moment.
                thread::yield_now();
            }
            state = self.lead(&mut lead);
        }
    }

    /// Leads the batch at whose head the caller stands.
    fn lead(
        &self,
        lead: &mut impl FnMut(Take<'_>) -> Vec<Result<Commit>>,
    ) -> MutexGuard<'_, State> {
        let done = Led::by(self, lead);
        let mut state = self.lock();
        // The next batch need not wait until everybody in this one is awake.
        let next = state.hand_on();
        if next.is_some() && matches!(state.standing, Standing::Unneeded) {
            state.standing = Standing::Wanted;
            self.wants_leader.store(true, Ordering::Relaxed);
        }
        let (tickets, panicked) = done.give(&mut state);
        if let (Some(_), Some(own)) = (&panicked, tickets.first()) {
            state.results.fetch(own.number);
        }
        drop(state);
        if let Some(next) = next {
            next.notify_one();
        }
        tell(tickets.get(1..).unwrap_or_default());
        if let Some(panicked) = panicked {
            panic::resume_unwind(panicked);
        }
        self.lock()
    }

    /// Whether somebody should [`Queue::serve`] from now on. It is said once.
    pub fn wants_leader(&self) -> bool {
        self.wants_leader.load(Ordering::Relaxed)
            && self.wants_leader.swap(false, Ordering::Relaxed)
    }

    /// Is the standing leader, until it is dismissed: where callers are left behind a batch it leads, for as long as
    /// there are any.
    ///
    /// Who leads keeps a core busy. As long as it is the same thread, and not whoever was just woken, those whose
    /// commits were made come back with their next ones on the other cores meanwhile.
    pub fn serve(&self, mut lead: impl FnMut(Take<'_>) -> Vec<Result<Commit>>) {
        let called = Arc::new(Condvar::new());
        let mut state = self.lock();
        if !matches!(state.standing, Standing::Dismissed) {
            state.standing = Standing::There(Arc::clone(&called));
        }
        loop {
            if state.leader == Leader::Standing {
                state = self.lead_all(state, &mut lead);
            } else if matches!(state.standing, Standing::Dismissed) {
                return;
            } else {
                state = called.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// There is no standing leader any more: once it has led the batch that it leads it hands on.
    pub fn dismiss(&self) {
        let mut state = self.lock();
        if let Standing::There(called) = std::mem::replace(&mut state.standing, Standing::Dismissed)
        {
            called.notify_one();
        }
    }

    /// Leads one batch after the other as long as that is for the standing leader.
    fn lead_all<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        lead: &mut impl FnMut(Take<'_>) -> Vec<Result<Commit>>,
    ) -> MutexGuard<'a, State> {
        while state.standing_leader().is_some() {
            drop(state);
            let done = Led::by(self, lead);
            state = self.lock();
            let forgotten = state.results.forgotten();
            let (tickets, panicked) = done.give(&mut state);
            let first = state.results.share_out(&tickets);
            drop(state);
            tell(&forgotten);
            tell(&first);
            if panicked.is_some() {
                tracing::error!("docbox panicked while committing; those who waited were told");
            }
            // Those who were just told come back, if they get a moment.
            thread::yield_now();
            state = self.lock();
        }
        // Nobody leads who would tell them later.
        tell(&state.results.forgotten());
        if let Some(next) = state.hand_on() {
            next.notify_one();
        }
        state
    }

    /// Takes a batch, for whoever leads.
    fn take(&self) -> (Vec<Ticket>, Vec<Transaction>) {
        let mut state = self.lock();
        let batch = take_batch(&mut state.waiting);
        state.last_batch = batch.len();
        drop(state);
        batch.into_iter().unzip()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whoever is first in the queue is to lead next, and to be told so.
    fn choose_first(&mut self) -> Option<Arc<Condvar>> {
        let first = self.waiting.front().map(|(ticket, _)| ticket);
        self.leader = first.map_or(Leader::None, |ticket| Leader::Next(ticket.number));
        first.map(|ticket| Arc::clone(&ticket.told))
    }

    /// Who is to lead behind a batch, and to be told so: the standing leader if there is one, where somebody waits.
    fn hand_on(&mut self) -> Option<Arc<Condvar>> {
        match self.standing_leader() {
            Some(called) => {
                self.leader = Leader::Standing;
                Some(called)
            }
            None => self.choose_first(),
        }
    }

    /// The standing leader, if it is there and anybody waits.
    fn standing_leader(&self) -> Option<Arc<Condvar>> {
        match &self.standing {
            Standing::There(called) if !self.waiting.is_empty() => Some(Arc::clone(called)),
            _ => None,
        }
    }
}

/// A batch that was led.
struct Led {
    tickets: Vec<Ticket>,
    results: Vec<Result<Commit>>,
    panicked: Option<Box<dyn Any + Send>>,
}

impl Led {
    fn by(queue: &Queue, lead: &mut impl FnMut(Take<'_>) -> Vec<Result<Commit>>) -> Self {
        let mut tickets = Vec::new();
        let mut take = || {
            let (taken, transactions) = queue.take();
            tickets = taken;
            transactions
        };
        match panic::catch_unwind(AssertUnwindSafe(|| lead(&mut take))) {
            Ok(results) => Self { tickets, results, panicked: None },
            Err(panicked) => {
                if tickets.is_empty() {
                    // It panicked before it took them, and who leads does not wait for its own any more.
                    tickets = queue.take().0;
                }
                let results = tickets.iter().map(|_| Err(lost())).collect();
                Self { tickets, results, panicked: Some(panicked) }
            }
        }
    }

    /// Lays the results where their callers look for them: those, and what the leader panicked with.
    fn give(self, state: &mut State) -> (Vec<Ticket>, Option<Box<dyn Any + Send>>) {
        let Self { tickets, results, panicked } = self;
        state.results.lay(&tickets, results);
        (tickets, panicked)
    }
}

fn tell(tickets: &[Ticket]) {
    for ticket in tickets {
        ticket.told.notify_one();
    }
}

/// What those hear whose leader panicked.
fn lost() -> Error {
    Error::InDoubt { seq: 0, cause: "docbox panicked while committing".into() }
}

fn take_batch(waiting: &mut VecDeque<(Ticket, Transaction)>) -> Vec<(Ticket, Transaction)> {
    let mut bytes = 0;
    let mut count = 0;
    for (_, transaction) in waiting.iter().take(BATCH_TRANSACTIONS) {
        bytes += transaction.document_bytes();
        if count > 0 && bytes > BATCH_BYTES {
            break;
        }
        count += 1;
    }
    waiting.drain(..count).collect()
}

#[cfg(test)]
mod tests;
