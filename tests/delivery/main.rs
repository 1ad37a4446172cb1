//! Delivery through the public door, on the real disk.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store"
)]

mod archive;
#[cfg(feature = "async")]
#[path = "../examples/async_consumer.rs"]
mod async_consumer;
mod batches;
mod bell;
mod by_subject;
mod changes;
mod consumer;
mod cursor;
mod dead_letters;
mod deadline;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/door.rs"]
mod door;
mod ended;
mod filter;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod lag;
mod pausing;
mod publisher;
mod reset;
mod retention;
mod settling;
mod snapshot;
mod start;
#[cfg(feature = "async")]
mod stream;
mod waiting;

use docbox::{Start, Store, Subscription};

use crate::home::number;

/// The subscription `ui`, from the beginning.
fn ui(store: &Store) -> Subscription {
    store.subscribe("ui").from(Start::Beginning).open().unwrap()
}

/// Takes and acks all numbers up to the head.
fn take_all(subscription: &mut Subscription) -> Vec<u64> {
    subscription
        .catch_up()
        .map(|delivery| {
            let delivery = delivery.unwrap();
            let number = number(delivery.event());
            delivery.ack().unwrap();
            number
        })
        .collect()
}

/// Takes and acks the next few numbers.
fn take(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    (0..count)
        .map(|_| {
            let delivery = subscription.next(home::LONG).unwrap().expect("there is one more");
            let number = number(delivery.event());
            delivery.ack().unwrap();
            number
        })
        .collect()
}
