//! Deliveries as a stream, on a runtime of the host program's own.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use docbox::{DeliveryStream, Error, Start, Store};
use futures_core::Stream;
use futures_util::StreamExt;

use crate::home::{Home, LONG, emit, eventually, in_time, number};
use crate::{take_all, ui};

fn on_tokio<R>(task: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, task).await.expect("it ends in time") })
}

fn stream(store: &Store) -> DeliveryStream {
    ui(store).into_stream().unwrap()
}

async fn take(stream: &mut DeliveryStream, count: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let delivery = stream.next().await.expect("there is one more").unwrap();
        taken.push(number(delivery.event()));
        delivery.ack().unwrap();
    }
    taken
}

#[test]
fn a_task_takes_events_as_they_come_and_holds_up_no_other() {
    let home = Home::new();
    let store = home.still();
    let mut ui = stream(&store);
    on_tokio(async {
        let writer = store.clone();
        let writing = async {
            for n in 1..=5 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                emit(&writer, [n]);
            }
        };
        // Both on one thread: whoever blocked it would wait for ever.
        let (taken, ()) = futures_util::future::join(take(&mut ui, 5), writing).await;
        assert_eq!(taken, [1, 2, 3, 4, 5]);
    });
}

#[test]
fn the_example_runs() {
    in_time(|| crate::async_consumer::main().map_err(|error| error.to_string())).unwrap();
}

#[test]
fn it_needs_no_runtime_and_ends_when_the_store_is_closed() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = stream(&store);
    let closing = store.clone();
    let taken = in_time(move || {
        let taken = futures_executor(take(&mut ui, 2));
        closing.close().unwrap();
        assert!(futures_executor(ui.next()).is_none());
        assert!(futures_executor(ui.next()).is_none(), "and stays so");
        taken
    });
    assert_eq!(taken, [1, 2]);
}

/// The smallest executor there is: it parks its thread.
fn futures_executor<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn nothing_is_handed_over_before_it_is_polled_for() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let ui = stream(&store);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(home.register("cursors/ui")["attempt"], 0);
    drop(ui);
    eventually("it is free", || store.subscribe("ui").open().is_ok());
    assert_eq!(take_all(&mut crate::ui(&store)), [1, 2]);
}

#[test]
fn a_stream_that_is_dropped_while_it_waits_frees_its_subscription() {
    let home = Home::new();
    let store = home.still();
    let mut ui = stream(&store);
    on_tokio(async {
        let pending = poll_fn(|context| {
            let polled = Pin::new(&mut ui).poll_next(context);
            assert!(polled.is_pending());
            Poll::Ready(())
        });
        pending.await;
    });
    drop(ui);
    eventually("it is free", || store.subscribe("ui").open().is_ok());
}

#[test]
fn one_that_is_not_settled_holds_the_next_and_errors_are_items() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = stream(&store);
    on_tokio(async {
        let held = ui.next().await.unwrap().unwrap();
        let refused = ui.next().await.unwrap().map(|it| number(it.event()));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        held.ack().unwrap();
        assert_eq!(take(&mut ui, 1).await, [2]);
        store.remove("ui").unwrap();
        let gone = ui.next().await.unwrap().map(|it| number(it.event()));
        assert!(matches!(gone, Err(Error::NoSubscription { .. })), "{gone:?}");
    });
    drop(ui);
    eventually("it is free", || store.subscribe("ui").from(Start::Now).open().map(drop).is_ok());
}
