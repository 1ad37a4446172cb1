//! Consumers and writers that die, and who goes on in their place.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use crate::home::write;
use crate::program::{Guarded, Running, json, program};
use crate::{docbox, made, start};

const FROM_BEGINNING: [&str; 5] = ["subscribe", "ui", "--from", "beginning", "--follow"];

/// Far more than it takes; the time itself is printed.
const TAKE_OVER: Duration = Duration::from_secs(30);

#[test]
fn what_a_writer_left_behind_the_head_is_delivered_where_only_a_subscriber_lives() {
    let home = made();
    docbox(&home, &["put", "a", "--event", "T"], "1").ok();
    let subscriber = start(&home, &FROM_BEGINNING);
    assert_eq!(json(&subscriber.line())[0]["id"], "1-1-0");
    // As a writer leaves it that was killed between the sync and the head.
    home.write_behind_head(home.next_line(&write("deep/b", None, "2")));
    let event = &json(&subscriber.line())[0];
    assert_eq!((&event["id"], &event["type"]), (&"1-2-0".into(), &"Left".into()));
    assert_eq!(home.text("deep/b.json"), "2\n", "in place before it is visible");
    subscriber.kill();
    docbox(&home, &["verify"], "").ok();
}

#[test]
fn the_subscription_of_a_killed_consumer_is_taken_over_at_once() {
    let home = made();
    docbox(&home, &["commit"], r#"{"events":[{"type":"T"}]}"#).ok();
    // Longer than a pipe holds: the first consumer still has it in hand when it is killed.
    let data = "a".repeat(1 << 20);
    let long = format!(r#"{{"events":[{{"type":"T","data":"{data}"}}]}}"#);
    docbox(&home, &["commit"], &long).ok();
    let mut first = Guarded::start(&mut program(home.root(), &FROM_BEGINNING));
    let mut stdout = BufReader::new(first.stdout.take().expect("stdout is a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("an event");
    assert_eq!(json(&line)[0]["id"], "1-1-0");
    stdout.read_exact(&mut [0]).expect("the next event begins, so the one before is acked");

    let mut waits = program(home.root(), &["subscribe", "ui", "--follow", "--wait"]);
    let second = Running::start(waits.env("DOCBOX_LOG", "info"));
    second.says("held by another consumer");
    let killed = Instant::now();
    first.kill();
    let event = &json(&second.line())[0];
    let took = killed.elapsed();
    println!("the subscription was taken over {took:?} after the kill");
    assert_eq!((&event["id"], &event["attempt"]), (&"1-2-0".into(), &2.into()));
    assert!(took < TAKE_OVER, "{took:?}");
    docbox(&home, &["commit"], r#"{"events":[{"type":"T"}]}"#).ok();
    let event = &json(&second.line())[0];
    assert_eq!((&event["id"], &event["attempt"]), (&"1-3-0".into(), &1.into()));
}

#[test]
fn a_second_consumer_that_does_not_wait_is_told_the_pid_of_the_first() {
    let home = made();
    docbox(&home, &["commit"], r#"{"events":[{"type":"T"}]}"#).ok();
    let first = start(&home, &FROM_BEGINNING);
    first.line();
    for _ in 0..2 {
        let said = docbox(&home, &["subscribe", "ui"], "").fails(1);
        assert!(said.contains(&first.id().to_string()), "{said}");
    }
    first.kill();
    let again = docbox(&home, &["subscribe", "ui"], "");
    assert_eq!(again.code, 0, "nobody holds it: {again:?}");
}
