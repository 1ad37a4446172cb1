//! Stations: one handler and its subscription, on the threads that are theirs.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use super::Handled;
use crate::delivery::Delivery;
use crate::error::{Context, Error, Result};
use crate::opening::SubscriptionBuilder;
use crate::position::Position;
use crate::store::Store;
use crate::subscription::Subscription;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Condvar, Mutex, PoisonError};

/// After a fault that may pass a handler's thread tries again this much later.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What handles events.
pub(super) enum Handler {
    /// One after the other.
    One(Box<dyn FnMut(&Delivery) -> Handled + Send>),
    /// Several at once.
    Many(Arc<dyn Fn(&Delivery) -> Handled + Send + Sync>),
}

/// How far a handler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The subscription is not held yet.
    NotYet,
    /// This was settled last.
    Settled(Position),
    /// Its thread does no more.
    Ended,
}

/// One handler and its subscription.
pub(super) struct Station {
    store: Store,
    builder: SubscriptionBuilder,
    handler: Handler,
    progress: Arc<Mutex<Progress>>,
    /// What `drain` was woken for last.
    told: Option<Position>,
    stop: Arc<AtomicBool>,
}

impl Station {
    pub(super) fn new(
        store: Store,
        builder: SubscriptionBuilder,
        handler: Handler,
        progress: Arc<Mutex<Progress>>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { store, builder, handler, progress, told: None, stop }
    }

    pub(super) fn run(mut self, mut opened: Option<Subscription>) -> Result<()> {
        let workers = Workers::start(&self.handler, &self.builder, &self.store)?;
        let ended = loop {
            let held = match opened.take() {
                Some(subscription) => Ok(subscription),
                None => self.builder.clone().open(),
            };
            let ended =
                held.and_then(|mut subscription| self.deliver(&mut subscription, workers.as_ref()));
            if self.is_over() {
                break Ok(());
            }
            match ended {
                // What may pass; everything else stays as it is until somebody mends it.
                Err(error @ (Error::Io { .. } | Error::Blocked { .. } | Error::InDoubt { .. })) => {
                    tracing::error!(subscription = self.builder.name(), %error, "delivery failed; trying again");
                    thread::sleep(AGAIN_AFTER);
                }
                Err(error) => {
                    tracing::error!(subscription = self.builder.name(), %error, "delivery has ended");
                    break Err(error);
                }
                Ok(()) => break Ok(()),
            }
        };
        workers.map_or(Ok(()), Workers::end).and(ended)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.store.core().is_closed()
    }

    /// Hands over until there is a reason to stop.
    fn deliver(
        &mut self,
        subscription: &mut Subscription,
        workers: Option<&Workers>,
    ) -> Result<()> {
        loop {
            let rings = self.store.core().bell.rings();
            let Some(delivery) = subscription.next(Duration::ZERO)? else {
                if self.is_over() {
                    // Those in hand first, so that what they say is durable too.
                    if let Some(workers) = workers {
                        workers.finish();
                    }
                    return subscription.sync();
                }
                self.tell(subscription.position());
                subscription.rest(rings);
                continue;
            };
            match (workers, &mut self.handler) {
                (Some(workers), _) => workers.give(delivery),
                (None, Handler::One(handler)) => settle(self.builder.name(), handler, delivery)?,
                (None, Handler::Many(handler)) => {
                    settle(self.builder.name(), &mut |delivery| handler(delivery), delivery)?;
                }
            }
            // A handler that is never idle gets past the head of a `drain` too.
            self.note(Progress::Settled(subscription.position()));
        }
    }

    /// Lets `drain` see how far it is, when it looks next.
    fn note(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// With nothing left to do: makes `drain` look.
    fn tell(&mut self, settled: Position) {
        self.note(Progress::Settled(settled));
        // Only for news: handlers that wake each other for nothing would never rest.
        if self.told.replace(settled) != Some(settled) {
            self.store.core().bell.ring();
        }
    }
}

impl Drop for Station {
    /// However its thread ends, a `drain` that waits for it hears of it.
    fn drop(&mut self) {
        self.note(Progress::Ended);
        self.store.core().bell.ring();
    }
}

/// Lets a handler handle an event, and settles it as that says.
fn settle(
    subscription: &str,
    handler: &mut dyn FnMut(&Delivery) -> Handled,
    delivery: Delivery,
) -> Result<()> {
    let span = tracing::debug_span!(
        "deliver",
        subscription,
        event = delivery.event().id(),
        attempt = delivery.attempt()
    );
    let _entered = span.enter();
    match panic::catch_unwind(AssertUnwindSafe(|| handler(&delivery))) {
        // Dropped, it says of itself that it was too late.
        Ok(Ok(())) if delivery.is_overdue() => drop(delivery),
        Ok(Ok(())) => match delivery.ack() {
            Err(Error::Invalid(what)) => tracing::warn!(subscription, what, "could not be settled"),
            other => other?,
        },
        Ok(Err(error)) => drop(delivery.nack(&error.to_string())),
        Err(_) => drop(delivery.nack("the handler panicked")),
    }
    Ok(())
}

/// The threads of a handler that handles several events at once.
struct Workers {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

/// Where deliveries lie until a thread takes them. There are never more than threads: the order of the
/// subscription sees to it.
#[derive(Default)]
struct Desk {
    lying: Mutex<Lying>,
    changed: Condvar,
}

#[derive(Default)]
struct Lying {
    deliveries: VecDeque<Delivery>,
    /// How many are being handled.
    taken: usize,
    is_over: bool,
}

impl Workers {
    /// `None` for a handler of one at a time.
    fn start(
        handler: &Handler,
        builder: &SubscriptionBuilder,
        store: &Store,
    ) -> Result<Option<Self>> {
        let Handler::Many(handler) = handler else { return Ok(None) };
        let desk = Arc::new(Desk::default());
        let mut workers = Self { desk: Arc::clone(&desk), threads: Vec::new() };
        for number in 0..builder.parallel() {
            let (desk, handler) = (Arc::clone(&desk), Arc::clone(handler));
            let name = builder.name().to_owned();
            let spawned = thread::Builder::new()
                .name(format!("docbox-{name}-{number}"))
                .spawn(move || desk.work(&name, &*handler));
            match spawned.context("start a thread for", store.root()) {
                Ok(thread) => workers.threads.push(thread),
                Err(error) => {
                    workers.end()?;
                    return Err(error);
                }
            }
        }
        Ok(Some(workers))
    }

    fn give(&self, delivery: Delivery) {
        self.desk.lock().deliveries.push_back(delivery);
        self.desk.changed.notify_all();
    }

    /// Waits until everything that was given is handled.
    fn finish(&self) {
        let mut lying = self.desk.lock();
        while !lying.deliveries.is_empty() || lying.taken > 0 {
            lying = self.desk.changed.wait(lying).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(self) -> Result<()> {
        self.desk.lock().is_over = true;
        self.desk.changed.notify_all();
        let mut ended = Ok(());
        for thread in self.threads {
            ended = ended.and(thread.join().map_err(|_| {
                Error::Invalid("a publisher's thread panicked outside of its handler".into())
            }));
        }
        ended
    }
}

impl Desk {
    fn lock(&self) -> crate::sync::MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, name: &str, handler: &(dyn Fn(&Delivery) -> Handled + Send + Sync)) {
        loop {
            let mut lying = self.lock();
            let delivery = loop {
                if let Some(delivery) = lying.deliveries.pop_front() {
                    lying.taken += 1;
                    break delivery;
                }
                if lying.is_over {
                    return;
                }
                lying = self.changed.wait(lying).unwrap_or_else(PoisonError::into_inner);
            };
            drop(lying);
            // What could not be settled was dropped, and comes again.
            if let Err(error) = settle(name, &mut |delivery| handler(delivery), delivery) {
                tracing::error!(subscription = name, %error, "an event could not be settled, and comes again");
            }
            self.lock().taken -= 1;
            self.changed.notify_all();
        }
    }
}
