//! `dead`.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::program::Tavern;

/// A store whose first two of three events are dead letters of `ui`.
fn with_letters() -> Tavern {
    let tavern = Tavern::with_turns(3);
    let exec = "[ $DOCBOX_POSITION = 3-0 ] || exit 65";
    tavern.run(&["subscribe", "ui", "--from", "beginning", "--exec", exec]).ok();
    tavern
}

fn path(tavern: &Tavern, seq: u64) -> PathBuf {
    tavern.home().join(format!("dead/ui/{seq:016}-00000.json"))
}

#[test]
fn lists_and_shows_what_was_given_up() {
    let tavern = with_letters();
    let listed = tavern.run(&["dead", "list", "ui"]).ok();
    let first: Vec<&str> = listed.lines().next().unwrap().split('\t').collect();
    assert_eq!(first, ["1-0", "Turn", "turns/1", "1", "dead", "exit status 65"]);
    assert_eq!(listed.lines().count(), 2);
    let shown = tavern.run(&["dead", "show", "ui", "1-0"]).ok();
    assert_eq!(shown, fs::read_to_string(path(&tavern, 1)).unwrap(), "the file itself");
    let one = tavern.run(&["dead", "show", "ui", "1-0", "--json"]).json();
    assert_eq!(one, tavern.run(&["dead", "list", "ui", "--json"]).json()[..1]);
    let said = tavern.run(&["dead", "show", "ui", "9-0"]).fails(1);
    assert!(said.contains("no dead letter of `ui` at 9-0"), "{said}");
    tavern.run(&["dead", "show", "ui", "first"]).fails(2);
    tavern.run(&["dead", "list", "nobody"]).fails(1);
    tavern.run(&["dead", "list", "No Name"]).fails(2);
    tavern.run_with(&["put", "a"], "1").ok();
    tavern.run(&["subscribe", "other", "--from", "now"]).ok();
    assert_eq!(tavern.run(&["dead", "list", "other"]).ok(), "", "nothing for an empty list");
}

#[test]
fn announces_each_dead_letter_by_an_event() {
    let tavern = with_letters();
    let events = tavern.run(&["events", "--type", "docbox.*"]).json();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[0]["type"], &events[0]["subject"]),
        (&json!("docbox.dead_lettered"), &json!("turns/1"))
    );
    assert_eq!(events[0]["data"]["position"], "1-0");
    assert_eq!(tavern.run(&["verify"]).code, 0);
}

#[test]
fn redrives_with_nothing_running_and_the_next_consumer_delivers_them_first() {
    let tavern = with_letters();
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    assert_eq!(tavern.run(&["dead", "redrive", "ui", "--dry-run"]).ok(), "1-0\n2-0\n");
    assert_eq!(tavern.run(&["dead", "redrive", "ui", "--type", "None*"]).ok(), "");
    assert_eq!(
        tavern.run(&["dead", "redrive", "ui", "2", "--json"]).json(),
        [json!({"position": "2-0"})]
    );
    tavern.run(&["dead", "redrive", "ui", "7-0"]).fails(1);
    let state = tavern.run(&["dead", "list", "ui"]).ok();
    assert!(state.lines().nth(1).unwrap().contains("redriven"), "{state}");
    let events = tavern.run(&["subscribe", "ui"]).json();
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1-2-0", "1-6-0"]);
    assert_eq!(events[0]["attempt"], 1);
    assert_eq!(tavern.run(&["dead", "list", "ui"]).ok().lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn the_consumer_that_runs_redrives_at_once() {
    let tavern = with_letters();
    let running = tavern.start(&["subscribe", "ui", "--follow"]);
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    assert!(running.line().contains("\"1-6-0\""));
    tavern.run(&["dead", "redrive", "ui"]).ok();
    assert!(running.line().contains("\"1-1-0\""));
    assert!(running.line().contains("\"1-2-0\""));
    running.signal("TERM");
    assert_eq!(running.end().code, 0);
    assert_eq!(tavern.run(&["dead", "list", "ui"]).ok(), "");
}

#[test]
fn a_letter_edited_to_something_that_is_no_json_is_refused_with_line_and_column() {
    let tavern = with_letters();
    let text = fs::read_to_string(path(&tavern, 2)).unwrap();
    fs::write(path(&tavern, 2), text.replacen("\"ui\",", "\"ui\"", 1)).unwrap();
    let said = tavern.run(&["dead", "redrive", "ui"]).fails(2);
    assert!(said.contains("line 3, column") && said.contains("00002-00000.json"), "{said}");
    let listed = tavern.run(&["dead", "list", "ui"]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (2, 1), "{listed:?}");
    tavern.run(&["dead", "show", "ui", "2-0"]).fails(2);
    // Mended, and edited on the way.
    fs::write(path(&tavern, 2), text.replace("\"data\": 2", "\"data\": 200")).unwrap();
    tavern.run(&["dead", "redrive", "ui", "2-0"]).ok();
    assert_eq!(tavern.run(&["subscribe", "ui"]).json()[0]["data"], 200);
}

#[test]
fn drops_one_or_all_for_good() {
    let tavern = with_letters();
    tavern.run(&["dead", "drop", "ui"]).fails(2);
    tavern.run(&["dead", "drop", "ui", "1-0", "--all"]).fails(2);
    tavern.run(&["dead", "drop", "ui", "1-0", "9-0"]).fails(1);
    assert_eq!(tavern.run(&["dead", "drop", "ui", "1-0"]).ok(), "1-0\n");
    assert!(!path(&tavern, 1).exists() && path(&tavern, 2).exists());
    assert_eq!(tavern.run(&["dead", "drop", "ui", "--all"]).ok(), "2-0\n");
    assert_eq!(tavern.run(&["subscribe", "ui"]).ok(), "");
    assert_eq!(tavern.run(&["verify"]).code, 0);
}
