//! `subscribe` with a retry policy, a deadline, an order, and by batches.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::program::{LIMIT, Tavern};

/// `subscribe ui` from the beginning, with a command.
fn exec<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["subscribe", "ui", "--from", "beginning", "--backoff", "1ms", "--exec", command];
    [&args[..], more].concat()
}

fn dead(tavern: &Tavern) -> Vec<Value> {
    tavern.run(&["dead", "list", "ui", "--json"]).json()
}

fn status(tavern: &Tavern) -> Value {
    tavern.run(&["subscriptions", "--json"]).json().remove(0)
}

#[test]
fn after_so_many_attempts_an_event_is_a_dead_letter_and_the_rest_goes_on() {
    let tavern = Tavern::with_turns(3);
    let command = "echo $DOCBOX_POSITION $DOCBOX_ATTEMPT; [ $DOCBOX_POSITION != 2-0 ] || exit 7";
    let ran = tavern.run(&exec(command, &["--max-attempts", "3"]));
    assert_eq!(ran.stdout, "1-0 1\n2-0 1\n2-0 2\n2-0 3\n3-0 1\n", "{ran:?}");
    assert_eq!(ran.code, 0);
    let letters = dead(&tavern);
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["subscription"], &letters[0]["position"]),
        (&json!("ui"), &json!("2-0"))
    );
    let attempts = letters[0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3);
    assert_eq!(
        (&attempts[2]["attempt"], &attempts[2]["error"]),
        (&json!(3), &json!("exit status 7"))
    );
    assert!(attempts[0]["time"].is_string());
    assert_eq!(
        (&letters[0]["event"]["id"], letters[0]["event"].get("attempt")),
        (&json!("1-2-0"), None)
    );
    assert_eq!((&status(&tavern)["dead"], &status(&tavern)["position"]), (&json!(1), &json!("3")));
}

#[test]
fn exit_65_is_a_dead_letter_now() {
    let tavern = Tavern::with_turns(2);
    let ran =
        tavern.run(&exec("echo $DOCBOX_POSITION; [ $DOCBOX_POSITION = 2-0 ] || exit 65", &[]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1-0\n2-0\n"), "{ran:?}");
    assert_eq!(dead(&tavern)[0]["attempts"][0]["error"], "exit status 65");
}

#[test]
fn exit_75_and_a_signal_count_as_attempts() {
    let tavern = Tavern::with_turns(2);
    let command = "if [ $DOCBOX_POSITION = 1-0 ]; then exit 75; else kill -KILL $$; fi";
    assert_eq!(tavern.run(&exec(command, &["--max-attempts", "2"])).code, 0);
    let errors: Vec<Value> =
        dead(&tavern).iter().map(|it| it["attempts"][1]["error"].clone()).collect();
    assert_eq!(errors[0], "exit status 75");
    assert!(errors[1].as_str().unwrap().contains("signal"), "{errors:?}");
}

#[test]
fn attempts_and_the_last_error_show_while_an_event_fails() {
    let tavern = Tavern::with_turns(2);
    let ran = tavern.run(&exec("exit 9", &["--max", "2"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let status = status(&tavern);
    assert_eq!((&status["attempt"], &status["last_error"]), (&json!(2), &json!("exit status 9")));
    let listed = tavern.run(&["subscriptions"]).ok();
    assert!(listed.contains("1-0 is blocked") || listed.contains("turns/1 is blocked"), "{listed}");
}

#[cfg(unix)]
#[test]
fn a_command_that_overruns_its_deadline_is_killed_with_all_that_it_started() {
    let tavern = Tavern::with_turns(2);
    let command = "[ $DOCBOX_POSITION = 2-0 ] && exit 0; (sleep 600 & echo $! >>pids; wait)";
    let began = Instant::now();
    let ran = tavern.run(&exec(command, &["--deadline", "200ms", "--max-attempts", "2"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(began.elapsed() < LIMIT);
    let error = &dead(&tavern)[0]["attempts"][1]["error"];
    assert!(error.as_str().unwrap().contains("deadline"), "{error}");
    let pids = fs::read_to_string(tavern.root.join("pids")).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "it lives on: {stat}");
    }
}

#[test]
fn per_subject_commands_run_side_by_side_and_a_failing_subject_holds_itself_alone() {
    let tavern = Tavern::new();
    let events = |n: u32| json!({ "events": [{ "type": "T", "subject": format!("s/{}", n % 3) }] });
    let lines: Vec<String> = (0..12).map(|n| events(n).to_string()).collect();
    tavern.run_with(&["commit", "--lines"], lines.join("\n")).ok();
    // Whoever comes first of `s/1` waits for `s/2`, which is a later event.
    let command = "case $DOCBOX_SUBJECT in
        s/0) exit 65;;
        s/1) while [ ! -e seen-2 ]; do sleep 0.01; done; echo $DOCBOX_POSITION >>seen-1;;
        s/2) echo $DOCBOX_POSITION >>seen-2;;
    esac";
    let ran = tavern.run(&exec(command, &["--per-subject", "3"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let seen = |name: &str| fs::read_to_string(tavern.root.join(name)).unwrap();
    assert_eq!(seen("seen-1"), "2-0\n5-0\n8-0\n11-0\n");
    assert_eq!(seen("seen-2"), "3-0\n6-0\n9-0\n12-0\n");
    assert_eq!(dead(&tavern).len(), 4);
    assert_eq!(status(&tavern)["position"], "12");
}

#[test]
fn a_batch_is_one_command_and_its_lines_and_what_fails_comes_again_alone() {
    let tavern = Tavern::with_turns(5);
    let command = "cat >lines; wc -l <lines | tr -d ' ' >>sizes; echo $DOCBOX_EVENTS >>told
        ! grep -q '\"1-3-0\"' lines";
    let ran = tavern.run(&exec(command, &["--batch", "4", "--max-attempts", "2"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let sizes = fs::read_to_string(tavern.root.join("sizes")).unwrap();
    assert_eq!(sizes, "4\n1\n1\n1\n1\n1\n", "all, then each of them alone, then the last");
    assert_eq!(fs::read_to_string(tavern.root.join("told")).unwrap(), sizes);
    let letters = dead(&tavern);
    assert_eq!((letters.len(), &letters[0]["position"]), (1, &json!("3-0")));
}

#[test]
fn batches_on_stdout_print_each_event_once() {
    let tavern = Tavern::with_turns(5);
    let args = ["subscribe", "ui", "--from", "beginning", "--batch", "2"];
    assert_eq!(tavern.run(&[&args[..], &["--max", "3"]].concat()).json().len(), 3);
    assert_eq!(tavern.run(&args).json().len(), 2);
    assert_eq!(tavern.run(&args).ok(), "");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let tavern = Tavern::with_turns(1);
    let args = ["subscribe", "ui", "--from", "now"];
    for wrong in [
        &["--backoff", "soon"][..],
        &["--deadline", "0ms"],
        &["--max-attempts", "0"],
        &["--per-subject", "33"],
        &["--per-subject", "2", "--batch", "2"],
        &["--batch", "0"],
        &["--backoff", "9000h"],
    ] {
        tavern.run(&[&args[..], wrong].concat()).fails(2);
    }
}
