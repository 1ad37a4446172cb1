//! What was asked of a store, what it answered, and whether it kept its word.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use docbox::{Error, Store, Subscription, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, Line, number, numbered};

/// Every transaction has a number, which its event carries.
#[derive(Debug, Default)]
pub struct Ledger {
    tried: u64,
    /// The number of each acknowledged commit.
    acknowledged: BTreeMap<u64, u64>,
    /// Numbers that may be there, and the commit that they would be.
    doubtful: BTreeMap<u64, u64>,
    refused: BTreeSet<u64>,
    /// The store takes no commit any more.
    must_reopen: bool,
    /// Numbers that a subscription was handed and acked.
    heard: Vec<u64>,
    /// How often nothing could be heard.
    unheard: u64,
}

impl Ledger {
    /// Commits the next transaction. What it may be refused with is what `is_due` says.
    pub fn try_commit(&mut self, store: &Store, is_due: impl Fn(&Error) -> bool) -> bool {
        self.tried += 1;
        let number = self.tried;
        match store.commit(transaction(number)) {
            Ok(commit) => {
                assert_eq!(self.acknowledged.insert(commit.seq(), number), None);
                true
            }
            Err(Error::InDoubt { seq, cause }) => {
                println!("{number} is in doubt as {seq}: {cause}");
                self.doubtful.insert(number, seq);
                false
            }
            Err(error) => {
                assert!(is_due(&error), "{number}: {error:?}");
                self.must_reopen |= matches!(error, Error::Unusable { .. });
                self.refused.insert(number);
                false
            }
        }
    }

    /// Whether the store said so since this was asked last.
    pub fn must_reopen(&mut self) -> bool {
        std::mem::take(&mut self.must_reopen)
    }

    /// Commits that must be taken.
    pub fn commit(&mut self, store: &Store, count: u64) {
        for _ in 0..count {
            assert!(self.try_commit(store, never), "it is taken");
        }
    }

    /// Takes and acks everything up to the head. With an error that is due it ends early, and what it ended
    /// with comes again.
    pub fn hear(&mut self, subscription: &mut Subscription, is_due: impl Fn(&Error) -> bool) {
        while let Some(delivery) = subscription.catch_up().next() {
            let heard = delivery.and_then(|delivery| {
                let number = number(delivery.event());
                delivery.ack().map(|()| number)
            });
            match heard {
                Ok(number) => self.heard.push(number),
                Err(error) => {
                    assert!(is_due(&error), "{error:?}");
                    self.unheard += 1;
                    return;
                }
            }
        }
    }

    /// Whether reading still gives what was acknowledged last.
    pub fn check_reads(&self, store: &Store) {
        if !self.doubtful.is_empty() {
            return;
        }
        for (key, value) in self.documents(self.acknowledged.values().copied()) {
            let found = store.get::<Value>(&key).expect("reading goes on");
            assert_eq!(found.map(|found| found.value), value, "{key}");
        }
    }

    /// At the end, with the disk sound again.
    pub fn check(&self, home: &Home, store: &Store) {
        let report = store.verify().expect("it can be read");
        assert!(report.is_clean(), "{report:?}");
        let lines = home.lines();
        let seqs: Vec<u64> = lines.iter().map(Line::seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "without a gap");
        let numbers: Vec<u64> = lines.iter().map(number_of).collect();
        for (line, number) in lines.iter().zip(&numbers) {
            let acknowledged = self.acknowledged.get(&line.seq()) == Some(number);
            let doubtful = self.doubtful.get(number) == Some(&line.seq());
            assert!(acknowledged || doubtful, "{number} was refused, and is there: {}", line.text);
        }
        let there: BTreeMap<u64, u64> = seqs.into_iter().zip(numbers.iter().copied()).collect();
        for (seq, number) in &self.acknowledged {
            assert_eq!(there.get(seq), Some(number), "acknowledged as {seq}");
        }
        for (key, value) in self.documents(numbers.iter().copied()) {
            let found = store.get::<Value>(&key).expect("it can be read");
            assert_eq!(found.map(|found| found.value), value, "{key}");
        }
        assert!(home.left_in_spool().is_empty(), "{:?}", home.left_in_spool());
        assert!(self.recovered(home).is_empty(), "{:?}", self.recovered(home));
    }

    /// Whether every event was heard, in order, and each once.
    pub fn check_heard(&self, home: &Home) {
        let numbers: Vec<u64> = home.lines().iter().map(number_of).collect();
        assert_eq!(self.heard, numbers);
    }

    /// Says what came of it.
    pub fn say(&self) {
        let (acknowledged, refused, doubtful) = self.tally();
        let unheard = self.unheard;
        println!(
            "{acknowledged} acknowledged, {refused} refused, {doubtful} in doubt, {unheard} times unheard"
        );
    }

    /// How many were acknowledged, refused, and in doubt.
    pub fn tally(&self) -> (usize, usize, usize) {
        (self.acknowledged.len(), self.refused.len(), self.doubtful.len())
    }

    fn recovered(&self, home: &Home) -> Vec<String> {
        // What stood in the journal of a commit in doubt may be kept aside.
        if self.doubtful.is_empty() { home.names(".docbox/recovered") } else { Vec::new() }
    }

    /// The documents as the commits with these numbers leave them.
    fn documents(&self, numbers: impl Iterator<Item = u64>) -> BTreeMap<String, Option<Value>> {
        let mut documents: BTreeMap<_, _> =
            (1..=self.tried).flat_map(writes).map(|(key, _)| (key, None)).collect();
        documents.extend(numbers.flat_map(writes));
        documents
    }
}

/// No error is due.
pub fn never(_: &Error) -> bool {
    false
}

/// What a full disk says, with the place; also to those who come behind a commit in doubt.
pub fn is_full(error: &Error) -> bool {
    let (Error::Io { path, source, .. } | Error::Blocked { path, source, .. }) = error else {
        return false;
    };
    path.is_absolute() && matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn number_of(line: &Line) -> u64 {
    line.value["events"][0]["data"]["number"].as_u64().expect("a number")
}

/// Writes of all kinds: a new folder, a document in a folder that grows, one that is replaced by a larger
/// and a smaller one, two at once, a deletion, none at all.
fn writes(number: u64) -> Vec<(String, Option<Value>)> {
    let long = |letters: usize| Some(json!({ "by": number, "text": "x".repeat(letters) }));
    let in_a_long_name = format!("many/{}-{number}", "n".repeat(150));
    match number % 8 {
        0 => vec![(format!("folder-{number}/below/one"), long(10))],
        1 | 2 => vec![(in_a_long_name, long(10))],
        3 => vec![("one".to_owned(), long(9000))],
        4 => vec![("one".to_owned(), long(10))],
        5 => vec![("one".to_owned(), long(100)), (format!("two-{}", number % 5), long(5000))],
        6 => vec![("one".to_owned(), None)],
        _ => vec![],
    }
}

fn transaction(number: u64) -> Transaction {
    let transaction = Transaction::new().emit(numbered(number));
    writes(number).into_iter().fold(transaction, |transaction, (key, value)| match value {
        Some(value) => transaction.put(&key, &value).expect("a document"),
        None => transaction.remove(&key).expect("a key"),
    })
}
