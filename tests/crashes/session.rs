//! One process at work: it goes on after an error, as a program does, and ends when it dies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use docbox::{Error, Event, Result, RetryPolicy, Start, Store, Subscription, Transaction};

use crate::history::{Attempt, History, Writes, is_dead, wants_changes, wants_snapshot};
use crate::oracle::open;
use crate::support::sim::{Disk, SimFs};

/// A program that fails to open a store tries again so often.
const TRIES: usize = 3;

/// A process with its store. Every step returns an error only once the process is dead.
#[derive(Debug)]
pub struct Session<'a> {
    pub process: Arc<SimFs>,
    history: &'a History,
    store: Option<Store>,
    /// The subscriptions that were consumed since the store was opened.
    consumed: BTreeSet<String>,
}

impl<'a> Session<'a> {
    pub fn start(disk: &Disk, history: &'a History) -> Self {
        Self { process: disk.process(), history, store: None, consumed: BTreeSet::new() }
    }

    /// Opens the store if it is not open.
    pub fn open(&mut self) -> Result<()> {
        let opened = self.store().map(|_| ());
        self.go_on(opened)
    }

    fn store(&mut self) -> Result<Store> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let mut tries = 1;
        loop {
            match open(&self.process) {
                Ok(store) => {
                    self.history.note_open();
                    self.consumed.clear();
                    return Ok(self.store.insert(store).clone());
                }
                Err(error) if tries == TRIES || is_dead(&error) => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    /// After an error the program goes on; a store that says so is opened anew.
    fn go_on<T>(&mut self, result: Result<T>) -> Result<()> {
        match result {
            Err(error) if is_dead(&error) => Err(error),
            Err(Error::InDoubt { .. } | Error::Unusable { .. }) => {
                self.store = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A step as the consumer of a subscription.
    fn consume(
        &mut self,
        name: &str,
        step: impl FnOnce(&History, &Store, Subscription) -> Result<()>,
    ) -> Result<()> {
        let opened = self.store().and_then(|store| {
            let now = name_now(&store, &self.history.names_of(name))?;
            if self.history.known().gone.get(name) == Some(&Some(true)) {
                self.history.note_gone(name, None);
            }
            Ok((subscribe(&store, &now)?, store))
        });
        let result = opened.and_then(|(subscription, store)| {
            if self.history.known().gone.remove(name).is_some() {
                self.history.note_reset(name);
            }
            self.consumed.insert(name.to_owned());
            step(self.history, &store, subscription)
        });
        self.go_on(result)
    }

    fn with<T>(&mut self, step: impl FnOnce(&History, &Store) -> Result<T>) -> Result<()> {
        let result = self.store().and_then(|store| step(self.history, &store));
        self.go_on(result)
    }

    pub fn commit(&mut self, writes: Writes<'_>) -> Result<()> {
        self.with(|history, store| history.commit(store, writes))
    }

    /// One commit of several events.
    pub fn commit_events(&mut self, events: usize, writes: Writes<'_>) -> Result<()> {
        self.with(|history, store| {
            let attempt = history.begin(writes, |attempt| attempt.events = events);
            let result = store.commit(attempt.transaction()?);
            history.end(&attempt, &result);
            result
        })
    }

    /// Several transactions that share a sync.
    pub fn commit_all(&mut self, all: &[Writes<'_>]) -> Result<()> {
        self.with(|history, store| {
            let begun: Vec<_> = all.iter().map(|writes| history.begin(writes, |_| {})).collect();
            let transactions: Result<Vec<_>> = begun.iter().map(Attempt::transaction).collect();
            let mut failed = Ok(());
            for (attempt, result) in begun.iter().zip(store.commit_all(transactions?)) {
                history.end(attempt, &result);
                failed = failed.and(result.map(|_| ()));
            }
            failed
        })
    }

    /// Read, change, commit.
    pub fn update(&mut self, key: &str, text: &str) -> Result<()> {
        self.with(|history, store| {
            let attempt = history.begin(&[(key, Some(text))], |_| {});
            let json = attempt.writes[0].1.clone().unwrap_or_default();
            let updated = store.update(key, |value: &mut String| {
                json.trim_matches('"').clone_into(value);
                Event::bare(&*attempt.kind)
            });
            // No such document: nothing is committed.
            let missing = || Error::Invalid("there is none".into());
            let result = updated.and_then(|commit| commit.ok_or_else(missing));
            history.end(&attempt, &result);
            result
        })
    }

    /// A document replaced, or removed, if it is as it was read.
    pub fn replace(&mut self, key: &str, text: Option<&str>) -> Result<()> {
        self.with(|history, store| {
            let found = store.get::<String>(key)?;
            let attempt = history.begin(&[(key, text)], |_| {});
            let transaction = Transaction::new().emit(Event::bare(&*attempt.kind));
            let json = attempt.writes[0].1.as_deref();
            let transaction = match (json, found.map(|found| found.revision)) {
                (Some(json), Some(revision)) => transaction.put_json_if(key, revision, json)?,
                (Some(json), None) => transaction.put_json_new(key, json)?,
                (None, Some(revision)) => transaction.remove_if(key, revision)?,
                (None, None) => transaction.remove(key)?,
            };
            let result = store.commit(transaction);
            history.end(&attempt, &result);
            result
        })
    }

    /// Takes all events and acks them.
    pub fn deliver(&mut self, name: &str) -> Result<()> {
        self.consume(name, |history, _, mut subscription| {
            acknowledge(history, name, &mut subscription, usize::MAX)
        })
    }

    /// Takes so many and acks them.
    pub fn deliver_some(&mut self, name: &str, count: usize) -> Result<()> {
        self.consume(name, |history, _, mut subscription| {
            acknowledge(history, name, &mut subscription, count)
        })
    }

    /// The same, and the cursor is made durable.
    pub fn deliver_durably(&mut self, name: &str) -> Result<()> {
        self.consume(name, |history, _, mut subscription| {
            acknowledge(history, name, &mut subscription, usize::MAX)?;
            subscription.sync()?;
            history.note_synced(name);
            Ok(())
        })
    }

    /// The next event is nacked, comes again, is dropped, comes again, and is left unsettled.
    pub fn fail_to_deliver(&mut self, name: &str) -> Result<()> {
        self.consume(name, |history, _, mut subscription| {
            let mut last = None;
            for attempt in 0..3 {
                let Some(delivery) = subscription.next(Duration::ZERO)? else { return Ok(()) };
                let position = history.note_delivery(name, &delivery);
                assert!(last.is_none_or(|last| last == position), "it holds its subscription");
                last = Some(position);
                if attempt == 0 {
                    delivery.nack("as a test");
                } else {
                    drop(delivery);
                }
            }
            Ok(())
        })
    }

    /// Every event is settled by a commit that it leads to.
    pub fn deliver_by_commits(&mut self, name: &str, key: &str) -> Result<()> {
        self.consume(name, |history, _, mut subscription| {
            for delivery in subscription.catch_up() {
                let delivery = delivery?;
                let position = history.note_delivery(name, &delivery);
                let attempt = history.begin(&[(key, Some("led to"))], |attempt| {
                    attempt.settles = Some((name.into(), position));
                });
                let result = delivery.commit(attempt.transaction()?);
                history.end(&attempt, &result);
                if result.is_ok() {
                    history.note_ack(name, position, attempt.kind);
                    history.note_synced(name);
                }
                result?;
            }
            Ok(())
        })
    }

    /// The subscription begins anew.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        self.with(|history, store| {
            history.note_reset(name);
            store.reset(&name_now(store, &history.names_of(name))?, start(name))
        })
    }

    /// The subscription gets another name; here it is known by its first.
    pub fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        self.with(|history, store| {
            let now = name_now(store, &history.names_of(name))?;
            history.note_rename(name, to, false);
            store.rename(&now, to)?;
            history.note_rename(name, to, true);
            Ok(())
        })
    }

    /// The subscription is removed.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.with(|history, store| {
            let now = name_now(store, &history.names_of(name))?;
            history.note_gone(name, None);
            store.remove(&now)?;
            history.note_gone(name, Some(true));
            Ok(())
        })
    }

    /// The subscription is paused, or resumed.
    pub fn pause(&mut self, name: &str, pause: bool) -> Result<()> {
        self.with(|history, store| {
            let now = name_now(store, &history.names_of(name))?;
            history.note_paused(name, None);
            if pause {
                store.pause(&now, Some("as a test"), None)?;
            } else {
                store.resume(&now)?;
            }
            history.note_paused(name, Some(pause));
            Ok(())
        })
    }

    pub fn checkpoint(&mut self) -> Result<()> {
        self.with(|_, store| store.checkpoint())
    }

    pub fn retain(&mut self) -> Result<()> {
        self.with(|_, store| store.retain())
    }

    /// A clean end; whoever opened it again afterwards would find nothing to redo.
    pub fn close(&mut self) -> Result<()> {
        let Some(store) = self.store.take() else { return Ok(()) };
        let closed = store.close();
        if closed.is_ok() {
            self.consumed.iter().for_each(|name| self.history.note_synced(name));
        }
        self.go_on(closed)
    }

    /// An end without a close.
    pub fn leave(&mut self) {
        self.store = None;
    }
}

/// A subscription whose failed events come again at once.
pub fn subscribe(store: &Store, name: &str) -> Result<Subscription> {
    // More attempts than any workload makes, whatever fails in it: nothing is given up here.
    let retry = RetryPolicy { max_attempts: 100, backoff_ms: vec![0], ..RetryPolicy::default() };
    let builder = store.subscribe(name).from(start(name)).changes(wants_changes(name));
    builder.retry(retry).open()
}

/// With what a subscription of this name begins, and begins anew.
fn start(name: &str) -> Start {
    if wants_snapshot(name) { Start::Snapshot } else { Start::Beginning }
}

/// Which of the names that it may have a subscription has.
pub fn name_now(store: &Store, names: &[String]) -> Result<String> {
    let listed = store.subscriptions()?;
    let there: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    let found: Vec<&String> = names.iter().filter(|name| there.contains(&name.as_str())).collect();
    assert!(found.len() < 2, "one subscription has two names: {found:?}");
    Ok(found.first().map_or_else(|| names[0].clone(), |name| (*name).clone()))
}

fn acknowledge(
    history: &History,
    name: &str,
    subscription: &mut Subscription,
    count: usize,
) -> Result<()> {
    for delivery in subscription.catch_up().take(count) {
        let delivery = delivery?;
        let position = history.note_delivery(name, &delivery);
        let kind = delivery.event().kind().to_owned();
        delivery.ack()?;
        history.note_ack(name, position, kind);
    }
    Ok(())
}
