//! Deliveries as a `futures::Stream`, for whatever runtime the host program has. (Feature `async`.)
//!
//! The core blocks and knows no runtime: a thread of the stream's own waits for the next event, once it is
//! polled for, and wakes the task.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;

use crate::delivery::Delivery;
use crate::error::{Context as _, Result};
use crate::store::Store;
use crate::subscription::Subscription;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread};

/// The deliveries of a subscription, one after the other; it ends when the store is closed. Nothing is handed
/// over before it is polled for, and in total order the delivery before must be settled by then.
///
/// Dropping it frees the subscription, once the delivery that it handed out is settled or dropped too.
///
/// ```
/// use docbox::{Event, Start, Store, Transaction};
/// use futures_util::StreamExt;
/// # let folder = tempfile::tempdir().unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = Store::open(folder.path())?;
/// store.commit(Transaction::new().emit(Event::bare("AgentSpawned")))?;
/// let mut ui = store.subscribe("ui").from(Start::Beginning).open()?.into_stream()?;
/// while let Some(delivery) = ui.next().await {
///     let delivery = delivery?;
///     println!("{}", delivery.event().kind());
///     delivery.ack()?;
///     # store.close()?;
/// }
/// # Ok::<(), docbox::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct DeliveryStream {
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
    store: Store,
}

/// Where the task and the thread meet.
#[derive(Debug, Default)]
struct Desk {
    order: Mutex<Order>,
    placed: Condvar,
}

#[derive(Debug, Default)]
struct Order {
    state: State,
    /// Who waits for it.
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody wants anything.
    #[default]
    Idle,
    /// The task wants the next one.
    Wanted,
    /// Here it is; `None` at the end.
    Ready(Option<Result<Delivery>>),
    /// There is nothing more.
    Ended,
    /// The stream was dropped.
    Dropped,
}

impl Desk {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next one is wanted; whether it will ever be.
    fn wait(&self) -> bool {
        let order = self.order();
        let is_served = |order: &mut Order| matches!(order.state, State::Idle | State::Ready(_));
        let order = self.placed.wait_while(order, is_served);
        let order = order.unwrap_or_else(PoisonError::into_inner);
        matches!(order.state, State::Wanted)
    }

    /// Hands it to the task.
    fn serve(&self, next: Option<Result<Delivery>>) {
        let mut order = self.order();
        if matches!(order.state, State::Dropped) {
            return;
        }
        order.state = State::Ready(next);
        let waker = order.waker.take();
        drop(order);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl DeliveryStream {
    pub(crate) fn new(
        subscription: Subscription,
        store: Store,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let desk = Arc::new(Desk::default());
        let stream = Self { desk: Arc::clone(&desk), stop, store };
        thread::Builder::new()
            .name(format!("docbox-{}", subscription.name()))
            .spawn(move || fetch(&desk, subscription))
            .context("start a thread for", stream.store.core().names.root())?;
        Ok(stream)
    }
}

/// Fetches one delivery each time that one is wanted.
fn fetch(desk: &Desk, mut subscription: Subscription) {
    while desk.wait() {
        let next = subscription.next(Duration::MAX).transpose();
        let is_end = next.is_none();
        if is_end {
            // Before the task hears of the end, so that the subscription is free by then.
            drop(subscription);
            desk.serve(None);
            return;
        }
        desk.serve(next);
    }
}

impl Stream for DeliveryStream {
    type Item = Result<Delivery>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut order = self.desk.order();
        match std::mem::take(&mut order.state) {
            State::Ready(Some(next)) => Poll::Ready(Some(next)),
            State::Ready(None) | State::Ended | State::Dropped => {
                order.state = State::Ended;
                Poll::Ready(None)
            }
            State::Idle | State::Wanted => {
                order.state = State::Wanted;
                order.waker = Some(context.waker().clone());
                drop(order);
                self.desk.placed.notify_one();
                Poll::Pending
            }
        }
    }
}

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        // Nothing that can fail: the thread ends by itself.
        let before = std::mem::replace(&mut self.desk.order().state, State::Dropped);
        drop(before);
        self.stop.store(true, Ordering::Release);
        self.desk.placed.notify_one();
        self.store.core().bell.ring();
    }
}
