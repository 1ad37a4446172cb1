//! What each transaction of these tests holds: all of it follows from its number, so that a line of the
//! journal tells whether it is whole, and a list of numbers what the folder must hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::home::{Home, Line};

/// Documents that all share, and some of each writer's own.
const SHARED: u64 = 5;
const OWN: u64 = 20;

/// The documents that a transaction writes; `None` for a deletion.
pub fn writes(number: u64) -> Vec<(String, Option<Value>)> {
    let doc = || json!({ "ref": number });
    let shared = (!number.is_multiple_of(7)).then(doc);
    vec![
        (format!("own/{}/{}", number % 3, number % OWN), Some(doc())),
        (format!("shared/{}", number % SHARED), shared),
    ]
}

/// How many events it emits.
pub fn events(number: u64) -> u32 {
    if number.is_multiple_of(3) { 2 } else { 1 }
}

/// As the program reads it.
pub fn transaction(number: u64) -> String {
    let writes: Vec<Value> = writes(number)
        .into_iter()
        .map(|(key, doc)| match doc {
            Some(doc) => json!({ "key": key, "doc": doc }),
            None => json!({ "key": key, "delete": true }),
        })
        .collect();
    let event = |idx| json!({ "type": "Wrote", "subject": format!("n/{idx}"), "data": number });
    let events: Vec<Value> = (0..events(number)).map(event).collect();
    json!({ "writes": writes, "events": events, "ref": number }).to_string()
}

/// The number of the transaction in a line, which must hold all of it.
#[track_caller]
pub fn number_of(line: &Line) -> u64 {
    let number = line.value["events"][0]["data"].as_u64().expect("a number");
    let events_of = line.value["events"].as_array().expect("events");
    assert_eq!(events_of.len(), events(number) as usize, "half a commit: {}", line.text);
    assert!(events_of.iter().all(|event| event["data"] == number), "{}", line.text);
    let written = line.value["writes"].as_array().expect("writes").iter();
    let written: Vec<_> = written
        .map(|write| (write["key"].as_str().expect("a key").to_owned(), write.get("doc").cloned()))
        .collect();
    assert_eq!(written, writes(number), "half a commit: {}", line.text);
    number
}

/// The positions of all events of these commits: the seq and the number of each.
pub fn positions(commits: &BTreeMap<u64, u64>) -> Vec<(u64, u32)> {
    let of = |(seq, number): (&u64, &u64)| (0..events(*number)).map(|idx| (*seq, idx)).collect();
    commits.iter().flat_map(|commit| -> Vec<_> { of(commit) }).collect()
}

/// The documents are those that these transactions leave, in this order, and there is no other.
#[track_caller]
pub fn assert_documents(home: &Home, numbers: impl IntoIterator<Item = u64>) {
    let mut documents = BTreeMap::new();
    for (key, doc) in numbers.into_iter().flat_map(writes) {
        documents.insert(key, doc);
    }
    for (key, doc) in &documents {
        let file = format!("{key}.json");
        let found = home.is_there(&file).then(|| home.read(&file));
        let found =
            found.map(|bytes| serde_json::from_slice::<Value>(&bytes).expect("it is whole"));
        assert_eq!(found, *doc, "{key}");
    }
}
