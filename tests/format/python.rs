//! Another reader, in another language: the format is open.

use std::io::ErrorKind;
use std::process::Command;

use docbox::Transaction;
use serde_json::json;

use crate::home::Home;

/// Whether `check.py` finds nothing wrong; `None` without Python.
fn check(home: &Home, revision: &str) -> Option<bool> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format/check.py");
    let paths = [home.segments()[0].clone(), home.path("a.json")];
    match Command::new("python3").arg(script).args(paths).arg(revision).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => Some(other.unwrap().status.success()),
    }
}

#[test]
fn a_few_lines_of_python_check_a_journal_and_a_revision() {
    let home = Home::new();
    let put = Transaction::new().put("a", &json!({"name": "María Elena", "n": [1.5, {}]})).unwrap();
    let commit = home.still().commit(put).unwrap();
    let revision = commit.revision("a").unwrap().to_string();
    let Some(is_right) = check(&home, &revision) else {
        println!("skipped: there is no python3");
        return;
    };
    assert!(is_right);
    assert_eq!(check(&home, "0123456789abcdef"), Some(false));
    let line = home.lines().pop().unwrap();
    home.overwrite(&line.segment, 50, "#");
    assert_eq!(check(&home, &revision), Some(false));
}
