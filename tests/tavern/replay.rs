//! The day read back: each line as a commit, each write with what stood there before.

use std::collections::BTreeMap;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// The documents by key, as they stand between two commits.
pub type Documents = BTreeMap<String, Value>;

/// A line of the day.
pub struct Commit {
    /// The line's number, from 1.
    pub number: usize,
    pub line: String,
    pub whole: Value,
    pub writes: Vec<Write>,
    pub events: Vec<Event>,
}

/// A write, and the document on either side of it.
pub struct Write {
    /// Composed, as the store keeps it.
    pub key: String,
    pub given: Value,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// An event, read.
pub struct Event {
    pub kind: String,
    pub subject: String,
    pub data: Value,
}

/// All commits of a day, replayed in order.
pub fn replay(day: &str) -> Vec<Commit> {
    let mut documents = Documents::new();
    day.lines().enumerate().map(|(index, line)| read(index + 1, line, &mut documents)).collect()
}

fn read(number: usize, line: &str, documents: &mut Documents) -> Commit {
    let whole: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("line {number}: {error}"));
    let mut writes = Vec::new();
    for given in list(&whole["writes"]) {
        let key: String = text(&given["key"]).nfc().collect();
        let after = given.get("doc").cloned();
        let before = match &after {
            Some(document) => documents.insert(key.clone(), document.clone()),
            None => documents.remove(&key),
        };
        writes.push(Write { key, given: given.clone(), before, after });
    }
    let event = |event: &Value| Event {
        kind: text(&event["type"]).to_owned(),
        subject: text(&event["subject"]).to_owned(),
        data: event["data"].clone(),
    };
    let events = list(&whole["events"]).iter().map(event).collect();
    Commit { number, line: line.to_owned(), whole, writes, events }
}

impl Commit {
    pub fn at(&self) -> &str {
        text(&self.whole["meta"]["at"])
    }

    pub fn events_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.kind == kind)
    }

    /// The writes under `agents/`, say, at the root or in a project.
    pub fn writes_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Write> {
        self.writes.iter().filter(move |write| folder_of(&write.key) == folder)
    }
}

impl Write {
    /// A member's text before and after; none where there is no document or no such member.
    pub fn change(&self, member: &str) -> (Option<&str>, Option<&str>) {
        (read_text(self.before.as_ref(), member), read_text(self.after.as_ref(), member))
    }
}

fn read_text<'a>(document: Option<&'a Value>, member: &str) -> Option<&'a str> {
    document?.get(member)?.as_str()
}

/// `agents` of `projects/p1/agents/7C` and of `agents/7C`.
pub fn folder_of(key: &str) -> &str {
    let mut segments = key.split('/');
    match segments.next() {
        Some("projects") => segments.nth(1).unwrap_or_default(),
        first => first.unwrap_or_default(),
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

/// The list's items; a member that was left out is an empty list.
pub fn list(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        value => value.as_array().unwrap_or_else(|| panic!("a list, not {value}")),
    }
}

pub fn dollars(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

/// Sums of money are equal when less than half of the smallest step lies between them.
pub fn same_money(left: f64, right: f64) -> bool {
    (left - right).abs() < 0.000_05
}
