//! Publishers: handlers on threads of their own, one for each subscription, or several for one that may have
//! several events in hand.

mod station;

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, Instant};

use self::station::{Handler, Progress, Station};
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

/// A thread whose handler does not run gets so long to end.
const AT_LEAST: Duration = Duration::from_secs(1);

/// What a handler says of an event: it is done, or it failed and is to come again.
pub type Handled = Result<(), Box<dyn StdError + Send + Sync>>;

/// Hands events to handlers. `Ok` acks; an error, a panic, or taking longer than the deadline of the retry
/// policy is a failure: the event comes again after the backoff, before anything that follows it, and becomes
/// a dead letter once its attempts are used.
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
        self.handlers.push((subscription, Handler::One(Box::new(handler))));
        self
    }

    /// A handler that runs on as many threads as the order of its subscription allows subjects at once
    /// ([`Order::PerSubject`](crate::Order::PerSubject)).
    ///
    /// ```
    /// use docbox::{Event, Order, Publisher, Start, Store, Transaction};
    /// use std::time::Duration;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let store = Store::open(folder.path())?;
    /// let mail = store.subscribe("mail").from(Start::Beginning).order(Order::PerSubject { parallel: 4 });
    /// let publisher = Publisher::new(&store)
    ///     .handle_in_parallel(mail, |delivery| {
    ///         println!("{:?}", delivery.event().about());
    ///         Ok(())
    ///     })
    ///     .start()?;
    /// store.commit(Transaction::new().emit(Event::bare("AgentSpawned").subject("agents/3f2a")))?;
    /// assert!(publisher.drain(Duration::from_secs(30))?);
    /// # store.close()?;
    /// # Ok::<(), docbox::Error>(())
    /// ```
    pub fn handle_in_parallel(
        mut self,
        subscription: SubscriptionBuilder,
        handler: impl Fn(&Delivery) -> Handled + Send + Sync + 'static,
    ) -> Self {
        self.handlers.push((subscription, Handler::Many(Arc::new(handler))));
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
    name: String,
    /// How long an attempt may take.
    deadline: Option<Duration>,
    thread: JoinHandle<Result<()>>,
    progress: Arc<Mutex<Progress>>,
}

impl Running {
    /// Lets running handlers finish, and ends the threads. Events not yet handed over come when the
    /// subscriptions are next held. A handler that takes longer than the deadline of its retry policy is left
    /// behind: what it says counts no more.
    ///
    /// # Errors
    /// The first error that ended a handler's thread before; [`Error::Invalid`] naming a handler that was left
    /// behind.
    pub fn stop(self) -> Result<()> {
        let longest = self.threads.iter().map(|thread| thread.deadline).max().flatten();
        let has_none = self.threads.iter().any(|thread| thread.deadline.is_none());
        self.end(longest.filter(|_| !has_none)).and_then(|left| match left.first() {
            None => Ok(()),
            Some(name) => Err(Error::Invalid(format!(
                "the handler of subscription `{name}` did not return within its deadline and was left behind: its \
                 event comes again when the subscription is next held, which is once it returns or this process ends"
            ))),
        })
    }

    /// The same, at most this long; whether all handlers returned. One that did not is left behind: it holds its
    /// subscription until it returns, or this process ends, and then its event comes again.
    ///
    /// # Errors
    /// The first error that ended a handler's thread before.
    pub fn stop_within(self, timeout: Duration) -> Result<bool> {
        self.end(Some(timeout)).map(|left| left.is_empty())
    }

    /// Ends the threads; which were left behind.
    fn end(self, timeout: Option<Duration>) -> Result<Vec<String>> {
        let core = self.store.core();
        self.stop.store(true, Ordering::Release);
        core.bell.ring();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (mut first, mut left) = (Ok(()), Vec::new());
        for HandlerThread { name, thread, progress, .. } in self.threads {
            let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
            loop {
                let rings = core.bell.rings();
                if deadline.is_none() || has_ended(&progress) || is_over() {
                    break;
                }
                core.bell.wait(rings, deadline);
            }
            if deadline.is_some() && !has_ended(&progress) {
                left.push(name);
                continue;
            }
            let ended = thread.join().unwrap_or_else(|_| {
                Err(Error::Invalid("a publisher's thread panicked outside of its handler".into()))
            });
            first = first.and(ended);
        }
        first.map(|()| left)
    }

    /// Waits until every subscription is settled up to the head of this moment, at most this long, then
    /// stops. Whether it got there. Handlers that still run when the time is over are left behind, as by
    /// [`Running::stop_within`].
    ///
    /// # Errors
    /// The first error that ended a handler's thread before.
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
        let rest = deadline.map(|it| it.saturating_duration_since(Instant::now()).max(AT_LEAST));
        self.end(rest).map(|left| drained && left.is_empty())
    }

    fn spawn(
        &mut self,
        builder: SubscriptionBuilder,
        opened: Option<Subscription>,
        handler: Handler,
    ) -> Result<()> {
        let (name, deadline) = (builder.name().to_owned(), builder.deadline());
        let progress = Arc::new(Mutex::new(Progress::NotYet));
        let (store, stop) = (self.store.clone(), Arc::clone(&self.stop));
        let station = Station::new(store, builder, handler, Arc::clone(&progress), stop);
        let thread = thread::Builder::new()
            .name(format!("docbox-{name}"))
            .spawn(move || station.run(opened))
            .context("start a thread for", self.store.root())?;
        self.threads.push(HandlerThread { name, deadline, thread, progress });
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

fn has_ended(progress: &Mutex<Progress>) -> bool {
    *progress.lock().unwrap_or_else(PoisonError::into_inner) == Progress::Ended
}

#[cfg(test)]
mod tests;
