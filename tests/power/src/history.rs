//! What was given to the store, and what it said: acknowledgements and deliveries, each with the position
//! in the disk's log when it was read. Whatever was said before a cut must be there after it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dice::Dice;

/// The subscriptions that consume.
pub const SUBSCRIPTIONS: [&str; 2] = ["ui", "daemon"];
/// Documents that are replaced again and again.
const HOT: usize = 12;

/// A transaction as it was given; its number is its `ref`, and the data of its events.
#[derive(Clone)]
pub struct Given {
    /// The bytes of each file after it; none where it is deleted.
    pub writes: BTreeMap<String, Option<String>>,
    pub events: usize,
}

impl Given {
    pub fn roll(number: usize, dice: &mut Dice) -> Self {
        let mut writes = BTreeMap::new();
        for _ in 0..=dice.roll(3) {
            let hot = dice.roll(HOT);
            let key = match dice.roll(10) {
                0..5 => format!("hot/{hot}"),
                5..7 => format!("projects/p{hot}/agents/{number}"),
                7 => format!("new/{number}/{hot}"),
                _ => format!("gone/{hot}"),
            };
            let is_deletion = key.starts_with("gone/") && dice.once_in(2);
            let length = match dice.roll(20) {
                0 => 60_000,
                1..5 => 6_000,
                _ => 300,
            };
            let length = dice.roll(length);
            writes.insert(key, (!is_deletion).then(|| document(number, length)));
        }
        Self { writes, events: dice.roll(3) + 1 }
    }

    pub fn line(&self, number: usize) -> String {
        let writes: Vec<String> = self
            .writes
            .iter()
            .map(|(key, document)| match document {
                Some(document) => {
                    format!(r#"{{"key":"{key}","doc":{}}}"#, document.replace('\n', ""))
                }
                None => format!(r#"{{"key":"{key}","delete":true}}"#),
            })
            .collect();
        let event = format!(r#"{{"type":"Done","data":{number}}}"#);
        let events = vec![event; self.events];
        let (writes, events) = (writes.join(","), events.join(","));
        format!("{{\"writes\":[{writes}],\"events\":[{events}],\"ref\":{number}}}\n")
    }
}

/// The bytes of a document as its file has them.
fn document(number: usize, length: usize) -> String {
    let pad: String = ('a'..='z').cycle().skip(number % 26).take(length).collect();
    format!("{{\n  \"number\": {number},\n  \"pad\": \"{pad}\"\n}}\n")
}

/// An answer `committed`.
#[derive(Clone)]
pub struct Ack {
    pub seq: u64,
    pub at: usize,
}

/// An event in the hands of a consumer.
#[derive(Clone)]
pub struct Delivered {
    pub subscription: usize,
    pub seq: u64,
    pub idx: u64,
    pub at: usize,
}

#[derive(Clone, Default)]
pub struct History {
    pub given: Vec<Given>,
    pub acks: Vec<Ack>,
    pub delivered: Vec<Delivered>,
    /// The transaction of each commit, once anybody has said it.
    pub numbers: BTreeMap<u64, usize>,
    /// When `init` had answered.
    pub made: usize,
    /// What the program said on stderr.
    pub said: Vec<String>,
    /// What nobody may say while the power is on.
    pub wrong: Vec<String>,
}

impl History {
    /// A commit has been said to be this transaction.
    pub fn number(&mut self, seq: u64, number: usize) {
        let before = *self.numbers.entry(seq).or_insert(number);
        if before != number {
            self.wrong.push(format!("commit {seq} is {number} and was {before}"));
        }
    }
}

#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<History>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
