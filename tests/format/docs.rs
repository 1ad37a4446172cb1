//! docs/format.md: what it says of lines, revisions and `--json` is so.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use docbox::Start;
use serde::Serialize;
use serde_json::Value;

use crate::golden::golden;
use crate::home::{Home, emit};

fn docs() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md")).unwrap()
}

/// What stands between two texts.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("there is no {begin:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("there is no {end:?} after {begin:?}")).0
}

/// The Python program in docs/format.md.
fn program(docs: &str) -> &str {
    between(between(docs, "<!-- check.py -->", "<!-- /check.py -->"), "```python\n", "```")
}

/// Whether the program finds nothing wrong with a store; `None` without Python.
fn check(home: &Home) -> Option<bool> {
    let mut python = Command::new("python3");
    let output = match python.arg("-c").arg(program(&docs())).arg(home.root()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: there is no python3");
            return None;
        }
        output => output.unwrap(),
    };
    let is_right = output.stdout == b"ok\n";
    assert_eq!(output.status.success(), is_right, "{output:?}");
    Some(is_right)
}

#[test]
fn six_lines_of_python_check_every_line_and_every_revision() {
    assert_eq!(program(&docs()).lines().count(), 6);
    let Some(is_right) = check(&golden()) else { return };
    assert!(is_right);
    for line in golden().lines() {
        let damaged = golden();
        let segment = damaged.path(".docbox/journal").join(line.segment.file_name().unwrap());
        damaged.overwrite(&segment, line.offset + line.text.len() as u64 / 2, "\x01");
        assert_eq!(check(&damaged), Some(false), "commit {}", line.seq());
    }
    for document in ["agents/3f2a.json", "María Elena.json"] {
        let edited = golden();
        edited.write(document, edited.text(document).replace('\n', " "));
        assert_eq!(check(&edited), Some(false), "{document}");
    }
}

#[test]
fn the_worked_example_is_two_lines_and_the_document_that_follows_from_them() {
    let docs = docs();
    let example = between(&docs, "A worked example", "## Registers");
    let lines = between(example, "```\n", "```");
    let document = between(example, "```json\n", "```");
    assert_eq!(lines.lines().map(|line| line.len() + 1).collect::<Vec<_>>(), [283, 339]);
    assert_eq!(document.len(), 40);
    let home = Home::new();
    fs::create_dir_all(home.path(".docbox/journal")).unwrap();
    fs::create_dir(home.path("agents")).unwrap();
    home.write(".docbox/journal/0000000000000001.jsonl", lines);
    home.write("agents/3f2a.json", document);
    let last = home.lines().pop().unwrap();
    let write = &last.value["writes"][0];
    assert_eq!(write["rev"], docbox::Revision::of(document.as_bytes()).to_string());
    assert_eq!(docbox::layout::pretty(&write["doc"].to_string()), document.as_bytes());
    assert_ne!(check(&home), Some(false));
}

/// The names in the first column of the table that follows a text.
fn fields(docs: &str, before: &str) -> BTreeSet<String> {
    let table = between(docs, before, "\n\n|").len();
    let (_, rest) = docs.split_once(before).unwrap();
    let rows = rest[table..].trim_start().lines().take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

fn members(value: &impl Serialize) -> BTreeSet<String> {
    match serde_json::to_value(value).unwrap() {
        Value::Object(members) => members.into_iter().map(|(name, _)| name).collect(),
        other => panic!("an object, not {other}"),
    }
}

#[test]
fn what_json_shows_has_the_fields_that_are_written_down() {
    let home = Home::new();
    let store = home.still();
    emit(&store, [1]);
    drop(store.subscribe("ui").from(Start::Beginning).open().unwrap());
    store.pause("ui", None, None).unwrap();
    // A subscription with something wrong says so in one field more.
    home.write(".docbox/cursors/ui", vec![0; home.read(".docbox/cursors/ui").len()]);
    let status = store.status().unwrap();
    let docs = docs();
    assert_eq!(members(&status), fields(&docs, "\n`status --json`:"));
    assert_eq!(
        members(&status.subscriptions[0]),
        fields(&docs, "\n`subscriptions --json`, one object a line:")
    );
}
