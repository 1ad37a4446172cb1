//! Consumers and writers that die, and who goes on in their place.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::home::{in_time, write};
use crate::plan;
use crate::program::{Guarded, json, program};
use crate::role::{NAME, Role, Step};
use crate::scene::{At, Call, PLAIN, Scene, play};
use crate::{docbox, made, start};

const FROM_BEGINNING: [&str; 5] = ["subscribe", "ui", "--from", "beginning", "--follow"];

/// How often a subscription is taken over. Each is an attempt at the event in hand.
const TAKE_OVERS: usize = 7;
/// Far more than it takes, for the one in the middle; the times themselves are printed.
const TAKE_OVER: Duration = Duration::from_secs(5);
const DELIVERED: Duration = Duration::from_mins(1);

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
fn what_a_writer_left_at_any_call_between_journal_and_head_is_delivered_within_seconds() {
    let scene = Scene { subscription: At::Beginning, steps: &[Step::Open, Step::Commit], ..PLAIN };
    let (home, _company) = scene.set(true);
    let calls = play(&scene.role(&home)).calls();
    let from = calls.iter().position(|call| call.is("sync_data", "/journal/")).expect("a sync");
    let head = calls[from..].iter().position(|call| call.is("write_at", "/head"));
    let until = from + head.expect("a move of the head");
    let took = calls[from..=until].iter().map(|call| time_to_deliver(&scene, call)).collect();
    let what = "the event of a writer killed between journal and head was delivered after";
    let middle = told(what, "a few seconds", took);
    assert!(middle < DELIVERED, "{middle:?}");
}

/// From a writer's death at a call until its event is delivered to a consumer, the only process that lives.
fn time_to_deliver(scene: &Scene, call: &Call) -> Duration {
    let (home, _) = scene.set(false);
    let consumer = start(&home, &["subscribe", NAME, "--follow"]);
    let commits = (1..=scene.commits).map(|number| (number, number)).collect();
    let before = plan::positions(&commits);
    for _ in before {
        consumer.line();
    }
    let played = play(&Role { dies_at: call.number, ..scene.role(&home) });
    let killed = Instant::now();
    assert_eq!(played.status.signal(), Some(9), "{call:?}: {}", played.stderr);
    assert!(!played.said.iter().any(|said| said["seq"].is_u64()), "it never answered");
    let event = &json(&consumer.line())[0];
    let took = killed.elapsed();
    let seq = scene.commits + 1;
    assert_eq!(event["id"], format!("1-{seq}-0"), "{call:?}");
    plan::assert_documents(&home, 1..=seq);
    consumer.kill();
    docbox(&home, &["verify"], "").ok();
    took
}

#[test]
fn the_subscription_of_a_killed_consumer_is_taken_over_at_once() {
    let home = made();
    docbox(&home, &["commit"], r#"{"events":[{"type":"T"}]}"#).ok();
    // Longer than a pipe holds: a consumer still has it in hand when it is killed.
    let data = "a".repeat(1 << 20);
    let long = format!(r#"{{"events":[{{"type":"T","data":"{data}"}}]}}"#);
    docbox(&home, &["commit"], &long).ok();
    let (mut first, stdout) = consumer(&mut program(home.root(), &FROM_BEGINNING));
    let (stdout, line) = read(stdout, String::new());
    assert_eq!(json(&line)[0]["id"], "1-1-0");
    // The next event begins, so the one before is acked.
    let (mut stdout, mut begin) = begins(stdout);
    let mut took = Vec::new();
    for _ in 0..TAKE_OVERS {
        let mut waits = program(home.root(), &["subscribe", "ui", "--follow", "--wait"]);
        let (mut second, next) = consumer(waits.env("DOCBOX_LOG", "info"));
        says(&mut second, "held by another consumer");
        let killed = Instant::now();
        first.kill();
        (stdout, begin) = begins(next);
        took.push(killed.elapsed());
        first = second;
    }
    let (stdout, line) = read(stdout, begin);
    let event = &json(&line)[0];
    assert_eq!((&event["id"], &event["attempt"]), (&"1-2-0".into(), &(1 + TAKE_OVERS).into()));
    docbox(&home, &["commit"], r#"{"events":[{"type":"T"}]}"#).ok();
    let event = &json(&read(stdout, String::new()).1)[0];
    assert_eq!((&event["id"], &event["attempt"]), (&"1-3-0".into(), &1.into()));
    let what = "a killed consumer's subscription was taken over after";
    let middle = told(what, "under 100 ms", took);
    assert!(middle < TAKE_OVER, "{middle:?}");
}

type Stdout = BufReader<ChildStdout>;

fn consumer(command: &mut Command) -> (Guarded, Stdout) {
    let mut child = Guarded::start(command);
    let stdout = child.stdout.take().expect("stdout is a pipe");
    (child, BufReader::new(stdout))
}

/// Waits until it says something on stderr, and reads on, so that it never waits for a reader.
fn says(child: &mut Guarded, what: &'static str) {
    let stderr = child.stderr.take().expect("stderr is a pipe");
    let rest = in_time(move || {
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(what)), "{what}");
        lines
    });
    thread::spawn(move || rest.for_each(drop));
}

/// Waits for the first character of what it says next.
fn begins(mut stdout: Stdout) -> (Stdout, String) {
    in_time(move || {
        let mut first = [0];
        stdout.read_exact(&mut first).expect("an event begins");
        (stdout, char::from(first[0]).to_string())
    })
}

/// The next line, of which this was read before.
fn read(mut stdout: Stdout, mut line: String) -> (Stdout, String) {
    in_time(move || {
        stdout.read_line(&mut line).expect("an event");
        (stdout, line)
    })
}

/// Prints the least, the middle and the most; the middle is returned, because a machine may be busy with
/// other things for a while.
fn told(what: &str, goal: &str, mut took: Vec<Duration>) -> Duration {
    took.sort();
    let (least, middle, most) = (took[0], took[took.len() / 2], took[took.len() - 1]);
    let count = took.len();
    println!(
        "{what} {least:.1?} at least, {middle:.1?} in the middle, {most:.1?} at most of {count} (goal: {goal})"
    );
    middle
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
