//! One consumer at a time.

use docbox::{Error, Start};

use crate::home::{Home, LONG, emit};
use crate::{take, take_all, ui};

#[test]
fn a_second_consumer_is_told_who_holds_the_subscription() {
    let home = Home::new();
    let store = home.still();
    let held = ui(&store);
    for store in [&store, &home.still()] {
        let Err(Error::Busy { name, pid }) = store.subscribe("ui").open() else { panic!("busy") };
        assert_eq!((name.as_str(), pid), ("ui", Some(std::process::id())));
    }
    assert!(store.subscribe("other").from(Start::Now).open().is_ok());
    drop(held);
    assert!(store.subscribe("ui").open().is_ok());
    assert_eq!(store.subscriptions().unwrap()[1].pid, None, "nobody holds it now");
}

#[test]
fn a_consumer_that_waits_takes_over_when_the_other_goes() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut held = ui(&store);
    take(&mut held, 1);
    let other = home.still();
    let waiting =
        std::thread::spawn(move || take_all(&mut other.subscribe("ui").wait(true).open().unwrap()));
    take(&mut held, 1);
    drop(held);
    assert_eq!(waiting.join().unwrap(), [3]);
}

#[test]
fn a_delivery_that_outlives_its_subscription_holds_it_until_it_is_settled() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    let mut first = ui(&store);
    let delivery = first.next(LONG).unwrap().unwrap();
    drop(first);
    assert!(matches!(store.subscribe("ui").open(), Err(Error::Busy { .. })));
    delivery.ack().unwrap();
    assert_eq!(take_all(&mut ui(&store)), [2, 3]);
    assert_eq!(home.register("cursors/ui")["next"], "4-0");
}

#[test]
fn a_consumer_that_waits_gives_up_when_its_store_closes() {
    let home = Home::new();
    let store = home.still();
    let _held = ui(&store);
    let other = home.still();
    let waiting = other.clone();
    let waiting = std::thread::spawn(move || waiting.subscribe("ui").wait(true).open().map(drop));
    other.close().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::Unusable { .. } | Error::Busy { .. })));
}
