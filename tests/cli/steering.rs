//! `pause`, `resume`, `rename`, `remove`, `wait`, `drain`.

use serde_json::json;

use crate::program::Tavern;

const UI: [&str; 4] = ["subscribe", "ui", "--from", "beginning"];

#[test]
fn a_paused_subscription_says_so_and_delivers_nothing_until_it_is_resumed() {
    let tavern = Tavern::with_turns(2);
    tavern.run(&[&UI[..], &["--max", "1"]].concat()).ok();
    let said = tavern.run(&["pause", "ui", "--reason", "the relay is down", "--until", "1h"]).ok();
    assert!(
        said.starts_with("ui paused until ") && said.ends_with(": the relay is down\n"),
        "{said}"
    );
    let refused = tavern.run(&["subscribe", "ui"]).fails(1);
    assert!(
        refused.contains("the relay is down") && refused.contains("docbox resume"),
        "{refused}"
    );
    let listed = &tavern.run(&["subscriptions", "--json"]).json()[0];
    assert_eq!(listed["paused"]["reason"], "the relay is down");
    assert!(listed["paused"]["until"].is_string() && listed["paused"]["since"].is_string());
    assert!(tavern.run(&["subscriptions"]).ok().contains("paused until"));
    assert!(tavern.run(&["status"]).ok().contains("paused until"));
    assert_eq!(
        tavern.run(&["resume", "ui", "--json"]).json(),
        [json!({"name":"ui","paused":null})]
    );
    assert_eq!(tavern.run(&["subscribe", "ui"]).json().len(), 1);
    let paused = &tavern.run(&["pause", "ui", "--json"]).json()[0];
    assert!(paused["paused"]["since"].is_string() && paused["paused"].get("until").is_none());
}

#[cfg(unix)]
#[test]
fn a_consumer_in_another_process_obeys_at_once() {
    let tavern = Tavern::with_turns(1);
    let consumer = tavern.start(&[&UI[..], &["--follow"]].concat());
    assert!(consumer.line().contains("1-1-0"));
    tavern.run(&["pause", "ui"]).ok();
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    let late = tavern.run(&["wait", "ui", "2", "--timeout", "200ms"]);
    assert_eq!(late.code, 1, "{late:?}");
    tavern.run(&["resume", "ui"]).ok();
    assert!(consumer.line().contains("1-2-0"));
    assert_eq!(tavern.run(&["wait", "ui", "2", "--timeout", "1m"]).ok(), "ui 2\n");
    assert_eq!(tavern.run(&["drain", "ui", "--timeout", "1m"]).ok(), "ui 2\n");
    assert_eq!(
        tavern.run(&["rename", "ui", "screen", "--json"]).json(),
        [json!({"name":"screen","renamed_from":"ui"})]
    );
    let ended = consumer.end();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("there is no subscription `ui`"), "{ended:?}");
    let consumer = tavern.start(&["subscribe", "screen", "--follow"]);
    tavern.run_with(&["put", "a", "--event", "T"], "2").ok();
    assert!(consumer.line().contains("1-3-0"));
    assert_eq!(tavern.run(&["remove", "screen"]).ok(), "screen removed\n");
    assert_eq!(consumer.end().code, 1);
    assert_eq!(tavern.run(&["subscriptions", "--json"]).ok(), "");
}

#[test]
fn waiting_says_how_far_each_is_and_ends_with_1_when_it_was_in_vain() {
    let tavern = Tavern::with_turns(3);
    tavern.run(&[&UI[..], &["--max", "2"]].concat()).ok();
    tavern.run(&["subscribe", "all", "--from", "beginning"]).ok();
    assert_eq!(
        tavern.run(&["wait", "ui", "2-0", "--json"]).json(),
        [json!({"name":"ui","position":"2","settled":true})]
    );
    let late = tavern.run(&["drain", "all", "ui", "--timeout", "10ms", "--json"]);
    assert_eq!(late.code, 1);
    let wanted = [
        json!({"name":"all","position":"3","settled":true}),
        json!({"name":"ui","position":"2","settled":false}),
    ];
    assert_eq!(late.json(), wanted);
    assert!(late.stderr.contains("not settled in time: ui"), "{late:?}");
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let tavern = Tavern::with_turns(1);
    tavern.run(&UI).ok();
    for verb in ["pause", "resume", "remove"] {
        let said = tavern.run(&[verb, "nobody"]).fails(1);
        assert!(said.contains("no subscription `nobody`"), "{said}");
        tavern.run(&[verb, "a/b"]).fails(2);
    }
    for args in
        [&["rename", "nobody", "x"][..], &["wait", "nobody", "1"], &["drain", "ui", "nobody"]]
    {
        tavern.run(args).fails(1);
    }
    let wrong: [&[&str]; 9] = [
        &["rename", "ui", "a/b"],
        &["rename", "ui", "ui"],
        &["wait", "ui", "first"],
        &["wait", "ui", "1", "--timeout", "soon"],
        &["wait", "a/b", "1"],
        &["drain"],
        &["drain", "ui", "--timeout", "-5s"],
        &["pause", "ui", "--until", "2020-01-01T00:00:00Z"],
        &["pause", "ui", "--until", "some day"],
    ];
    for args in wrong {
        tavern.run(args).fails(2);
    }
    assert_eq!(tavern.run(&["subscriptions", "--json"]).json().len(), 1);
}

#[test]
fn a_reset_to_what_is_no_longer_kept_is_refused_until_the_gap_is_accepted() {
    let tavern = Tavern::with_turns(1);
    tavern.run(&UI).ok();
    let sizes = docbox::Sizes { segment_bytes: 1500, fill_bytes: 512 };
    let limits = docbox::Limits {
        sizes,
        retain_age: std::time::Duration::ZERO,
        ..docbox::Limits::default()
    };
    let store =
        docbox::Store::options().limits(limits).housekeeping(false).open(&tavern.root).unwrap();
    for turn in 0..50 {
        store.commit(docbox::Transaction::new().put("turn", &turn).unwrap()).unwrap();
    }
    store.reset("ui", docbox::Start::Now).unwrap();
    store.checkpoint().unwrap();
    assert!(store.retain().unwrap() > 0);
    store.close().unwrap();
    let refused = tavern.run(&["reset", "ui", "--to", "1"]).fails(1);
    assert!(refused.contains("no longer kept") && refused.contains("--accept-gap"), "{refused}");
    let moved = tavern.run(&["reset", "ui", "--to", "1", "--accept-gap", "--json"]);
    let moved = &moved.json()[0];
    assert_eq!((&moved["name"], &moved["gap"]["after"]), (&json!("ui"), &json!("1")));
    assert_eq!(moved["position"], moved["gap"]["up_to"]);
    let gap = &tavern.run(&["events", "--type", "docbox.*", "--json"]).json()[0];
    assert_eq!((&gap["type"], &gap["subject"]), (&json!("docbox.gap"), &json!("ui")));
}
