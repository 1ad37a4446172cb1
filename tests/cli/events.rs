//! `events`.

use serde_json::json;

use crate::program::{Tavern, json as parse};

#[test]
fn events_are_cloudevents_one_a_line() {
    let tavern = Tavern::new();
    tavern
        .run_with(
            &["commit"],
            r#"{"events":[{"type":"T","subject":"a","data":{"n":1.0,"n":2}},{"type":"U"}]}"#,
        )
        .ok();
    let text = tavern.run(&["events"]).ok();
    let events = parse(&text);
    let store = &tavern.run(&["status", "--json"]).json()[0]["store"];
    let first = &events[0];
    assert_eq!(first["specversion"], "1.0");
    assert_eq!(first["id"], "1-1-0");
    assert_eq!(first["source"], format!("urn:docbox:{}", store.as_str().unwrap()));
    assert_eq!((&first["type"], &first["subject"]), (&json!("T"), &json!("a")));
    assert_eq!(first["datacontenttype"], "application/json");
    assert_eq!(first["sequence"], "0000000000000001-00000");
    let time = first["time"].as_str().unwrap();
    assert!(time.len() == "2026-11-23T08:10:00.123456Z".len() && time.ends_with('Z'), "{time}");
    assert!(text.contains(r#""data":{"n":1.0,"n":2}"#), "every token is kept: {text}");
    assert!(first.get("attempt").is_none());
    let second = &events[1];
    for absent in ["subject", "data", "datacontenttype"] {
        assert!(second.get(absent).is_none(), "{second}");
    }
}

#[test]
fn events_are_chosen_by_position_type_and_subject() {
    let tavern = Tavern::with_turns(3);
    let ids = |args: &[&str]| -> Vec<String> {
        let events = tavern.run(&[&["events"], args].concat()).json();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]), ["1-1-0", "1-2-0", "1-3-0"]);
    assert_eq!(ids(&["--after", "1-0"]), ["1-2-0", "1-3-0"]);
    assert_eq!(ids(&["--after", "2"]), ["1-3-0"]);
    assert_eq!(ids(&["--after", "3"]), [""; 0]);
    assert_eq!(ids(&["--subject", "*/2", "--subject", "*/3"]), ["1-2-0", "1-3-0"]);
    assert_eq!(ids(&["--type", "turn"]), [""; 0]);
    assert_eq!(ids(&["--type", "T*", "--subject", "turns/1"]), ["1-1-0"]);
    let said = tavern.run(&["events", "--after", "4"]).fails(2);
    assert!(said.contains("beyond the head"), "{said}");
    let said = tavern.run(&["events", "--after", "x"]).fails(2);
    assert!(said.contains("not a position"), "{said}");
}

#[cfg(unix)]
#[test]
fn follow_shows_what_comes_and_ends_on_an_interrupt_with_0() {
    let tavern = Tavern::with_turns(1);
    let running = tavern.start(&["events", "--follow"]);
    assert_eq!(parse(&running.line())[0]["id"], "1-1-0");
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    assert_eq!(parse(&running.line())[0]["id"], "1-2-0");
    running.signal("INT");
    let ended = running.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
}
