//! A clock that was far ahead, and is set right.

use std::fs::File;
use std::time::{Duration, SystemTime};

use docbox::{Limits, RetryPolicy, Start, Store};

use crate::home::{Home, Line, emit, number, small};

const LONG: Duration = crate::home::LONG;
/// How far it was ahead.
const AHEAD: Duration = Duration::from_hours(24 * 365 * 50);

/// Everything in the journal as it is when it was written with the clock ahead.
fn written_ahead(home: &Home) {
    let ahead = SystemTime::now() + AHEAD;
    for segment in home.segments() {
        let file = File::options().write(true).open(segment).unwrap();
        file.set_modified(ahead).unwrap();
    }
}

#[test]
fn after_the_clock_was_set_back_nothing_is_out_of_order_and_nothing_waits() {
    let home = Home::new();
    let store = home.small();
    emit(&store, 1..=5);
    drop(store);
    let ahead = r#""events":[{"type":"Counted","data":{"number":6}}],"writes":[]"#;
    home.write_behind_head(home.next_line(ahead));
    let store = home.small();
    let policy = RetryPolicy { max_attempts: 10, backoff_ms: vec![1], ..RetryPolicy::default() };
    let ui = || store.subscribe("ui").from(Start::Beginning).retry(policy.clone()).open().unwrap();
    let mut heard = ui();
    emit(&store, 7..=30);
    written_ahead(&home);
    // The pause before an event comes again does not go by that clock.
    let delivery = heard.next(LONG).unwrap().expect("it is there");
    delivery.nack("once more");
    let delivery = heard.next(LONG).unwrap().expect("it comes again");
    assert_eq!((number(delivery.event()), delivery.attempt()), (1, 2));
    delivery.ack().unwrap();
    let status = &store.status().unwrap().subscriptions[0];
    assert_eq!(status.lag_events, 29);
    assert!(status.lag_age_s.is_some_and(|age_s| age_s >= 0.0), "{status:?}");
    drop(heard);
    let rest: Vec<u64> = ui().catch_up().map(acked).collect();
    assert_eq!(rest, (2..=30).collect::<Vec<_>>());
    let times: Vec<String> = home.lines().iter().map(time).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(store.verify().unwrap().is_clean());
    let status = &store.status().unwrap().subscriptions[0];
    assert_eq!((status.lag_events, status.lag_age_s), (0, None));
}

#[test]
fn what_was_written_with_the_clock_ahead_is_kept_until_there_is_too_much_of_it() {
    let home = Home::new();
    let limits =
        |retain_bytes| Limits { retain_age: Duration::from_secs(1), retain_bytes, ..small() };
    let open = |limits| Store::options().housekeeping(false).limits(limits).open(home.root());
    let store = open(limits(1 << 20)).unwrap();
    emit(&store, 1..=30);
    store.checkpoint().unwrap();
    written_ahead(&home);
    assert_eq!(store.retain().unwrap(), 0, "it is not old");
    drop(store);
    let store = open(limits(4000)).unwrap();
    assert!(store.retain().unwrap() > 0, "the size counts whatever the clock says");
    assert!(store.verify().unwrap().is_clean());
    emit(&store, 31..=33);
}

fn acked(delivery: docbox::Result<docbox::Delivery>) -> u64 {
    let delivery = delivery.unwrap();
    let number = number(delivery.event());
    delivery.ack().unwrap();
    number
}

fn time(line: &Line) -> String {
    line.value["time"].as_str().unwrap().to_owned()
}
