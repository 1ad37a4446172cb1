//! Publishers: handlers on threads of their own, one for each subscription.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::delivery::Delivery;
use crate::error::{Context, Error, Result};
use crate::opening::SubscriptionBuilder;
use crate::position::Position;
use crate::start::Start;
use crate::store::Store;
use crate::subscription::Subscription;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex, PoisonError};

/// What a handler says of an event: it is done, or it failed and is to come again.
pub type Handled = Result<(), Box<dyn StdError + Send + Sync>>;

type Handler = Box<dyn FnMut(&Delivery) -> Handled + Send>;

/// After a fault of the disk a handler's thread tries again this much later.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Hands events to handlers. `Ok` acks; an error or a panic is a nack, and the event comes again after
/// the backoff of the retry policy, before anything that follows it.
///
/// A subscription that another process holds is waited for, and taken over when that process ends.
///
/// ```
/// use docbox::{Event, Publisher, Start, Store, Transaction};
/// use std::time::Duration;
/// # let folder = tempfile::tempdir().unwrap();
/// let store = Store::open(folder.path())?;
/// let publisher = Publisher::new(&store)
///     .handler("ui", Start::Beginning, |delivery| {
///         println!("{}", delivery.event().kind());
///         Ok(())
///     })
///     .start()?;
/// store.commit(Transaction::new().emit(Event::bare("AgentSpawned")))?;
/// assert!(publisher.drain(Duration::from_secs(30))?);
/// # store.close()?;
/// # Ok::<(), docbox::Error>(())
/// ```
#[must_use = "a publisher does nothing until it is started"]
pub struct Publisher {
    store: Store,
    handlers: Vec<(SubscriptionBuilder, Handler)>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.handlers.iter().map(|(builder, _)| builder.name());
        f.debug_list().entries(names).finish()
    }
}

impl Publisher {
    /// A publisher without handlers.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), handlers: Vec::new() }
    }

    /// A handler for every event, as the subscription `name`; `start` counts when that is new.
    pub fn handler(
        self,
        name: &str,
        start: Start,
        handler: impl FnMut(&Delivery) -> Handled + Send + 'static,
    ) -> Self {
        let builder = self.store.subscribe(name).from(start);
        self.handle(builder, handler)
    }

    /// A handler for a subscription of your own making (filter, retry policy).
    pub fn handle(
        mut self,
        subscription: SubscriptionBuilder,
        handler: impl FnMut(&Delivery) -> Handled + Send + 'static,
    ) -> Self {
        self.handlers.push((subscription, Box::new(handler)));
        self
    }

    /// Starts a thread for each handler.
    ///
    /// # Errors
    /// What opening a subscription says, except that it is held by another consumer: that is waited for.
    pub fn start(self) -> Result<Running> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running =
            Running { store: self.store.clone(), stop: Arc::clone(&stop), threads: Vec::new() };
        for (builder, handler) in self.handlers {
            let builder = builder.stop_when(Arc::clone(&stop));
            // Opened here, so that what is wrong with it is said here.
            let opened = match builder.clone().open() {
                Ok(subscription) => Some(subscription),
                Err(Error::Busy { .. }) => None,
                Err(error) => {
                    running.stop()?;
                    return Err(error);
                }
            };
            running.spawn(builder.wait(true), opened, handler)?;
        }
        Ok(running)
    }
}

/// A publisher whose threads run. Dropping it lets them run on until the store is closed.
#[derive(Debug)]
pub struct Running {
    store: Store,
    stop: Arc<AtomicBool>,
    threads: Vec<HandlerThread>,
}

#[derive(Debug)]
struct HandlerThread {
    thread: JoinHandle<Result<()>>,
    progress: Arc<Mutex<Progress>>,
}

/// How far a handler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The subscription is not held yet.
    NotYet,
    /// This was settled last.
    Settled(Position),
    /// Its thread does no more.
    Ended,
}

impl Running {
    /// Lets running handlers finish, and ends the threads. Events not yet handed over come when the
    /// subscriptions are next held.
    ///
    /// # Errors
    /// The first error that ended a handler's thread before.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        self.store.core().bell.ring();
        let mut first = Ok(());
        for HandlerThread { thread, .. } in self.threads {
            let ended = thread.join().unwrap_or_else(|_| {
                Err(Error::Invalid("a publisher's thread panicked outside of its handler".into()))
            });
            first = first.and(ended);
        }
        first
    }

    /// Waits until every subscription is settled up to the head of this moment, at most this long, then
    /// stops. Whether it got there.
    ///
    /// # Errors
    /// As [`Running::stop`].
    pub fn drain(self, timeout: Duration) -> Result<bool> {
        let core = self.store.core();
        let target = core.head()?.seq;
        let deadline = Instant::now().checked_add(timeout);
        let drained = loop {
            let rings = core.bell.rings();
            if self.threads.iter().all(|thread| thread.is_past(target)) {
                break true;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) || core.is_closed() {
                break false;
            }
            core.bell.wait(rings, deadline);
        };
        self.stop().map(|()| drained)
    }

    fn spawn(
        &mut self,
        builder: SubscriptionBuilder,
        opened: Option<Subscription>,
        handler: Handler,
    ) -> Result<()> {
        let progress = Arc::new(Mutex::new(Progress::NotYet));
        let station = Station {
            store: self.store.clone(),
            builder,
            handler,
            progress: Arc::clone(&progress),
            told: None,
            stop: Arc::clone(&self.stop),
        };
        let thread = thread::Builder::new()
            .name(format!("docbox-{}", station.builder.name()))
            .spawn(move || station.run(opened))
            .context("start a thread for", self.store.root())?;
        self.threads.push(HandlerThread { thread, progress });
        Ok(())
    }
}

impl HandlerThread {
    fn is_past(&self, seq: u64) -> bool {
        match *self.progress.lock().unwrap_or_else(PoisonError::into_inner) {
            Progress::NotYet => false,
            Progress::Settled(settled) => settled >= Position::end_of(seq),
            Progress::Ended => true,
        }
    }
}

/// One handler and its subscription.
struct Station {
    store: Store,
    builder: SubscriptionBuilder,
    handler: Handler,
    progress: Arc<Mutex<Progress>>,
    /// What `drain` was woken for last.
    told: Option<Position>,
    stop: Arc<AtomicBool>,
}

impl Station {
    fn run(mut self, mut opened: Option<Subscription>) -> Result<()> {
        loop {
            let held = match opened.take() {
                Some(subscription) => Ok(subscription),
                None => self.builder.clone().open(),
            };
            let ended = held.and_then(|mut subscription| self.deliver(&mut subscription));
            if self.stop.load(Ordering::Acquire) || self.store.core().is_closed() {
                return Ok(());
            }
            match ended {
                // A fault of the disk may pass; everything else stays as it is until somebody mends it.
                Err(error @ Error::Io { .. }) => {
                    tracing::error!(subscription = self.builder.name(), %error, "delivery failed; trying again");
                    thread::sleep(AGAIN_AFTER);
                }
                Err(error) => {
                    tracing::error!(subscription = self.builder.name(), %error, "delivery has ended");
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Hands over until there is a reason to stop.
    fn deliver(&mut self, subscription: &mut Subscription) -> Result<()> {
        loop {
            let rings = self.store.core().bell.rings();
            let Some(delivery) = subscription.next(Duration::ZERO)? else {
                if self.stop.load(Ordering::Acquire) || self.store.core().is_closed() {
                    return subscription.sync();
                }
                self.tell(subscription.position());
                subscription.rest(rings);
                continue;
            };
            let span = tracing::debug_span!(
                "deliver",
                subscription = self.builder.name(),
                event = delivery.event().id(),
                attempt = delivery.attempt()
            );
            let _entered = span.enter();
            let handler = &mut self.handler;
            match panic::catch_unwind(AssertUnwindSafe(|| handler(&delivery))) {
                Ok(Ok(())) => delivery.ack()?,
                Ok(Err(error)) => drop(delivery.nack(&error.to_string())),
                Err(_) => drop(delivery.nack("the handler panicked")),
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

#[cfg(test)]
mod tests;
