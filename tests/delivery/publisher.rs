//! Handlers on threads of their own.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use docbox::{Delivery, Handled, Publisher, RetryPolicy, Start, Store, Transaction};

use crate::door::Door;
use crate::home::{Home, LONG, emit, eventually, in_time, number, numbered};

type Seen = Arc<Mutex<Vec<(u64, u32)>>>;

/// A handler that notes what it gets and then does as `then` says.
fn noting(
    seen: &Seen,
    mut then: impl FnMut(&Delivery) -> Handled + Send + 'static,
) -> impl FnMut(&Delivery) -> Handled + Send + 'static {
    let seen = Arc::clone(seen);
    move |delivery| {
        seen.lock().unwrap().push((number(delivery.event()), delivery.attempt()));
        then(delivery)
    }
}

fn firsts(range: std::ops::RangeInclusive<u64>) -> Vec<(u64, u32)> {
    range.map(|n| (n, 1)).collect()
}

fn hasty() -> RetryPolicy {
    RetryPolicy { max_attempts: 3, backoff_ms: vec![1], ..RetryPolicy::default() }
}

#[test]
fn every_handler_gets_every_event_in_order() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=20);
    let seen: Vec<Seen> = (0..4).map(|_| Seen::default()).collect();
    let publisher = seen.iter().enumerate().fold(Publisher::new(&store), |publisher, (n, seen)| {
        publisher.handler(&format!("h{n}"), Start::Beginning, noting(seen, |_| Ok(())))
    });
    let running = publisher.start().unwrap();
    emit(&store, 21..=40);
    assert!(running.drain(LONG).unwrap());
    for seen in seen {
        assert_eq!(*seen.lock().unwrap(), firsts(1..=40));
    }
}

#[test]
fn an_error_or_a_panic_brings_the_event_again_before_all_that_follow() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let seen = Seen::default();
    let handler = noting(&seen, |delivery| match delivery.attempt() {
        1 => Err("as a test".into()),
        2 => panic!("as a test"),
        _ => Ok(()),
    });
    let ui = store.subscribe("ui").from(Start::Beginning).retry(hasty());
    let running = Publisher::new(&store).handle(ui, handler).start().unwrap();
    assert!(running.drain(LONG).unwrap());
    let attempts = |n| [(n, 1), (n, 2), (n, 3)];
    assert_eq!(*seen.lock().unwrap(), [attempts(1), attempts(2), attempts(3)].concat());
}

/// A handler that says when it has begun and ends when it is told to.
fn gated() -> (Receiver<u64>, Sender<()>, impl FnMut(&Delivery) -> Handled + Send + 'static) {
    let (begun, begins) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let handler = move |delivery: &Delivery| {
        begun.send(number(delivery.event()))?;
        gate.recv()?;
        Ok(())
    };
    (begins, go, handler)
}

#[test]
fn stop_lets_a_running_handler_finish() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let (begins, go, handler) = gated();
    let running = Publisher::new(&store).handler("ui", Start::Beginning, handler).start().unwrap();
    assert_eq!(begins.recv_timeout(LONG), Ok(1));
    let stopping = thread::spawn(move || running.stop());
    go.send(()).unwrap();
    // Should another begin before the stop is seen, it fails.
    drop(go);
    stopping.join().unwrap().unwrap();
    assert_eq!(home.register("cursors/ui")["next"], "2-0", "the one that ran is settled");
    assert!(begins.try_iter().count() <= 1);
    assert_eq!(crate::take_all(&mut crate::ui(&store)), [2, 3]);
}

#[test]
fn drain_says_whether_it_got_to_the_head() {
    let home = Home::new();
    let store = home.still();
    let never = |_: &Delivery| Err("as a test".into());
    let patient = RetryPolicy { backoff_ms: vec![3_600_000], ..RetryPolicy::default() };
    let ui = store.subscribe("ui").from(Start::Beginning).retry(patient);
    let running = Publisher::new(&store).handle(ui.clone(), never).start().unwrap();
    assert!(running.drain(LONG).unwrap(), "nothing is committed yet");
    emit(&store, 1..=2);
    let running = Publisher::new(&store).handle(ui.clone(), never).start().unwrap();
    assert!(!running.drain(Duration::from_millis(50)).unwrap());
    let running = Publisher::new(&store).handle(ui, |_| Ok(())).start().unwrap();
    assert!(running.drain(LONG).unwrap());
}

#[test]
fn drain_ends_at_the_head_of_its_beginning_even_if_each_event_begets_another() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let again = store.clone();
    let running = Publisher::new(&store)
        .handler("ui", Start::Beginning, move |_| {
            again.commit(Transaction::new().emit(numbered(9)))?;
            Ok(())
        })
        .start()
        .unwrap();
    assert!(in_time(move || running.drain(LONG / 4)).unwrap());
}

#[test]
fn a_publisher_that_stands_by_takes_over_without_a_gap() {
    let home = Home::new();
    let stores = [home.still(), home.still()];
    let seen = Seen::default();
    let start = |store: &Store| {
        let handler = noting(&seen, |_| Ok(()));
        Publisher::new(store).handler("ui", Start::Beginning, handler).start().unwrap()
    };
    let first = start(&stores[0]);
    let second = start(&stores[1]);
    emit(&stores[0], 1..=5);
    eventually("the first has all", || seen.lock().unwrap().len() == 5);
    first.stop().unwrap();
    emit(&stores[0], 6..=9);
    eventually("the second has the rest", || seen.lock().unwrap().len() == 9);
    assert!(second.drain(LONG).unwrap());
    assert_eq!(*seen.lock().unwrap(), firsts(1..=9));
}

#[test]
fn a_publisher_that_stands_by_can_be_stopped() {
    let home = Home::new();
    let store = home.still();
    let _held = crate::ui(&store);
    let publisher = Publisher::new(&store).handler("ui", Start::Beginning, |_| Ok(()));
    let running = publisher.start().unwrap();
    in_time(move || running.stop()).unwrap();
}

#[test]
fn what_is_wrong_with_a_subscription_is_said_at_the_start() {
    let home = Home::new();
    let store = home.still();
    let publisher = Publisher::new(&store).handler("fine", Start::Beginning, |_| Ok(())).handler(
        "Not A Name",
        Start::Beginning,
        |_| Ok(()),
    );
    assert!(in_time(move || publisher.start().map(drop)).is_err());
    assert!(store.subscribe("fine").open().is_ok(), "the other is not held any more");
}

#[test]
fn handlers_end_when_the_store_is_closed() {
    let home = Home::new();
    let store = home.open();
    let running =
        Publisher::new(&store).handler("ui", Start::Beginning, |_| Ok(())).start().unwrap();
    emit(&store, 1..=3);
    eventually("it is delivered", || home.register("cursors/ui")["next"] == "4-0");
    store.close().unwrap();
    in_time(move || running.stop()).unwrap();
}

#[test]
fn many_handlers_with_nothing_to_do_rest() {
    let home = Home::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let door = Door::new(move |call, path: &Path| {
        if call == "read_at" && path.ends_with("head") {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let store =
        Store::options().housekeeping(false).disk(Arc::new(door)).open(home.root()).unwrap();
    let publisher = (0..20).fold(Publisher::new(&store), |publisher, n| {
        publisher.handler(&format!("h{n}"), Start::Beginning, |_| Ok(()))
    });
    let running = publisher.start().unwrap();
    emit(&store, 1..=5);
    let all_settled = || {
        let mut all = store.subscriptions().unwrap().into_iter();
        all.all(|subscription| subscription.lag_events == 0)
    };
    eventually("all is delivered", all_settled);
    let before = looks.load(Ordering::Relaxed);
    thread::sleep(Duration::from_secs(1));
    // Each looks once a second of itself, and once more for each of the others that settles late.
    let while_idle = looks.load(Ordering::Relaxed) - before;
    assert!(while_idle < 2_000, "{while_idle} looks at the head");
    running.stop().unwrap();
}
