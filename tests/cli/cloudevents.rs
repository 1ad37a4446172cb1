//! Every event that the program prints is a `CloudEvents` event, as the official parser has it.

use cloudevents::{AttributesReader, Data, Event};

use crate::program::Tavern;

/// Events with and without subject and data, of every kind of JSON, with text that asks for escapes.
const TRANSACTIONS: &str = r#"{"events":[{"type":"Bare"},{"type":"Data","subject":"agents/jake","data":{"a":[1,1.0,null,"é\u0007"],"n":123456789012345678901234567890}}]}
{"writes":[{"key":"a","doc":1}],"events":[{"type":"Null","data":null},{"type":"Text","data":"line\nline"},{"type":"Number","subject":"","data":-0.5e-7},{"type":"María Elena","subject":"agents/Nguyễn Thị Mai","data":true,"meta":{"m":1}}],"meta":{"actor":"jake"}}
"#;

/// Parses every line; the events by type.
fn parsed(lines: &str, count: usize) -> Vec<Event> {
    let parse = |line: &str| -> Event {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let events: Vec<Event> = lines.lines().map(parse).collect();
    assert_eq!(events.len(), count);
    events
}

#[test]
fn the_official_parser_takes_every_line_that_is_printed() {
    let tavern = Tavern::new();
    tavern.run_with(&["commit", "--lines"], TRANSACTIONS).ok();
    let store = tavern.run(&["status", "--json"]).json()[0]["store"].as_str().unwrap().to_owned();
    let subscribe = ["subscribe", "ui", "--from", "beginning"];
    let by_exec = ["subscribe", "exec", "--from", "beginning", "--exec", "cat"];
    for args in [&["events"][..], &subscribe, &by_exec, &["events", "--json"]] {
        let events = parsed(&tavern.run(args).ok(), 6);
        let ids: Vec<&str> = events.iter().map(AttributesReader::id).collect();
        assert_eq!(ids, ["1-1-0", "1-1-1", "1-2-0", "1-2-1", "1-2-2", "1-2-3"]);
        for event in &events {
            assert_eq!(event.source().as_str(), format!("urn:docbox:{store}"));
            assert!(event.time().is_some(), "{event:?}");
            let sequence = event.extension("sequence").expect("it sorts").to_string();
            assert_eq!(sequence.len(), 22);
            assert_eq!(event.extension("attempt").is_some(), args[0] == "subscribe");
            let has_data = event.data().is_some();
            assert_eq!(event.datacontenttype(), has_data.then_some("application/json"));
        }
        assert_eq!((events[0].ty(), events[0].subject()), ("Bare", None));
        assert_eq!(events[1].subject(), Some("agents/jake"));
        assert_eq!(events[5].subject(), Some("agents/Nguyễn Thị Mai"));
        let Some(Data::Json(text)) = events[3].data() else { panic!("{:?}", events[3]) };
        assert_eq!(text, "line\nline");
    }
}

#[test]
fn documents_of_a_snapshot_are_cloudevents_too() {
    let tavern = Tavern::new();
    tavern.run_with(&["put", "agents/Nguyễn Thị Mai"], r#"{"n":1.0}"#).ok();
    tavern.run_with(&["put", "agents/jake", "--event", "Put"], "null").ok();
    let mut events = parsed(&tavern.run(&["subscribe", "ui", "--from", "snapshot"]).ok(), 2);
    tavern.run_with(&["put", "agents/jake", "--event", "Put"], "2").ok();
    events.extend(parsed(&tavern.run(&["subscribe", "ui", "--from", "snapshot"]).ok(), 1));
    let ids: Vec<&str> = events.iter().map(AttributesReader::id).collect();
    assert_eq!(ids, ["1-2-s0", "1-2-s1", "1-3-0"]);
    let sequences = events.iter().map(|event| event.extension("sequence").unwrap().to_string());
    assert!(sequences.is_sorted(), "as text");
    assert_eq!(
        (events[0].ty(), events[0].subject()),
        ("docbox.snapshot", Some("agents/Nguyễn Thị Mai"))
    );
    let Some(Data::Json(data)) = events[0].data() else { panic!("{:?}", events[0]) };
    assert_eq!(data["document"], serde_json::json!({"n": 1.0}));
    let got = tavern.run(&["get", "agents/Nguyễn Thị Mai", "--json"]).json().remove(0);
    assert_eq!(data["revision"], got["revision"]);
    assert!(tavern.run(&["events"]).ok().lines().count() == 2, "they are not in the journal");
    assert_eq!(tavern.run(&["reset", "ui", "--to", "snapshot"]).ok(), "ui 3-s\n");
    assert_eq!(tavern.run(&["subscriptions", "--json"]).json()[0]["lag_events"], 2);
    let late = tavern.run(&["wait", "ui", "3", "--timeout", "0s"]);
    assert_eq!((late.code, late.stdout.as_str()), (1, "ui 3-s\n"));
    let shown = "ev=$(cat); echo $DOCBOX_TYPE $DOCBOX_SUBJECT $DOCBOX_POSITION";
    let shown = tavern.run(&["subscribe", "ui", "--exec", shown]).ok();
    assert_eq!(
        shown,
        "docbox.snapshot agents/Nguyễn Thị Mai 3-s0\ndocbox.snapshot agents/jake 3-s1\n"
    );
    tavern.run(&["wait", "ui", "3", "--timeout", "0s"]).ok();
    let said = tavern.run(&["reset", "ui", "--to", "3-s0"]).fails(2);
    assert!(said.contains("only the subscription that is in it"), "{said}");
    tavern.run(&["events", "--after", "snapshot"]).fails(2);
}

#[test]
fn events_of_the_stores_own_are_cloudevents_too() {
    let tavern = Tavern::with_turns(2);
    let args = ["subscribe", "ui", "--from", "beginning", "--type", "docbox.*", "--type", "Turn"];
    for event in parsed(&tavern.run(&args).ok(), 2) {
        assert_eq!(event.ty(), "Turn");
    }
}

#[test]
fn changes_of_documents_are_cloudevents_too() {
    let tavern = Tavern::new();
    let lines = r#"{"writes":[{"key":"a\u0007 \"b\"","doc":{"n":[1.0,null]}},{"key":"c","doc":"text"}],"events":[{"type":"T"}]}
{"writes":[{"key":"c","delete":true}]}
"#;
    tavern.run_with(&["commit", "--lines"], lines).ok();
    let subscribe = ["subscribe", "ui", "--from", "beginning", "--changes"];
    let by_exec = ["subscribe", "exec", "--from", "beginning", "--changes", "--exec", "cat"];
    for args in [&["events", "--changes"][..], &subscribe, &by_exec] {
        let events = parsed(&tavern.run(args).ok(), 4);
        let ids: Vec<&str> = events.iter().map(AttributesReader::id).collect();
        assert_eq!(ids, ["1-1-0", "1-1-1", "1-1-2", "1-2-0"]);
        let kinds: Vec<&str> = events.iter().map(AttributesReader::ty).collect();
        assert_eq!(kinds, ["T", "docbox.put", "docbox.put", "docbox.remove"]);
        let subjects: Vec<_> = events.iter().map(AttributesReader::subject).collect();
        assert_eq!(subjects, [None, Some("a\u{7} \"b\""), Some("c"), Some("c")]);
        let data = |event: &Event| match event.data() {
            Some(Data::Json(data)) => data.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(data(&events[1])["document"]["n"][0], 1.0);
        assert!(data(&events[1])["was"].is_null());
        assert_eq!(data(&events[2])["document"], "text");
        assert_eq!(data(&events[2])["revision"], data(&events[3])["was"]);
        for event in &events {
            assert_eq!(event.extension("sequence").expect("it sorts").to_string().len(), 22);
            assert!(event.time().is_some());
        }
    }
}
