//! The real publisher, store and housekeeping over the simulated disk, under very many schedules. Each
//! call to the disk is a moment at which the threads may change.

use std::collections::BTreeSet;
use std::panic::resume_unwind;

use super::*;
use crate::Transaction;
use crate::event::Event;
use crate::order::Order;
use crate::retry::RetryPolicy;
use crate::store::tests::{made_by, open};
use crate::support::sim::Disk;
use crate::sync::Condvar;
use crate::sync::tests::under_many_schedules;

/// What handlers were given, and a bell of its own for the test to wait by.
#[derive(Default)]
struct Seen {
    kinds: Mutex<Vec<String>>,
    more: Condvar,
}

impl Seen {
    fn note(&self, delivery: &Delivery) {
        self.kinds.lock().unwrap().push(delivery.event().kind().to_owned());
        self.more.notify_all();
    }

    fn wait_for(&self, count: usize) {
        let kinds = self.kinds.lock().unwrap();
        drop(self.more.wait_while(kinds, |kinds| kinds.len() < count).unwrap());
    }

    fn all(&self) -> Vec<String> {
        self.kinds.lock().unwrap().clone()
    }
}

/// A disk with a store of so many events.
fn made(events: usize) -> Disk {
    made_by(move |store| {
        for n in 0..events {
            commit(store, n);
        }
    })
}

fn commit(store: &Store, n: usize) -> u64 {
    let transaction = Transaction::new().put(format!("d/{n}"), &n).unwrap();
    store.commit(transaction.emit(Event::bare(format!("T{n}")))).unwrap().seq()
}

fn committing(store: &Store, range: std::ops::Range<usize>) -> JoinHandle<Vec<u64>> {
    let store = store.clone();
    thread::spawn(move || range.map(|n| commit(&store, n)).collect())
}

/// A publisher whose handlers note what they are given.
fn publish(store: &Store, handlers: usize) -> (Running, Vec<Arc<Seen>>) {
    let seen: Vec<Arc<Seen>> = (0..handlers).map(|_| Arc::default()).collect();
    let publisher = seen.iter().enumerate().fold(Publisher::new(store), |publisher, (n, seen)| {
        let seen = Arc::clone(seen);
        publisher.handler(&format!("h{n}"), Start::Beginning, move |delivery| {
            seen.note(delivery);
            Ok(())
        })
    });
    (publisher.start().unwrap(), seen)
}

#[test]
fn an_event_that_is_committed_at_any_moment_comes_without_another_ring() {
    let made = made(0);
    under_many_schedules(2_000, move || {
        let store = open(&made.fork(), false);
        let (running, seen) = publish(&store, 2);
        let commits = [committing(&store, 0..1), committing(&store, 1..2)];
        for seen in &seen {
            seen.wait_for(2);
        }
        let seqs: BTreeSet<u64> = commits.into_iter().flat_map(|all| all.join().unwrap()).collect();
        assert!(seqs.into_iter().eq(1..=2));
        running.stop().unwrap();
        assert_eq!(seen[0].all(), seen[1].all(), "one order for all");
        assert_eq!(BTreeSet::from_iter(seen[0].all()).len(), 2, "each once");
    });
}

#[test]
fn drain_ends_with_all_settled_that_was_committed_before_it() {
    let made = made(2);
    under_many_schedules(1_000, move || {
        let store = open(&made.fork(), false);
        let (running, seen) = publish(&store, 2);
        let meanwhile = committing(&store, 2..3);
        assert!(running.drain(Duration::MAX).unwrap());
        for seen in seen {
            assert_eq!(seen.all()[..2], ["T0", "T1"]);
        }
        meanwhile.join().unwrap();
    });
}

#[test]
fn handlers_side_by_side_are_never_stuck_and_keep_the_order_of_each_subject() {
    let made = made(0);
    under_many_schedules(500, move || {
        let store = open(&made.fork(), false);
        let events = ["a1", "b1", "a2"].map(|kind| Event::bare(kind).subject(&kind[..1]));
        store.commit(events.into_iter().fold(Transaction::new(), Transaction::emit)).unwrap();
        let seen = Arc::new(Seen::default());
        let noted = Arc::clone(&seen);
        let order = Order::PerSubject { parallel: 2 };
        let at_once = RetryPolicy { backoff_ms: Vec::new(), ..RetryPolicy::default() };
        let subscription = store.subscribe("h").from(Start::Beginning).order(order).retry(at_once);
        let running = Publisher::new(&store)
            .handle_in_parallel(subscription, move |delivery| {
                if delivery.event().kind() == "a1" && delivery.attempt() == 1 {
                    return Err("not yet".into());
                }
                noted.note(delivery);
                Ok(())
            })
            .start()
            .unwrap();
        assert!(running.drain(Duration::MAX).unwrap());
        let all = seen.all();
        let about_a: Vec<&str> =
            all.iter().map(String::as_str).filter(|kind| *kind != "b1").collect();
        assert_eq!((about_a, all.len()), (vec!["a1", "a2"], 3));
    });
}

#[test]
fn stop_ends_at_whatever_moment_it_comes_and_what_follows_is_there_for_the_next() {
    let made = made(1);
    under_many_schedules(1_000, move || {
        let store = open(&made.fork(), false);
        let (running, first) = publish(&store, 1);
        let meanwhile = committing(&store, 1..2);
        running.stop().unwrap();
        meanwhile.join().unwrap();
        let (running, then) = publish(&store, 1);
        assert!(running.drain(Duration::MAX).unwrap());
        assert_eq!([first[0].all(), then[0].all()].concat(), ["T0", "T1"]);
    });
}

#[test]
fn closing_the_store_ends_every_thread_at_whatever_moment_it_comes() {
    let made = made(1);
    under_many_schedules(1_000, move || {
        let store = open(&made.fork(), true);
        let (running, _) = publish(&store, 1);
        let waiting = store.clone();
        let waits = thread::spawn(move || {
            let mut events = waiting.subscribe("waits").from(Start::Now).open()?;
            events.next(Duration::MAX).map(|delivery| assert!(delivery.is_none()))
        });
        let drains = thread::spawn(move || running.drain(Duration::MAX));
        store.close().unwrap();
        // Closed before they began, or while they were at it.
        for ended in [waits.join().unwrap(), drains.join().unwrap().map(drop)] {
            assert!(matches!(ended, Ok(()) | Err(Error::Unusable { .. })), "{ended:?}");
        }
    });
}

#[test]
fn an_event_that_fails_or_panics_comes_again_and_drain_waits_for_it() {
    let made = made(2);
    under_many_schedules(1_000, move || {
        let store = open(&made.fork(), false);
        let seen = Arc::new(Seen::default());
        let noted = Arc::clone(&seen);
        let at_once =
            RetryPolicy { max_attempts: 9, backoff_ms: Vec::new(), ..RetryPolicy::default() };
        let subscription = store.subscribe("h").from(Start::Beginning).retry(at_once);
        let running = Publisher::new(&store)
            .handle(subscription, move |delivery| {
                noted.note(delivery);
                match delivery.attempt() {
                    1 => Err("not yet".into()),
                    2 => resume_unwind(Box::new("as a test")),
                    _ => Ok(()),
                }
            })
            .start()
            .unwrap();
        assert!(running.drain(Duration::MAX).unwrap());
        assert_eq!(seen.all(), ["T0", "T0", "T0", "T1", "T1", "T1"]);
    });
}

#[test]
fn drain_hears_that_a_handler_can_never_get_there() {
    let made = made(2);
    under_many_schedules(1_000, move || {
        let disk = made.fork();
        let store = open(&disk, false);
        let head = store.core().names.head();
        let running = Publisher::new(&store)
            .handler("h", Start::Beginning, move |_| {
                let text = disk.read(&head).unwrap();
                disk.settle();
                disk.damage(&head, 0, &vec![b'x'; text.len()]);
                Ok(())
            })
            .start()
            .unwrap();
        // Nobody knows any more how far the second event's line is to be believed.
        let drained = running.drain(Duration::MAX);
        assert!(matches!(drained, Err(Error::Corrupt { .. })), "{drained:?}");
    });
}
