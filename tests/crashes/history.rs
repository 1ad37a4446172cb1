//! What a workload tried, and what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use docbox::{Commit, Error, Event, Position, Result, Revision, Store, Transaction, layout};

use crate::support::sim::{Disk, ROOT};

/// Everything that a workload tried, in order. Each transaction emits events of a type of its own, by
/// which the journal tells whether it is there.
#[derive(Debug, Default)]
pub struct History(Mutex<Known>);

#[derive(Clone, Debug, Default)]
pub struct Known {
    pub attempts: Vec<Attempt>,
    /// Of each subscription, what it was given, by position, as [`said`] has it.
    pub delivered: BTreeMap<String, BTreeMap<Position, String>>,
    /// Of each subscription, the events that it acked, by type.
    pub acked: BTreeMap<String, Vec<String>>,
    /// Of each subscription, the events that it acked and that only a power cut brings again; whether not
    /// even that.
    pub settled: BTreeMap<String, BTreeMap<Position, Durable>>,
    /// Of each subscription that was renamed, by its first name, the names that it may have: one of them.
    pub names: BTreeMap<String, Vec<String>>,
    /// Whether subscriptions that were removed are gone; `None` where nobody was told.
    pub gone: BTreeMap<String, Option<bool>>,
    /// Whether subscriptions are paused; `None` where nobody was told.
    pub paused: BTreeMap<String, Option<bool>>,
    /// The transactions of which somebody saw an event or a document in its place.
    pub seen: BTreeSet<String>,
    /// The power failed, and nobody has opened the store since: documents may hold anything.
    pub is_unrecovered: bool,
}

/// Whether a power cut may undo it.
pub type Durable = bool;

/// One transaction.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its place in the history.
    pub index: usize,
    /// The type of its events.
    pub kind: String,
    pub events: usize,
    /// `None` deletes. The last write of a key counts.
    pub writes: Vec<(String, Option<String>)>,
    /// The event that it settles, and whose.
    pub settles: Option<(String, Position)>,
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
    /// It is, or may be, in the journal as this commit.
    InDoubt(u64),
}

/// Documents and their texts; `None` deletes. A text is made unlike all others, but for one that begins
/// with `=`; `large` is more than a page.
pub type Writes<'a> = &'a [(&'a str, Option<&'a str>)];

/// An event as one text: its type, which is all that those of a workload have; of a change also the document and
/// the data.
pub fn said(event: &Event) -> String {
    let rest = [event.about(), event.data_json()].into_iter().flatten();
    rest.fold(event.kind().to_owned(), |said, part| format!("{said} {part}"))
}

/// Whether a subscription of this name wants changes of documents.
pub fn wants_changes(name: &str) -> bool {
    name.starts_with("feed")
}

/// Whether a subscription of this name begins with a snapshot.
pub fn wants_snapshot(name: &str) -> bool {
    name.starts_with("mirror")
}

impl Known {
    /// The names that a subscription may have.
    pub fn names_of(&self, name: &str) -> Vec<String> {
        self.names.get(name).cloned().unwrap_or_else(|| vec![name.to_owned()])
    }
}

impl Attempt {
    fn new(index: usize, writes: Writes<'_>) -> Self {
        let kind = format!("T{index}");
        let json = |text: &str| match text.strip_prefix('=') {
            Some(text) => format!("\"{text}\""),
            None if text == "large" => format!("\"{text} of {kind} {}\"", "x".repeat(5000)),
            None => format!("\"{text} of {kind}\""),
        };
        let owned = writes.iter().map(|(key, text)| ((*key).to_owned(), text.map(json))).collect();
        Self { index, events: 1, writes: owned, settles: None, outcome: Outcome::Nothing, kind }
    }

    /// What those see of it who want changes of documents, in order, where documents have these revisions before
    /// it. They have those that it made after it.
    pub fn seen(&self, revisions: &mut BTreeMap<String, Revision>) -> Vec<String> {
        let mut seen = vec![self.kind.clone(); self.events];
        for (key, text) in &self.writes {
            let was = revisions.get(key).map_or("null".to_owned(), |was| format!("\"{was}\""));
            if let Some(text) = text {
                let now = Revision::of(&layout::pretty(text));
                let data = format!(r#"{{"revision":"{now}","was":{was},"document":{text}}}"#);
                seen.push(format!("docbox.put {key} {data}"));
                revisions.insert(key.clone(), now);
            } else {
                seen.push(format!(r#"docbox.remove {key} {{"was":{was}}}"#));
                revisions.remove(key);
            }
        }
        seen
    }

    /// Its events, and its writes.
    pub fn transaction(&self) -> Result<Transaction> {
        let mut transaction = Transaction::new();
        for _ in 0..self.events {
            transaction = transaction.emit(Event::bare(&*self.kind));
        }
        for (key, text) in &self.writes {
            transaction = match text {
                Some(text) => transaction.put_json(key, text)?,
                None => transaction.remove(key)?,
            };
        }
        Ok(transaction)
    }
}

impl Outcome {
    fn of(result: &Result<Commit>) -> Self {
        match result {
            Ok(commit) => Self::Committed(commit.seq()),
            // Of a dead process nobody hears anything.
            Err(error) if is_dead(error) => Self::Nothing,
            Err(Error::InDoubt { seq, .. }) => Self::InDoubt(*seq),
            Err(_) => Self::Refused,
        }
    }
}

/// Whether the process died of it.
pub fn is_dead(error: &Error) -> bool {
    error.to_string().contains("process is dead")
}

impl History {
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The same so far; what comes is another history.
    pub fn fork(&self) -> Self {
        Self(Mutex::new(self.known().clone()))
    }

    /// Notes what is about to be tried.
    pub fn begin(&self, writes: Writes<'_>, change: impl FnOnce(&mut Attempt)) -> Attempt {
        let mut known = self.known();
        let mut attempt = Attempt::new(known.attempts.len(), writes);
        change(&mut attempt);
        known.attempts.push(attempt.clone());
        attempt
    }

    /// Notes what came of it.
    pub fn end(&self, attempt: &Attempt, result: &Result<Commit>) {
        self.known().attempts[attempt.index].outcome = Outcome::of(result);
    }

    /// Commits documents and an event, and notes what comes of it.
    pub fn commit(&self, store: &Store, writes: Writes<'_>) -> Result<u64> {
        let attempt = self.begin(writes, |_| {});
        let result = store.commit(attempt.transaction()?);
        self.end(&attempt, &result);
        result.map(|commit| commit.seq())
    }

    /// The documents of the last that was tried, if it is a commit.
    pub fn last_commit(&self) -> Vec<(String, Option<String>)> {
        let known = self.known();
        let last = known.attempts.last();
        last.filter(|last| matches!(last.outcome, Outcome::Committed(_)))
            .map_or_else(Vec::new, |last| last.writes.clone())
    }

    /// Takes what a subscription gives up to the head, and acks it.
    pub fn deliver(&self, store: &Store, name: &str) -> Result<()> {
        let mut subscription = store.subscribe(name).from(docbox::Start::Beginning).open()?;
        for delivery in subscription.catch_up() {
            let delivery = delivery?;
            let position = self.note_delivery(name, &delivery);
            let kind = delivery.event().kind().to_owned();
            delivery.ack()?;
            self.note_ack(name, position, kind);
        }
        Ok(())
    }

    /// An event was handed over.
    pub fn note_delivery(&self, name: &str, delivery: &docbox::Delivery) -> Position {
        let (position, said) = (delivery.event().position(), said(delivery.event()));
        let mut known = self.known();
        known.delivered.entry(name.into()).or_default().insert(position, said);
        position
    }

    /// An event is settled as far as its consumer was told.
    pub fn note_ack(&self, name: &str, position: Position, kind: String) {
        let mut known = self.known();
        known.acked.entry(name.into()).or_default().push(kind);
        known.settled.entry(name.into()).or_default().insert(position, false);
    }

    /// What was acked is durable: not even a power cut brings it again.
    pub fn note_synced(&self, name: &str) {
        for durable in self.known().settled.entry(name.into()).or_default().values_mut() {
            *durable = true;
        }
    }

    /// A subscription goes back: whatever was settled may come again.
    pub fn note_reset(&self, name: &str) {
        self.known().settled.remove(name);
    }

    /// A subscription is about to get another name, or has got it.
    pub fn note_rename(&self, name: &str, to: &str, renamed: bool) {
        let mut known = self.known();
        let names = known.names.entry(name.into()).or_insert_with(|| vec![name.into()]);
        if renamed {
            names.clear();
        }
        if !names.iter().any(|name| name == to) {
            names.push(to.into());
        }
    }

    /// The names that a subscription may have.
    pub fn names_of(&self, name: &str) -> Vec<String> {
        self.known().names_of(name)
    }

    /// A subscription is about to be removed (`None`), or made anew; it is gone, or there.
    pub fn note_gone(&self, name: &str, gone: Option<bool>) {
        let mut known = self.known();
        known.settled.remove(name);
        known.gone.insert(name.into(), gone);
    }

    /// A subscription is about to be paused or resumed (`None`), or is.
    pub fn note_paused(&self, name: &str, paused: Option<bool>) {
        self.known().paused.insert(name.into(), paused);
    }

    /// Only what is durable is settled for sure.
    pub fn note_power_cut(&self) {
        let mut known = self.known();
        known.is_unrecovered = true;
        for settled in known.settled.values_mut() {
            settled.retain(|_, durable| *durable);
        }
    }

    /// The store was opened.
    pub fn note_open(&self) {
        self.known().is_unrecovered = false;
    }

    /// What anybody may have seen by now: the documents in their places.
    pub fn note_documents(&self, disk: &Disk) {
        let known = &mut *self.known();
        if known.is_unrecovered {
            return;
        }
        for attempt in &known.attempts {
            let own = |text: &&String| text.contains(&format!(" of {}", attempt.kind));
            let in_place = attempt.writes.iter().any(|(key, text)| {
                text.as_ref().filter(own).is_some_and(|text| {
                    disk.read(format!("{ROOT}/{key}.json")) == Some(layout::pretty(text))
                })
            });
            if in_place {
                known.seen.insert(attempt.kind.clone());
            }
        }
    }

    /// What anybody may have read by now: the events up to the head.
    pub fn note_events(&self, store: &Store) {
        let Ok(events) = store.events(docbox::Start::Beginning) else { return };
        for event in events.map_while(Result::ok) {
            self.known().seen.insert(event.kind().to_owned());
        }
    }
}
