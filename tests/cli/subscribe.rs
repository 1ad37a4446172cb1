//! `subscribe`.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::program::{Tavern, json as parse, program};

const FROM_BEGINNING: [&str; 4] = ["subscribe", "ui", "--from", "beginning"];

#[test]
fn what_was_printed_is_settled_and_does_not_come_again() {
    let tavern = Tavern::with_turns(3);
    let events = tavern.run(&FROM_BEGINNING).json();
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1-1-0", "1-2-0", "1-3-0"]);
    assert!(events.iter().all(|event| event["attempt"] == 1));
    assert_eq!(tavern.run(&["subscribe", "ui"]).ok(), "");
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    // The start counts at the first use only.
    assert_eq!(tavern.run(&FROM_BEGINNING).json()[0]["id"], "1-4-0");
}

#[test]
fn the_first_use_needs_a_start() {
    let tavern = Tavern::with_turns(2);
    let said = tavern.run(&["subscribe", "ui"]).fails(2);
    assert!(said.contains("for the first time"), "{said}");
    assert_eq!(tavern.run(&["subscribe", "ui", "--from", "now"]).ok(), "");
    assert_eq!(tavern.run(&["subscribe", "b", "--from", "1-0"]).json()[0]["id"], "1-2-0");
    let said = tavern.run(&["subscribe", "c", "--from", "9"]).fails(2);
    assert!(said.contains("beyond the head"), "{said}");
    tavern.run(&["subscribe", "No Name", "--from", "now"]).fails(2);
}

#[test]
fn filters_choose_and_the_rest_is_settled_along() {
    let tavern = Tavern::with_turns(3);
    let events = tavern.run(&[&FROM_BEGINNING[..], &["--subject", "*/2"]].concat()).json();
    assert_eq!(events.len(), 1);
    let status = &tavern.run(&["subscriptions", "--json"]).json()[0];
    assert_eq!((&status["position"], &status["lag_events"]), (&json!("3"), &json!(0)));
}

#[test]
fn changes_are_asked_for_and_types_say_which() {
    let tavern = Tavern::new();
    tavern.run_with(&["put", "a", "--event", "MailSent"], "1").ok();
    tavern.run_with(&["put", "a"], "2").ok();
    tavern.run(&["rm", "a"]).ok();
    let ids = |verb: &[&str], types: &[&str]| -> Vec<String> {
        let types = types.iter().flat_map(|glob| ["--type", glob]);
        let args: Vec<&str> = verb.iter().copied().chain(types).collect();
        let events = tavern.run(&args).json();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let cases: [(&[&str], &[&str]); 5] = [
        (&[], &["1-1-0", "1-1-1", "1-2-0", "1-3-0"]),
        (&["docbox.*"], &["1-1-1", "1-2-0", "1-3-0"]),
        (&["docbox.put"], &["1-1-1", "1-2-0"]),
        (&["Mail*"], &["1-1-0", "1-1-1", "1-2-0", "1-3-0"]),
        (&["Mail*", "docbox.remove"], &["1-1-0", "1-3-0"]),
    ];
    for (case, (types, expected)) in cases.into_iter().enumerate() {
        let name = format!("case-{case}");
        let subscribe = ["subscribe", &name, "--from", "beginning", "--changes"];
        assert_eq!(ids(&subscribe, types), expected);
        assert_eq!(ids(&["events", "--changes"], types), expected);
    }
    assert_eq!(ids(&["subscribe", "plain", "--from", "beginning"], &["docbox.*"]), [""; 0]);
    assert_eq!(ids(&["events"], &["docbox.*"]), [""; 0]);
    assert_eq!(ids(&["events", "--changes", "--after", "1-0"], &[]), ["1-1-1", "1-2-0", "1-3-0"]);
    let listed = tavern.run(&["subscriptions", "--json"]).json();
    let asks: Vec<_> = listed.iter().map(|one| one["changes"].as_bool().unwrap()).collect();
    assert_eq!(asks, [true, true, true, true, true, false]);
}

#[cfg(unix)]
#[test]
fn a_command_mirrors_documents_by_their_changes() {
    let tavern = Tavern::new();
    let mirror = tempfile::tempdir().unwrap();
    let exec = format!(
        "cd {} && case $DOCBOX_TYPE in docbox.put) cat > $DOCBOX_SUBJECT ;; docbox.remove) rm $DOCBOX_SUBJECT ;; esac",
        mirror.path().display()
    );
    for (key, doc) in [("a", "1"), ("b", "2"), ("a", "[3]")] {
        tavern.run_with(&["put", key], doc).ok();
    }
    tavern.run(&["rm", "b"]).ok();
    let args = ["subscribe", "mirror", "--from", "beginning", "--changes", "--exec", &exec];
    tavern.run(&[&args[..], &["--per-subject", "2"]].concat()).ok();
    let read = |name| fs::read_to_string(mirror.path().join(name));
    assert_eq!(parse(&read("a").unwrap())[0]["data"]["document"], json!([3]));
    assert!(read("b").is_err(), "it was removed");
    assert_eq!(tavern.run(&["subscriptions", "--json"]).json()[0]["lag_events"], 0);
}

#[test]
fn max_ends_after_so_many_deliveries() {
    let tavern = Tavern::with_turns(3);
    assert_eq!(tavern.run(&[&FROM_BEGINNING[..], &["--max", "2"]].concat()).json().len(), 2);
    assert_eq!(tavern.run(&["subscribe", "ui", "--max", "1", "--follow"]).json()[0]["id"], "1-3-0");
}

#[test]
fn a_command_gets_the_event_and_its_environment() {
    let tavern = Tavern::with_turns(1);
    let exec =
        "cat; echo $DOCBOX_TYPE $DOCBOX_SUBJECT $DOCBOX_POSITION $DOCBOX_ATTEMPT; echo said >&2";
    let ran = tavern.run(&[&FROM_BEGINNING[..], &["--exec", exec]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let (event, environment) = ran.stdout.split_once('\n').unwrap();
    assert_eq!(parse(event)[0]["id"], "1-1-0");
    assert_eq!(environment, "Turn turns/1 1-0 1\n");
    assert!(ran.stderr.contains("said"), "{ran:?}");
}

#[test]
fn a_command_that_fails_gets_the_event_again_after_a_backoff() {
    let tavern = Tavern::with_turns(2);
    let exec = "echo $DOCBOX_POSITION $DOCBOX_ATTEMPT; [ $DOCBOX_ATTEMPT = 2 ] || [ $DOCBOX_POSITION = 2-0 ] || exit 3";
    let ran = tavern.run(&[&FROM_BEGINNING[..], &["--exec", exec]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, "1-0 1\n1-0 2\n2-0 1\n");
    assert!(ran.stderr.contains("exit status 3") && ran.stderr.contains("comes again"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_command_that_a_signal_ends_has_failed() {
    let tavern = Tavern::with_turns(1);
    let exec = "echo $DOCBOX_ATTEMPT; kill -KILL $$";
    let ran = tavern.run(&[&FROM_BEGINNING[..], &["--exec", exec, "--max", "1"]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1\n"), "{ran:?}");
    assert!(ran.stderr.contains("signal"), "{ran:?}");
    assert_eq!(tavern.run(&["subscriptions", "--json"]).json()[0]["lag_events"], 1);
}

#[test]
fn a_command_need_not_read_its_event() {
    let tavern = Tavern::new();
    let data = "a".repeat(1 << 20);
    let text = format!(r#"{{"events":[{{"type":"T","data":"{data}"}}]}}"#);
    tavern.run_with(&["commit"], text).ok();
    let ran = tavern.run(&[&FROM_BEGINNING[..], &["--exec", "true"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(tavern.run(&["subscriptions", "--json"]).json()[0]["lag_events"], 0);
}

#[test]
fn without_follow_it_ends_at_the_head_of_its_start_whatever_is_committed_meanwhile() {
    let tavern = Tavern::with_turns(2);
    let docbox = env!("CARGO_BIN_EXE_docbox");
    let exec =
        format!("echo 1 | '{docbox}' put more --event Turn >/dev/null; echo $DOCBOX_POSITION");
    // Without an end of its own it would go on for ever: `--max` is there for that.
    let args = ["--exec", &exec, "--max", "9"];
    assert_eq!(tavern.run(&[&FROM_BEGINNING[..], &args].concat()).ok(), "1-0\n2-0\n");
    assert_eq!(tavern.run(&["subscribe", "ui"]).json().len(), 2);
}

#[test]
fn a_command_inherits_no_lock() {
    let tavern = Tavern::with_turns(1);
    let docbox = env!("CARGO_BIN_EXE_docbox");
    // What it leaves behind lives on when the subscription has ended, and holds nothing.
    let exec =
        format!("'{docbox}' put seen <marker >/dev/null; sleep 600 >/dev/null 2>&1 & echo $! >pid");
    fs::write(tavern.root.join("marker"), "1").unwrap();
    tavern.run(&[&FROM_BEGINNING[..], &["--exec", &exec]].concat()).ok();
    let pid = fs::read_to_string(tavern.root.join("pid")).unwrap();
    assert_eq!(tavern.run(&["subscribe", "ui"]).ok(), "");
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[cfg(unix)]
#[test]
fn follow_delivers_what_comes_and_ends_cleanly_on_a_signal() {
    for signal in ["INT", "TERM"] {
        let tavern = Tavern::with_turns(1);
        let running = tavern.start(&[&FROM_BEGINNING[..], &["--follow"]].concat());
        assert_eq!(parse(&running.line())[0]["id"], "1-1-0");
        tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
        assert_eq!(parse(&running.line())[0]["id"], "1-2-0");
        running.signal(signal);
        let ended = running.end();
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{signal}: {ended:?}");
        assert_eq!(tavern.run(&["subscribe", "ui"]).ok(), "", "all of it is settled");
    }
}

#[cfg(unix)]
#[test]
fn a_second_consumer_is_busy_or_waits() {
    let tavern = Tavern::with_turns(1);
    let first = tavern.start(&[&FROM_BEGINNING[..], &["--follow"]].concat());
    first.line();
    let said = tavern.run(&["subscribe", "ui"]).fails(1);
    assert!(said.contains(&first.id().to_string()) && said.contains("--wait"), "{said}");
    let listed = &tavern.run(&["subscriptions", "--json"]).json()[0];
    assert_eq!(listed["pid"], first.id());
    let second = tavern.start(&["subscribe", "ui", "--wait", "--follow", "--max", "1"]);
    first.signal("TERM");
    assert_eq!(first.end().code, 0);
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    assert_eq!(parse(&second.line())[0]["id"], "1-2-0");
    assert_eq!(second.end().code, 0);
}

#[cfg(unix)]
#[test]
fn whoever_waits_for_another_consumer_can_be_stopped() {
    let tavern = Tavern::with_turns(1);
    let first = tavern.start(&[&FROM_BEGINNING[..], &["--follow"]].concat());
    first.line();
    let mut command = program(&tavern.root, &["subscribe", "ui", "--wait"]);
    command.env("DOCBOX_LOG", "info");
    let mut second = command.stderr(Stdio::piped()).spawn().unwrap();
    // It says so once it waits, and by then it listens for signals.
    let mut stderr = second.stderr.take().unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("held by another consumer") {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    let pid = second.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(0));
    first.signal("TERM");
    assert_eq!(first.end().code, 0);
}

#[test]
fn what_could_not_be_written_out_comes_again() {
    let tavern = Tavern::new();
    let data = "a".repeat(1 << 20);
    let text = format!(r#"{{"events":[{{"type":"T","data":"{data}"}}]}}"#);
    tavern.run_with(&["commit"], text).ok();
    let mut command = program(&tavern.root, &FROM_BEGINNING);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    let again = tavern.run(&["subscribe", "ui"]).json();
    assert_eq!(
        (&again[0]["id"], &again[0]["attempt"]),
        (&json!("1-1-0"), &json!(1)),
        "no attempt: it is not its fault"
    );
}

#[test]
fn a_subscription_may_begin_at_a_time() {
    let tavern = Tavern::with_turns(3);
    let events = tavern.run(&["events", "--json"]).json();
    let time = events[0]["time"].as_str().unwrap();
    assert_eq!(tavern.run(&["subscribe", "ui", "--from", time]).json().len(), 3);
    for wrong in ["2099-01-01T00:00:00Z", "yesterday", "2026-13-01T00:00:00Z", "4"] {
        tavern.run(&["subscribe", "other", "--from", wrong]).fails(2);
        tavern.run(&["reset", "ui", "--to", wrong]).fails(2);
    }
    let moved = tavern.run(&["reset", "ui", "--to", "2020-01-01T00:00:00Z"]).ok();
    assert_eq!(moved, "ui 0\n");
}
