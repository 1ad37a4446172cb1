//! `commit --lines`.

use std::fs;

use serde_json::json;

use crate::program::{Tavern, json as parse};

#[test]
fn every_line_is_answered_in_order_and_blank_ones_are_skipped() {
    let tavern = Tavern::new();
    let lines = [
        r#"{"writes":[{"key":"a","doc":1,"if":"absent"}],"ref":"one"}"#,
        "",
        r#"{"writes":[{"key":"a","doc":2,"if":"absent"}],"ref":"two"}"#,
        "  \t",
        r#"{"writes":[{"key":"b","doc":"\ud800"}]}"#,
        r#"{"writes":[{"key":"c","doc":3}],"ref":"four"}"#,
    ];
    let answered = tavern.run_with(&["commit", "--lines"], lines.join("\n"));
    assert_eq!(answered.code, 2, "{answered:?}");
    assert!(answered.stderr.contains("2 of 4"), "{answered:?}");
    let answers = answered.json();
    assert_eq!(answers.len(), 4);
    assert_eq!((&answers[0]["seq"], &answers[0]["ref"]), (&json!(1), &json!("one")));
    assert!(answers[0].get("line").is_none());
    assert_eq!(
        (&answers[1]["error"], &answers[1]["line"], &answers[1]["ref"]),
        (&json!("conflict"), &json!(3), &json!("two"))
    );
    assert_eq!(
        (&answers[2]["error"], &answers[2]["line"], &answers[2]["column"]),
        (&json!("invalid"), &json!(5), &json!(30))
    );
    assert!(answers[2]["message"].as_str().unwrap().contains("line 5, column 30"));
    assert_eq!((&answers[3]["seq"], &answers[3]["ref"]), (&json!(2), &json!("four")));
}

#[test]
fn a_conflict_alone_is_1_and_none_is_0() {
    let tavern = Tavern::with_turns(1);
    let conflict = r#"{"writes":[{"key":"turns/1","doc":1,"if":"absent"}]}"#;
    assert_eq!(tavern.run_with(&["commit", "--lines"], conflict).code, 1);
    assert_eq!(tavern.run_with(&["commit", "--lines"], "").ok(), "");
    assert_eq!(tavern.run_with(&["commit", "--lines"], "\n \n\n").ok(), "");
}

#[test]
fn a_line_is_committed_and_answered_while_stdin_stays_open() {
    let tavern = Tavern::new();
    let mut running = tavern.start(&["commit", "--lines"]);
    for seq in 1..=3 {
        running.give(&format!("{{\"writes\":[{{\"key\":\"a\",\"doc\":{seq}}}]}}\n"));
        assert_eq!(parse(&running.line())[0]["seq"], seq);
        assert_eq!(tavern.run(&["get", "a"]).ok(), format!("{seq}\n"));
    }
    // Half a line is waited for.
    running.give(r#"{"writes":[{"key":"a","#);
    running.give("\"doc\":4}]}");
    let ended = running.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.json()[0]["seq"], 4);
}

#[test]
fn thousands_of_lines_come_out_as_they_went_in() {
    let tavern = Tavern::new();
    let lines: Vec<_> =
        (1..=5000).map(|n| format!("{{\"events\":[{{\"type\":\"T\"}}],\"ref\":{n}}}")).collect();
    let lines = lines.join("\n");
    let answers = parse(&tavern.run_with(&["commit", "--lines"], lines).ok());
    assert_eq!(answers.len(), 5000);
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!((&answer["seq"], &answer["ref"]), (&json!(at + 1), &json!(at + 1)));
    }
}

#[test]
fn a_document_that_each_line_builds_upon_is_counted_up() {
    let tavern = Tavern::new();
    tavern.run_with(&["put", "a"], "0").ok();
    let same: String =
        (0..20).map(|_| "{\"writes\":[{\"key\":\"b\",\"doc\":1,\"if\":\"absent\"}]}\n").collect();
    let answers = tavern.run_with(&["commit", "--lines"], same).json();
    let made = answers.iter().filter(|answer| answer.get("seq").is_some()).count();
    assert_eq!((made, answers.len()), (1, 20), "only the first finds it absent");
}

#[test]
fn a_failing_store_stops_it_with_3() {
    let tavern = Tavern::new();
    let line = |key: &str| format!("{{\"writes\":[{{\"key\":\"{key}\",\"doc\":1}}]}}\n");
    let mut running = tavern.start(&["commit", "--lines"]);
    running.give(&line("a"));
    assert_eq!(parse(&running.line())[0]["seq"], 1);
    let spool = tavern.home().join("spool");
    fs::remove_dir_all(&spool).unwrap();
    fs::write(&spool, "").unwrap();
    running.give(&line("b"));
    let answer = &parse(&running.line())[0];
    assert_eq!((&answer["error"], &answer["line"]), (&json!("failed"), &json!(2)));
    // stdin is still open: it ends of itself.
    let ended = running.end_with_stdin_open();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("spool"), "{ended:?}");
}
