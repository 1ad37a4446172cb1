//! The dead letters of a subscription: written, looked through, delivered again, dropped. All of it by
//! commits of the store's own.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::attempts::Failure;
use crate::commit;
use crate::consumer::Consumer;
use crate::core::Core;
use crate::cursor;
use crate::dead_letter::DeadLetter;
use crate::delivery::Delivery;
use crate::error::{Context, Error, Result};
use crate::event::{Event, OWN_TYPES, PUT, REMOVE, RecordedEvent, SNAPSHOT};
use crate::filter::{Filter, Globs};
use crate::fs;
use crate::key::Key;
use crate::names;
use crate::position::Position;
use crate::revision::Revision;
use crate::sync::Arc;
use crate::transaction::Transaction;
use crate::window::Spot;

/// The type of the event that a dead letter is announced by.
const DEAD_LETTERED: &str = "docbox.dead_lettered";
/// So many letters are marked or removed by one commit.
const AT_ONCE: usize = 1000;
/// And no more are marked by one once they take so many bytes.
const AT_ONCE_BYTES: usize = 8 << 20;
/// So many attempts of one event are known at most.
const MAX_KNOWN: u32 = 32;

/// The data of `docbox.dead_lettered`.
#[derive(Serialize)]
struct DeadLettered<'a> {
    subscription: &'a str,
    position: Position,
    #[serde(rename = "type")]
    kind: &'a str,
    attempts: u32,
    error: &'a str,
}

impl Consumer {
    /// Makes an event whose attempts are used a dead letter.
    ///
    /// # Errors
    /// As a commit; then it is tried again, a second later.
    pub(crate) fn bury(self: &Arc<Self>, spot: Spot) -> Result<()> {
        let Some(delivery) = self.seize(spot) else { return Ok(()) };
        let attempts = self.attempts(spot);
        delivery.become_letter(attempts)
    }

    /// The attempts of an event. What nobody spoke of was counted all the same.
    fn attempts(&self, spot: Spot) -> Vec<Failure> {
        let (last, failures) = self.window().history(spot);
        let first = last.saturating_sub(MAX_KNOWN - 1).max(1);
        let told = |attempt| failures.iter().find(|failure| failure.attempt == attempt).cloned();
        (first..=last).map(|attempt| told(attempt).unwrap_or(Failure::unsaid(attempt))).collect()
    }
}

impl Delivery {
    /// It will never succeed: a dead letter now, whatever attempts are left, by a commit that settles it as
    /// well.
    ///
    /// ```
    /// # use docbox::{Event, Start, Store, Transaction};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let store = Store::open(folder.path())?;
    /// # store.commit(Transaction::new().emit(Event::bare("AgentSpawned")))?;
    /// let mut mail = store.subscribe("mail").from(Start::Beginning).open()?;
    /// for delivery in mail.catch_up() {
    ///     delivery?.reject("no such address")?;
    /// }
    /// assert_eq!(store.dead_letters("mail")?.len(), 1);
    /// # Ok::<(), docbox::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Delivery::commit`]; then nothing is settled, and the event comes again.
    pub fn reject(self, reason: &str) -> Result<()> {
        let mut attempts = self.consumer.attempts(self.spot);
        attempts.retain(|attempt| attempt.attempt < self.attempt());
        attempts.push(Failure::now(self.attempt(), reason));
        self.become_letter(attempts)
    }

    fn become_letter(mut self, attempts: Vec<Failure>) -> Result<()> {
        let consumer = Arc::clone(&self.consumer);
        let (spot, flight) = (self.spot, self.flight);
        let letter = self.letter(attempts);
        let done = letter.and_then(|transaction| self.settle_by(transaction).map(drop));
        if done.is_err() && !self.settled {
            self.settled = true;
            consumer.put_off(spot, flight);
        }
        done
    }

    /// What makes it a letter.
    fn letter(&self, attempts: Vec<Failure>) -> Result<Transaction> {
        let Consumer { name, store, .. } = &*self.consumer;
        let core = store.core();
        let event = self.event();
        let (count, last) = (self.attempt(), attempts.last().cloned());
        let before = read(core, name, event.position)?;
        if self.spot.redriven && before.is_none() {
            // It was dropped while it was in hand.
            return Ok(Transaction::new());
        }
        let mut letter = DeadLetter {
            subscription: name.clone(),
            event: RecordedEvent::clone(event),
            attempts: before
                .and_then(|(letter, _)| letter.ok())
                .map_or_else(Vec::new, |it| it.attempts),
            redrive: None,
        };
        letter.add(attempts);
        tracing::warn!(subscription = name, event = event.id(), attempts = count, "a dead letter");
        let transaction =
            Transaction::new().letter(name, event.position, letter.to_json(&core.identity.store)?);
        // Documents and their changes are not what the store says of itself.
        let is_own =
            event.kind().starts_with(OWN_TYPES) && ![PUT, REMOVE, SNAPSHOT].contains(&event.kind());
        if is_own {
            return Ok(transaction);
        }
        let error = last.as_ref().map_or("", |last| last.error.as_str());
        let (subscription, kind, position) = (name.as_str(), event.kind(), event.position);
        let data = DeadLettered { subscription, position, kind, attempts: count, error };
        let mut announced = Event::new(DEAD_LETTERED, &data)?;
        announced.subject = event.about().map(str::to_owned);
        Ok(transaction.emit_own(announced))
    }

    /// A redriven letter is done: what settles it says that it is gone.
    pub(crate) fn remove_letter(self) -> Result<()> {
        self.commit(Transaction::new()).map(drop)
    }
}

/// The positions of a subscription's letters, in order.
///
/// # Errors
/// What the disk says.
pub fn positions(core: &Core, name: &str) -> Result<Vec<Position>> {
    let folder = core.names.letters(name);
    let entries = fs::none_if_missing(core.fs.read_dir(&folder)).context("list", &folder)?;
    let entries = entries.unwrap_or_default();
    let mut found: Vec<_> =
        entries.iter().filter_map(|entry| names::parse_letter(&entry.name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// The letter at a position and its revision; `None` when there is none. The letter is an error where it was
/// edited to something else.
///
/// # Errors
/// What the disk says.
pub fn read(
    core: &Core,
    name: &str,
    position: Position,
) -> Result<Option<(Result<DeadLetter>, Revision)>> {
    let key = Key::letter(name, position);
    let Some(found) = core.documents.read(&key)? else { return Ok(None) };
    let parsed = DeadLetter::parse(&found.bytes, name, position, &core.identity);
    let path = core.names.document(&key);
    let named = |what: String| format!("{}: {what}", path.display());
    let letter = parsed.map_err(|error| match error {
        Error::Json { line, column, what } => Error::Json {
            line,
            column,
            what: format!("{what}, in {}; mend it, or `dead drop` it", path.display()),
        },
        Error::Invalid(what) => Error::Invalid(named(what)),
        other => other,
    });
    Ok(Some((letter, found.revision())))
}

/// The letter at a position.
///
/// # Errors
/// As [`list`]; what is wrong with the letter.
pub fn find(core: &Core, name: &str, position: Position) -> Result<Option<DeadLetter>> {
    names::check_subscription(name)?;
    match read(core, name, position)? {
        Some((letter, _)) => letter.map(Some),
        None => check_known(core, name).map(|()| None),
    }
}

/// Where the letters of a subscription are.
///
/// # Errors
/// As [`list`].
pub fn list_positions(core: &Core, name: &str) -> Result<Vec<Position>> {
    names::check_subscription(name)?;
    let found = positions(core, name)?;
    if found.is_empty() {
        check_known(core, name)?;
    }
    Ok(found)
}

/// All letters of a subscription, in order.
///
/// # Errors
/// [`Error::NoSubscription`]; what the disk says.
pub fn list(core: &Core, name: &str) -> Result<Vec<Result<DeadLetter>>> {
    let mut letters = Vec::new();
    for position in list_positions(core, name)? {
        letters.extend(read(core, name, position)?.map(|(letter, _)| letter));
    }
    Ok(letters)
}

/// Which letters are to be delivered again. What is no letter any more is left where it is, and said.
///
/// # Errors
/// What the disk says.
pub fn marked(core: &Core, name: &str) -> Result<BTreeSet<Position>> {
    let mut marked = BTreeSet::new();
    for position in positions(core, name)? {
        match read(core, name, position)? {
            Some((Ok(letter), _)) if letter.is_redriven() => {
                marked.insert(position);
            }
            Some((Err(error), _)) => {
                tracing::warn!(subscription = name, %position, %error, "a dead letter cannot be read");
            }
            _ => {}
        }
    }
    Ok(marked)
}

/// Which letters are meant.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    /// None for all. The end of a commit stands for all letters of that commit.
    pub positions: Vec<Position>,
    /// Globs of types, or-ed; none for all.
    pub types: Vec<String>,
}

impl Letters {
    fn have(&self, position: Position) -> bool {
        let commit = Position::end_of(position.seq);
        self.positions.is_empty()
            || self.positions.contains(&position)
            || self.positions.contains(&commit)
    }
}

/// Marks letters so that the consumer, or the next one, delivers them again. Which were marked; those that
/// were already stay so.
///
/// # Errors
/// [`Error::NoSubscription`]; [`Error::Json`], [`Error::Invalid`] for a letter that is none any more: then
/// none is marked; [`Error::Conflict`] for one that is edited at this moment.
pub fn redrive(
    core: &Core,
    name: &str,
    which: &Letters,
    is_for_real: bool,
) -> Result<Vec<Position>> {
    names::check_subscription(name)?;
    check_known(core, name)?;
    let filter = Filter::new(&Globs { types: which.types.clone(), ..Globs::default() })?.with_own();
    let now = Timestamp::now();
    let mut marked = Vec::new();
    for position in positions(core, name)?.into_iter().filter(|position| which.have(*position)) {
        let Some((letter, revision)) = read(core, name, position)? else { continue };
        let letter = letter?;
        let event = letter.event();
        if !letter.is_redriven() && filter.matches(event.kind(), event.about()) {
            marked.push((position, revision));
        }
    }
    let found = marked.iter().map(|(position, _)| *position).collect();
    if !is_for_real {
        return Ok(found);
    }
    core.check_writable()?;
    let mut rest = marked.into_iter().peekable();
    while rest.peek().is_some() {
        let mut transaction = Transaction::new().redrives();
        for (position, revision) in rest.by_ref().take(AT_ONCE) {
            // Read again: all of them at once may be more than there is memory.
            let Some((letter, _)) = read(core, name, position)? else { continue };
            let letter = DeadLetter { redrive: Some(now), ..letter? };
            let json = letter.to_json(&core.identity.store)?;
            transaction = transaction.letter_if(name, position, revision, json);
            if transaction.document_bytes() > AT_ONCE_BYTES {
                break;
            }
        }
        if !transaction.writes.is_empty() {
            commit::commit(core, transaction)?;
        }
    }
    Ok(found)
}

/// Drops letters for good. Which were there.
///
/// # Errors
/// [`Error::NoSubscription`]; as a commit.
pub fn drop_letters(core: &Core, name: &str, which: &Letters) -> Result<Vec<Position>> {
    core.check_writable()?;
    let mut found = list_positions(core, name)?;
    found.retain(|position| which.have(*position));
    for some in found.chunks(AT_ONCE) {
        let drop = |transaction: Transaction, position: &Position| {
            transaction.remove_letter(name, *position)
        };
        commit::commit(core, some.iter().fold(Transaction::new(), drop))?;
    }
    Ok(found)
}

fn check_known(core: &Core, name: &str) -> Result<()> {
    if cursor::is_there(&*core.fs, &core.names, name)? {
        return Ok(());
    }
    Err(Error::NoSubscription { name: name.to_owned() })
}
