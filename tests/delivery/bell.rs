//! Being woken.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use docbox::Store;

use crate::door::Door;
use crate::home::{Home, LONG, emit, number};
use crate::{take, ui};

/// How long `rounds` commits of one store take to reach a subscription that waits in another.
fn exchange(committing: &Store, waiting: &Store, rounds: u64) -> Duration {
    let mut ui = ui(waiting);
    let (heard, hear) = mpsc::channel();
    let consumer = thread::spawn(move || {
        for _ in 0..rounds {
            let delivery = ui.next(LONG).unwrap().expect("it is woken");
            let number = number(delivery.event());
            delivery.ack().unwrap();
            heard.send(number).unwrap();
        }
    });
    let begun = Instant::now();
    for round in 1..=rounds {
        emit(committing, [round]);
        assert_eq!(hear.recv_timeout(LONG), Ok(round));
    }
    consumer.join().unwrap();
    begun.elapsed()
}

#[test]
fn a_commit_in_another_open_store_wakes_whoever_waits() {
    let home = Home::new();
    // A look is taken every second all the same: 30 of those would be 30 seconds.
    let took = exchange(&home.still(), &home.still(), 30);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_commit_in_the_same_store_wakes_whoever_waits() {
    let home = Home::new();
    let store = home.still();
    let took = exchange(&store, &store, 30);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn where_the_system_tells_of_nothing_waiting_is_looking_often() {
    let home = Home::new();
    let door = Arc::new(Door::without_watching());
    let waiting = Store::options().housekeeping(false).disk(door).open(home.root()).unwrap();
    let took = exchange(&home.still(), &waiting, 30);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_bell_that_is_lost_costs_delay_only() {
    let home = Home::new();
    let store = home.still();
    let mut ui = ui(&store);
    assert!(ui.next(Duration::from_millis(10)).unwrap().is_none(), "it watches from here on");
    // What is watched goes and comes back: the watch is lost, the file is the same.
    let (head, aside) = (home.path(".docbox/head"), home.path(".docbox/aside"));
    std::fs::rename(&head, &aside).unwrap();
    std::fs::hard_link(&aside, &head).unwrap();
    std::fs::remove_file(&aside).unwrap();
    let other = home.still();
    let consumer = thread::spawn(move || take(&mut ui, 3));
    emit(&other, 1..=3);
    assert_eq!(consumer.join().unwrap(), [1, 2, 3]);
}
