//! A store of which all, or a part, was restored from an older copy.

use std::fs;

use serde_json::Value;

use crate::home::{Home, copy_into};
use crate::program::{Outcome, program, run};

#[track_caller]
fn docbox(home: &Home, args: &[&str], stdin: &str) -> Outcome {
    run(&mut program(home.root(), args), stdin.as_bytes())
}

/// What follows commit by commit: `a` is 1, 2, …
fn write(home: &Home, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        docbox(home, &["put", "a", "--event", "Written"], &number.to_string()).ok();
    }
}

/// A store with five commits, consumed to their end; and a copy that was made after two, consumed too.
fn written() -> (Home, Home) {
    let home = Home::new();
    docbox(&home, &["init"], "").ok();
    write(&home, 1..=2);
    assert_eq!(docbox(&home, &["subscribe", "ui", "--from", "beginning"], "").json().len(), 2);
    let older = home.copy();
    write(&home, 3..=5);
    assert_eq!(docbox(&home, &["subscribe", "ui"], "").json().len(), 3);
    (home, older)
}

/// Puts what the older copy has in the place of what is there.
fn restore(home: &Home, older: &Home, part: &str) {
    if home.path(part).is_dir() {
        fs::remove_dir_all(home.path(part)).unwrap();
        copy_into(&older.path(part), &home.path(part));
    } else {
        fs::copy(older.path(part), home.path(part)).unwrap();
    }
}

fn head(home: &Home) -> u64 {
    let status: Value = docbox(home, &["status", "--json"], "").json().remove(0);
    status["head"].as_u64().unwrap()
}

#[test]
fn restored_as_a_whole_it_is_as_it_was_and_goes_on_from_there() {
    let (home, older) = written();
    restore(&home, &older, ".docbox");
    restore(&home, &older, "a.json");
    assert_eq!((head(&home), docbox(&home, &["get", "a"], "").ok()), (2, "2\n".to_owned()));
    docbox(&home, &["verify"], "").ok();
    write(&home, 3..=3);
    let events = docbox(&home, &["subscribe", "ui"], "").json();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["id"], "1-3-0");
    docbox(&home, &["verify"], "").ok();
}

#[test]
fn with_an_older_docbox_beside_newer_documents_these_stay_and_are_drift() {
    let (home, older) = written();
    restore(&home, &older, ".docbox");
    assert_eq!((head(&home), docbox(&home, &["get", "a"], "").ok()), (2, "5\n".to_owned()));
    let found = docbox(&home, &["verify"], "");
    assert!(found.code == 1 && found.stdout.contains("edited outside"), "{found:?}");
    write(&home, 6..=6);
    docbox(&home, &["verify"], "").ok();
    assert_eq!((head(&home), home.recovered().len()), (3, 0));
}

#[test]
fn with_older_documents_beside_the_journal_they_are_drift_and_a_condition_sees_it() {
    let (home, older) = written();
    let line = docbox(&home, &["put", "a"], "5").ok();
    let revision = line.trim().split(' ').nth(1).unwrap();
    restore(&home, &older, "a.json");
    assert_eq!(docbox(&home, &["get", "a"], "").ok(), "2\n");
    let found = docbox(&home, &["verify"], "");
    assert!(found.code == 1 && found.stdout.contains("edited outside"), "{found:?}");
    let said = docbox(&home, &["put", "a", "--if-revision", revision], "6").fails(1);
    assert!(said.contains("conflict on `a`"), "{said}");
    write(&home, 6..=6);
    docbox(&home, &["verify"], "").ok();
}

#[test]
fn a_cursor_beyond_an_older_journal_is_refused_until_it_is_reset() {
    let (home, older) = written();
    restore(&home, &older, ".docbox/journal");
    let said = docbox(&home, &["subscribe", "ui"], "").fails(3);
    assert!(said.contains("stands after 5 and the journal ends at 2"), "{said}");
    assert!(said.contains("docbox reset ui --to"), "{said}");
    let subscriptions = docbox(&home, &["subscriptions", "--json"], "").json();
    assert!(subscriptions[0]["error"].as_str().unwrap().contains("the journal ends at 2"));
    assert_eq!(docbox(&home, &["verify"], "").code, 3);
    docbox(&home, &["reset", "ui", "--to", "1"], "").ok();
    write(&home, 6..=6);
    let events = docbox(&home, &["subscribe", "ui"], "").json();
    let ids: Vec<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
    assert_eq!(ids, ["1-2-0", "1-3-0"]);
    docbox(&home, &["verify"], "").ok();
}
