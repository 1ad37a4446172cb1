//! What a workload tried, and what it was told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use docbox::{Error, Event, Position, Result, Store, Transaction};

/// Everything that a workload tried, in order. Each transaction emits one event of a type of its own, by
/// which the journal tells whether it is there.
#[derive(Debug, Default)]
pub struct History(Mutex<Known>);

#[derive(Debug, Default)]
pub struct Known {
    pub attempts: Vec<Attempt>,
    /// Of each subscription, the events that it was given, by position.
    pub delivered: BTreeMap<String, BTreeMap<Position, String>>,
    /// Of each subscription, the events that it acked, by type.
    pub acked: BTreeMap<String, Vec<String>>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub kind: String,
    /// `None` deletes.
    pub writes: Vec<(String, Option<String>)>,
    pub outcome: Outcome,
}

/// What the caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: it died first.
    Nothing,
    Committed(u64),
    /// It will never appear.
    Refused,
    InDoubt,
}

impl History {
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Commits documents and an event, and notes what comes of it.
    pub fn commit(&self, store: &Store, writes: &[(&str, Option<&str>)]) -> Result<u64> {
        let mut known = self.known();
        let index = known.attempts.len();
        let kind = format!("T{index}");
        let owned: Vec<_> = writes
            .iter()
            .map(|(key, text)| {
                ((*key).to_owned(), text.map(|text| format!("\"{text} of {kind}\"")))
            })
            .collect();
        let mut transaction = Transaction::new().emit(Event::bare(&*kind));
        for (key, text) in &owned {
            transaction = match text {
                Some(text) => transaction.put_json(key, text)?,
                None => transaction.remove(key)?,
            };
        }
        known.attempts.push(Attempt { kind, writes: owned, outcome: Outcome::Nothing });
        drop(known);
        let result = store.commit(transaction);
        self.known().attempts[index].outcome = match &result {
            Ok(commit) => Outcome::Committed(commit.seq()),
            Err(Error::InDoubt { .. }) => Outcome::InDoubt,
            // Of a dead process nobody hears anything.
            Err(error) if error.to_string().contains("process is dead") => Outcome::Nothing,
            Err(_) => Outcome::Refused,
        };
        result.map(|commit| commit.seq())
    }

    /// Takes what a subscription gives up to the head, and acks it.
    pub fn deliver(&self, store: &Store, name: &str) -> Result<()> {
        let mut subscription = store.subscribe(name).from(docbox::Start::Beginning).open()?;
        for delivery in subscription.catch_up() {
            let delivery = delivery?;
            let kind = delivery.event().kind().to_owned();
            let position = delivery.event().position();
            self.known().delivered.entry(name.into()).or_default().insert(position, kind.clone());
            delivery.ack()?;
            self.known().acked.entry(name.into()).or_default().push(kind);
        }
        Ok(())
    }
}
