//! What docs/ says of the tests.

use std::collections::BTreeSet;

use crate::source::{read, rust};

/// The names of tests in a text: in backticks, lower case, with two underscores at least.
fn tests_named(text: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        word.chars().all(plain) && word.matches('_').count() >= 2
    };
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).filter(is_name).collect()
}

#[test]
fn every_test_that_the_guarantees_name_is_there() {
    let guarantees = read("docs/guarantees.md");
    assert!(!guarantees.contains("<!-- tests"), "a promise waits for its tests");
    let named = tests_named(&guarantees);
    let sources: Vec<_> = ["src", "tests"].into_iter().flat_map(rust).collect();
    let is_there =
        |name: &str| sources.iter().any(|source| source.text.contains(&format!("fn {name}(")));
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    for story in (1..=26).filter(|story| *story != 22) {
        let prefix = format!("story_{story:02}_");
        assert!(named.iter().any(|name| name.starts_with(&prefix)), "story {story} has no test");
    }
}

#[test]
fn every_promise_has_its_tests() {
    let guarantees = read("docs/guarantees.md");
    let (_, promises) = guarantees.split_once("\n## The promises\n").expect("the promises");
    let (promises, _) = promises.split_once("\n## ").expect("something after them");
    for (number, promise) in (1..).zip(promises.split("\n**G").skip(1)) {
        assert!(promise.starts_with(&format!("{number} ")), "G{number} stands in its place");
        assert!(tests_named(promise).len() > 1, "G{number} has its tests");
    }
    let (_, record) = guarantees.split_once("\n## Track record\n").expect("the track record");
    for bug in record.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| bug")) {
        assert!(!tests_named(bug).is_empty(), "no test: {bug}");
    }
}
