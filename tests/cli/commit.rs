//! `commit`: one transaction.

use std::fs;

use serde_json::json;

use crate::program::Tavern;

#[test]
fn a_commit_prints_seq_and_every_revision_in_order() {
    let tavern = Tavern::with_turns(2);
    let text = r#"{"writes":[{"key":"b","doc":{"x":1},"if":"absent"},{"key":"turns/1","delete":true}],
        "events":[{"type":"T","data":[1.0]}],"meta":{"actor":"jake"},"ref":{"mine": 1}}"#;
    let printed = tavern.run_with(&["commit"], text).ok();
    let revision = tavern.run(&["get", "b", "--json"]).json()[0]["revision"].clone();
    assert_eq!(
        printed,
        format!(
            "{{\"seq\":3,\"revisions\":{{\"b\":{revision},\"turns/1\":null}},\"ref\":{{\"mine\":1}}}}\n"
        )
    );
    fs::write(tavern.root.join("transaction"), r#"{"events":[{"type":"T"}]}"#).unwrap();
    assert_eq!(tavern.run(&["commit", "transaction"]).ok(), "{\"seq\":4,\"revisions\":{}}\n");
}

#[test]
fn a_conflict_is_told_on_stdout_and_ends_with_1() {
    let tavern = Tavern::with_turns(1);
    let text =
        r#"{"writes":[{"key":"turns/1","doc":1,"if":"absent"},{"key":"new","doc":1}],"ref":7}"#;
    let refused = tavern.run_with(&["commit"], text);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("conflict on `turns/1`"), "{refused:?}");
    let refused = &refused.json()[0];
    assert_eq!(
        (&refused["error"], &refused["key"], &refused["expected"], &refused["ref"]),
        (&json!("conflict"), &json!("turns/1"), &json!("absent"), &json!(7))
    );
    assert_eq!(refused["found"].as_str().unwrap().len(), 16);
    tavern.run(&["get", "new"]).fails(1);
    let text = r#"{"writes":[{"key":"gone","delete":true,"if":"9f86d081884c7d65"}]}"#;
    let refused = &tavern.run_with(&["commit"], text).json()[0];
    assert!(refused.get("found").is_some_and(serde_json::Value::is_null), "{refused}");
    assert_eq!(refused["expected"], "9f86d081884c7d65");
}

#[test]
fn what_is_wrong_ends_with_2_and_leaves_nothing() {
    let tavern = Tavern::new();
    let deep = "[".repeat(129) + &"]".repeat(129);
    let deep = format!(r#"{{"writes":[{{"key":"a","doc":{deep}}}]}}"#);
    let long = format!(r#"{{"writes":[{{"key":"{}","doc":1}}]}}"#, "a/".repeat(16) + "a");
    for (text, said) in [
        ("", "line 1"),
        ("{}", "neither writes nor events"),
        ("[]", "object"),
        (r#"{"writes":[],"events":[]}"#, "neither writes nor events"),
        (r#"{"wrytes":[]}"#, "wrytes"),
        (r#"{"writes":[{"key":"a","doc":1,"mode":1}]}"#, "mode"),
        (r#"{"writes":[{"key":"a"}]}"#, "neither `doc`"),
        (r#"{"writes":[{"key":"a","doc":1,"delete":true}]}"#, "give one of them"),
        (r#"{"writes":[{"key":"a","doc":1,"if":"x"}]}"#, "absent"),
        (r#"{"writes":[{"key":"a","doc":1},{"key":"a","doc":2}]}"#, "twice"),
        (r#"{"writes":[{"key":"a\u0000b","doc":1}]}"#, "NUL"),
        (r#"{"writes":[{"key":"a/../b","doc":1}]}"#, "`..`"),
        (r#"{"writes":[{"key":".docbox/x","doc":1}]}"#, "the store's own"),
        (r#"{"writes":[{"key":"a","doc":"\udc00"}]}"#, "column 30"),
        (r#"{"events":[{"type":"docbox.mine"}]}"#, "the store's own"),
        (r#"{"events":[{"type":""}]}"#, "type"),
        (&deep, "128 levels"),
        (&long, "16 are allowed"),
    ] {
        let refused = tavern.run_with(&["commit"], text);
        assert_eq!(refused.code, 2, "{text}: {refused:?}");
        let answer = &refused.json()[0];
        assert_eq!(answer["error"], "invalid", "{text}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(said), "{text}: {message}");
        let is_about_json = message.contains("not valid JSON");
        assert_eq!(answer.get("column").is_some(), is_about_json, "{text}: {answer}");
    }
    assert_eq!(tavern.run(&["ls"]).ok(), "");
    assert_eq!(tavern.run(&["status", "--json"]).json()[0]["head"], 0);
}

#[test]
fn a_commit_has_at_most_64_mib() {
    let tavern = Tavern::new();
    let doc = "a".repeat(15 << 20);
    let writes: Vec<_> = (0..5).map(|n| format!(r#"{{"key":"k{n}","doc":"{doc}"}}"#)).collect();
    let refused = tavern.run_with(&["commit"], format!(r#"{{"writes":[{}]}}"#, writes.join(",")));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("64 MiB"), "{}", refused.stderr);
    let fits = tavern.run_with(&["commit"], format!(r#"{{"writes":[{}]}}"#, writes[..4].join(",")));
    assert_eq!(fits.code, 0, "{}", fits.stderr);
    assert_eq!(tavern.run(&["ls"]).ok(), "k0\nk1\nk2\nk3\n");
}
