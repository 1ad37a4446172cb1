//! `put`, `get`, `rm`, `update`, `ls`.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::program::{Tavern, program};

#[test]
fn put_prints_seq_and_revision_and_get_the_exact_bytes() {
    let tavern = Tavern::new();
    let put = tavern.run_with(&["put", "agents/jake"], r#"{"n":1.0,  "n":[ ]}"#).ok();
    let (seq, revision) = put.trim_end().split_once(' ').unwrap();
    assert_eq!(seq, "1");
    let file = fs::read_to_string(tavern.root.join("agents/jake.json")).unwrap();
    assert_eq!(file, "{\n  \"n\": 1.0,\n  \"n\": []\n}\n");
    assert_eq!(tavern.run(&["get", "agents/jake"]).ok(), file);
    let shown = tavern.run(&["get", "agents/jake", "--json"]).ok();
    assert_eq!(
        shown,
        format!(
            "{{\"key\":\"agents/jake\",\"revision\":\"{revision}\",\"value\":{{\"n\":1.0,\"n\":[]}}}}\n"
        )
    );
}

#[test]
fn put_takes_a_file_a_link_to_one_or_stdin() {
    let tavern = Tavern::new();
    fs::write(tavern.root.join("text"), "[1]").unwrap();
    tavern.run(&["put", "a", "text"]).ok();
    assert_eq!(tavern.run(&["get", "a"]).ok(), "[\n  1\n]\n");
    tavern.run_with(&["put", "a", "-"], "2").ok();
    assert_eq!(tavern.run(&["get", "a"]).ok(), "2\n");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("text", tavern.root.join("link")).unwrap();
        tavern.run(&["put", "b", "link"]).ok();
        assert_eq!(tavern.run(&["get", "b"]).ok(), "[\n  1\n]\n");
    }
    let said = tavern.run(&["put", "a", "gone"]).fails(2);
    assert!(said.contains("there is no file gone"), "{said}");
}

#[test]
fn put_refuses_what_was_not_expected_with_1() {
    let tavern = Tavern::new();
    let first = tavern.run_with(&["put", "a", "--if-absent"], "1").ok();
    let said = tavern.run_with(&["put", "a", "--if-absent"], "2").fails(1);
    assert!(said.contains("conflict on `a`") && said.contains("read it again"), "{said}");
    let revision = first.trim_end().split_once(' ').unwrap().1;
    tavern.run_with(&["put", "a", "--if-revision", revision], "2").ok();
    let refused = tavern.run_with(&["put", "a", "--if-revision", revision, "--json"], "3");
    assert_eq!(refused.code, 1);
    let refused = &refused.json()[0];
    assert_eq!(
        (&refused["error"], &refused["key"], &refused["expected"]),
        (&json!("conflict"), &json!("a"), &json!(revision))
    );
    assert_eq!(tavern.run(&["get", "a"]).ok(), "2\n");
    tavern.run_with(&["put", "a", "--if-revision", "nonsense"], "3").fails(2);
}

#[test]
fn put_and_rm_announce_in_the_same_commit() {
    let tavern = Tavern::new();
    let spawned = ["put", "agents/jake", "--event", "AgentSpawned", "--data", "-1"];
    let put = tavern.run_with(&[&spawned[..], &["--json"]].concat(), "{}");
    assert_eq!(put.json()[0]["seq"], 1);
    tavern.run_with(&["rm", "agents/jake", "--event", "AgentRemoved", "--subject", "x"], "").ok();
    let events = tavern.run(&["events"]).json();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[0]["type"], &events[0]["subject"], &events[0]["data"], &events[0]["id"]),
        (&json!("AgentSpawned"), &json!("agents/jake"), &json!(-1), &json!("1-1-0"))
    );
    assert_eq!(
        (&events[1]["subject"], &events[1]["sequence"]),
        (&json!("x"), &json!("0000000000000002-00000"))
    );
    assert!(events[1].get("data").is_none() && events[1].get("datacontenttype").is_none());
    let own = tavern.run_with(&["put", "a", "--event", "docbox.mine"], "{}").fails(2);
    assert!(own.contains("the store's own"), "{own}");
    let bad = tavern.run_with(&["put", "a", "--event", "T", "--data", "{"], "{}").fails(2);
    assert!(bad.contains("line 1, column 2"), "{bad}");
    assert!(tavern.run(&["get", "a"]).code == 1, "nothing of a refused commit is there");
}

#[test]
fn a_missing_document_is_1() {
    let tavern = Tavern::new();
    for args in [&["get", "a"][..], &["rm", "a"], &["update", "a", "--exec", "cat"]] {
        let said = tavern.run(args).fails(1);
        assert!(said.contains("there is no document `a`") && said.contains("docbox ls"), "{said}");
    }
    tavern.run(&["rm", "a", "--if-revision", "9f86d081884c7d65"]).fails(1);
}

#[test]
fn rm_deletes_and_prints_no_revision() {
    let tavern = Tavern::with_turns(2);
    assert_eq!(tavern.run(&["rm", "turns/1"]).ok(), "3 -\n");
    assert!(!tavern.root.join("turns/1.json").exists());
    let removed = tavern.run(&["rm", "turns/2", "--json"]);
    assert_eq!(removed.ok(), "{\"seq\":4,\"revisions\":{\"turns/2\":null}}\n");
}

#[test]
fn update_filters_a_document_through_a_command() {
    let tavern = Tavern::new();
    tavern.run_with(&["put", "a"], r#"{"state":"idle"}"#).ok();
    let exec = "sed s/idle/done/";
    tavern.run(&["update", "a", "--exec", exec, "--event", "Done", "--data", "{}"]).ok();
    assert_eq!(tavern.run(&["get", "a"]).ok(), "{\n  \"state\": \"done\"\n}\n");
    assert_eq!(tavern.run(&["events"]).json()[0]["type"], "Done");
    let said = tavern.run(&["update", "a", "--exec", "cat; exit 3"]).fails(1);
    assert!(said.contains("exit status 3") && said.contains("nothing was written"), "{said}");
    let said = tavern.run(&["update", "a", "--exec", "printf '{\\n 1'"]).fails(2);
    assert!(said.contains("line 2, column 2"), "{said}");
    assert_eq!(tavern.run(&["get", "a"]).ok(), "{\n  \"state\": \"done\"\n}\n");
}

#[test]
fn update_begins_anew_when_somebody_else_wrote() {
    let tavern = Tavern::new();
    tavern.run_with(&["put", "count"], "1").ok();
    // The first run of the command writes the document itself, behind the back of `update`.
    let docbox = env!("CARGO_BIN_EXE_docbox");
    let exec = format!(
        "cat >seen; if [ ! -e twice ]; then : >twice; echo 41 | '{docbox}' put count >/dev/null; fi; echo $(($(cat seen) + 1))"
    );
    let updated = tavern.run(&["update", "count", "--exec", &exec]).ok();
    assert!(updated.starts_with("3 "), "{updated}");
    assert_eq!(tavern.run(&["get", "count"]).ok(), "42\n");
}

#[test]
fn a_command_need_not_read_what_it_is_given() {
    let tavern = Tavern::new();
    let long = format!("\"{}\"", "a".repeat(1 << 20));
    tavern.run_with(&["put", "a"], &long).ok();
    tavern.run(&["update", "a", "--exec", "echo 1"]).ok();
    assert_eq!(tavern.run(&["get", "a"]).ok(), "1\n");
    tavern.run_with(&["put", "a"], &long).ok();
    // And may print before it has read everything.
    tavern.run(&["update", "a", "--exec", "cat"]).ok();
}

#[test]
fn ls_lists_by_bytes_and_by_the_keys_text() {
    let tavern = Tavern::new();
    for key in ["b", "a/b", "a b", "María", "ab/c"] {
        tavern.run_with(&["put", key], "1").ok();
    }
    assert_eq!(tavern.run(&["ls"]).ok(), "María\na b\na/b\nab/c\nb\n");
    assert_eq!(tavern.run(&["ls", "a"]).ok(), "a b\na/b\nab/c\n");
    assert_eq!(tavern.run(&["ls", "a/"]).ok(), "a/b\n");
    assert_eq!(tavern.run(&["ls", "zz"]).ok(), "");
    assert_eq!(tavern.run(&["ls", "--json", "a/"]).ok(), "{\"key\":\"a/b\"}\n");
}

#[test]
fn keys_that_are_none_are_refused_with_2_by_every_verb_that_takes_one() {
    let tavern = Tavern::new();
    let long = "a".repeat(201);
    for (key, rule) in [
        ("a/../b", "`..`"),
        ("..", "`..`"),
        ("a//b", "empty"),
        ("", "empty"),
        ("/a", "begins with `/`"),
        ("a/", "ends with `/`"),
        (".docbox/x", "the store's own"),
        (".DocBox/x", "the store's own"),
        (&long, "200 are allowed"),
    ] {
        for args in
            [&["put", key][..], &["get", key], &["rm", key], &["update", key, "--exec", "cat"]]
        {
            let said = tavern.run_with(args, "{}").fails(2);
            assert!(said.contains(rule), "{args:?}: {said}");
        }
    }
    let said = tavern.run(&["get", "a\u{1b}[2J\u{202e}/"]).fails(2);
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
}

#[test]
fn json_that_is_none_is_refused_with_line_and_column() {
    let tavern = Tavern::new();
    let deep = "[".repeat(129) + &"]".repeat(129);
    for (text, place) in [
        ("", "line 1, column 1"),
        ("{\n  \"a\": 1,\n}", "line 3, column 1"),
        ("{} x", "line 1, column 4"),
        ("\"\\ud800\"", "line 1, column 2"),
        (&deep, "line 1, column 129"),
        ("\"a\nb\"", "line 1, column 3"),
    ] {
        let said = tavern.run_with(&["put", "a"], text).fails(2);
        assert!(said.contains(place), "{text:?}: {said}");
    }
    tavern.run_with(&["put", "a"], "[".repeat(128) + &"]".repeat(128)).ok();
    let said = tavern.run_with(&["put", "a"], b"\"\xff\"").fails(2);
    assert!(said.contains("line 1, column 2") && said.contains("UTF-8"), "{said}");
}

#[test]
fn a_document_has_at_most_16_mib() {
    let tavern = Tavern::new();
    // Two quotes and the line end are the rest of the file.
    let fits = (16 << 20) - 3;
    tavern.run_with(&["put", "a"], format!("\"{}\"", "a".repeat(fits))).ok();
    let said = tavern.run_with(&["put", "a"], format!("\"{}\"", "a".repeat(fits + 1))).fails(2);
    assert!(said.contains("16 MiB") && said.contains("split it"), "{said}");
}

#[test]
fn a_file_that_is_no_json_is_given_as_bytes_and_is_3_as_a_value() {
    let tavern = Tavern::new();
    fs::write(tavern.root.join("a.json"), "{").unwrap();
    assert_eq!(tavern.run(&["get", "a"]).ok(), "{");
    let said = tavern.run(&["get", "a", "--json"]).fails(3);
    assert!(said.contains("no JSON") && said.contains("docbox put"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let tavern = Tavern::new();
    tavern.run_with(&["put", "a"], format!("\"{}\"", "a".repeat(1 << 20))).ok();
    let mut command = program(&tavern.root, &["get", "a"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
