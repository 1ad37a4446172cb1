//! A store of format 1 that was written once: it stays readable.

use std::path::{Path, PathBuf};
use std::{env, fs};

use docbox::{Event, Start, Store, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, copy_into};

/// The documents that the golden store holds.
const DOCUMENTS: [(&str, &str); 5] = [
    ("María Elena", "{\n  \"name\": \"María Elena\"\n}\n"),
    (
        "agents/3f2a",
        "{\n  \"state\": \"done\",\n  \"cost\": 1.0,\n  \"tokens\": 123456789012345678901234567890\n}\n",
    ),
    ("agents/p%q", "null\n"),
    ("projects/p1/agents/7c", "[\n  1,\n  {},\n  []\n]\n"),
    ("same", "{\n  \"a\": 1,\n  \"a\": 2\n}\n"),
];
const EVENTS: usize = 24;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/v1")
}

/// A copy of the golden store, as it was written.
pub fn golden() -> Home {
    let home = Home::new();
    copy_into(&fixture(), home.root());
    fs::rename(home.path("dot-docbox"), home.path(".docbox")).unwrap();
    fs::rename(home.path(".docbox/gitignore"), home.path(".docbox/.gitignore")).unwrap();
    for folder in ["dead", "spool", "recovered"] {
        fs::create_dir_all(home.path(&format!(".docbox/{folder}"))).unwrap();
    }
    home
}

/// What was done to the golden store when it was made.
fn write(store: &Store) {
    let commit = |transaction: Transaction| store.commit(transaction).unwrap();
    let put = |key: &str, text: &str| Transaction::new().put_json(key, text).unwrap();
    let spawned = || Event::new("AgentSpawned", &json!({"cost": 1.5})).unwrap();
    commit(put("agents/3f2a", r#"{"state":"working"}"#).emit(spawned().subject("agents/3f2a")));
    for (key, text) in DOCUMENTS {
        let event = spawned().subject(key).meta(&json!({"trace": key})).unwrap();
        commit(put(key, text).emit(event).emit(Event::bare("Tick")).meta(&["actor"]).unwrap());
    }
    commit(put("agents/gone", "1"));
    commit(Transaction::new().remove("agents/gone").unwrap().emit(Event::bare("AgentGone")));
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().unwrap();
    let mut daemon = store.subscribe("daemon").from(Start::Now).types(["Agent*"]).open().unwrap();
    for subscription in [&mut ui, &mut daemon] {
        for delivery in subscription.catch_up().take(4) {
            delivery.unwrap().ack().unwrap();
        }
    }
    for n in 0..12 {
        commit(Transaction::new().emit(Event::new("Counted", &n).unwrap()));
    }
}

/// Writes the golden store when it is not there yet: `DOCBOX_BLESS=1 cargo test --test format`.
fn bless() {
    let home = Home::new();
    let store = home.small();
    write(&store);
    store.close().unwrap();
    fs::rename(home.path(".docbox/.gitignore"), home.path(".docbox/gitignore")).unwrap();
    fs::rename(home.path(".docbox"), home.path("dot-docbox")).unwrap();
    copy_into(home.root(), &fixture());
}

/// Asserts that everything is there.
fn assert_whole(store: &Store) {
    let keys: Vec<String> = store.list("").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(keys, DOCUMENTS.map(|(key, _)| key));
    for (key, text) in DOCUMENTS {
        assert_eq!(store.get_bytes(key).unwrap().unwrap(), text.as_bytes(), "{key}");
    }
    let events: Vec<_> = store.events(Start::Beginning).unwrap().map(Result::unwrap).collect();
    assert_eq!(events.len(), EVENTS);
    assert_eq!(events[0].id(), "1-1-0");
    assert_eq!(events[1].about(), Some("María Elena"));
    assert_eq!(events[1].meta_json(), Some(r#"{"trace":"María Elena"}"#));
    assert_eq!(events[1].commit_meta_json(), Some(r#"["actor"]"#));
    assert_eq!(events[1].data::<Value>().unwrap()["cost"], 1.5);
    assert_eq!(events[EVENTS - 1].data::<u64>().unwrap(), 11);
    let status = store.status().unwrap();
    assert_eq!((status.head, status.applied, status.epoch), (20, Some(20), 1));
    let positions: Vec<_> = status
        .subscriptions
        .iter()
        .map(|one| (one.name.as_str(), one.position.unwrap().to_string(), one.lag_events))
        .collect();
    assert_eq!(positions, [("daemon", "8".to_owned(), 0), ("ui", "3-0".to_owned(), 20)]);
    assert_eq!(status.subscriptions[0].types, ["Agent*"]);
    let report = store.verify().unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.commits, report.events), (20, EVENTS as u64));
}

#[test]
fn the_golden_store_of_format_1_opens_and_goes_on() {
    if !fixture().exists() && env::var_os("DOCBOX_BLESS").is_some_and(|bless| bless == "1") {
        bless();
    }
    let home = golden();
    let store = home.small();
    assert_whole(&store);
    let mut ui = store.subscribe("ui").open().unwrap();
    let delivery = ui.next(crate::home::LONG).unwrap().unwrap();
    assert_eq!(delivery.event().position().to_string(), "3-1");
    delivery.ack().unwrap();
    let commit = store.commit(Transaction::new().put("new", &json!(1)).unwrap()).unwrap();
    assert_eq!(commit.seq(), 21);
    assert!(store.verify().unwrap().is_clean());
    assert!(home.recovered().is_empty());
}

#[test]
fn the_golden_store_of_format_1_reads_without_a_write() {
    let home = golden();
    let before = home.tree();
    let store = Store::open_read_only(home.root()).unwrap();
    assert_whole(&store);
    store.close().unwrap();
    assert_eq!(home.tree(), before);
}

#[test]
fn what_is_written_today_has_the_bytes_of_then_but_for_times_and_ids() {
    let home = Home::new();
    write(&home.small());
    let golden = golden();
    let body = |home: &Home| -> Vec<String> {
        home.lines()
            .iter()
            .map(|line| {
                line.text
                    .split_once("\"meta\":[")
                    .or_else(|| line.text.split_once("\"events\""))
                    .unwrap()
                    .1
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(body(&home), body(&golden));
    for (name, ours) in [("ui", home.register("cursors/ui")), ("head", home.register("head"))] {
        let relative = if name == "ui" { "cursors/ui" } else { name };
        let theirs = golden.register(relative);
        let members =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let required = members(&theirs);
        assert!(required.iter().all(|member| members(&ours).contains(member)), "{required:?}");
    }
    assert_eq!(
        home.text(".docbox/cursors/daemon.json"),
        golden.text(".docbox/cursors/daemon.json")
    );
}

#[test]
fn members_that_this_version_does_not_know_are_passed_over() {
    let home = golden();
    let line = home.next_line(
        r#""later":{"x":[1]},"events":[{"type":"E","later":1}],"writes":[{"key":"k","was":null,"rev":"4355a46b19d348dc","doc":1,"later":2}]"#,
    );
    home.write_behind_head(&line);
    let store = home.still();
    assert_eq!(store.get_bytes("k").unwrap().unwrap(), b"1\n");
    assert!(store.verify().unwrap().findings.is_empty());
    assert_eq!(store.events(Start::Beginning).unwrap().count(), EVENTS + 1);
}
