//! Transactions as JSON: the lines that `docbox commit --lines` reads.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::crc::Crc;
use crate::error::Error;
use crate::json::{Json, JsonText};
use crate::layout;
use crate::record::events::decode_events;
use crate::record::sight::UpTo;
use crate::record::{EventRecord, Record, WriteRecord, decode};
use crate::transaction::Transaction;

/// The bytes as lines, and as one text.
pub fn transactions(data: &[u8]) {
    transaction(data);
    for line in data.split(|byte| *byte == b'\n') {
        transaction(line);
    }
}

fn transaction(text: &[u8]) {
    json(text);
    match Transaction::from_json(text) {
        Ok((transaction, reference)) => {
            if let Some(reference) = reference {
                assert_eq!(layout::compact(reference.as_bytes()).ok(), Some(reference));
            }
            if transaction.check().is_ok() {
                commits(&transaction);
            }
        }
        Err(Error::Json { line, column, .. }) => has_place(text, line, column),
        Err(Error::Invalid(what)) => assert!(!what.is_empty()),
        Err(other) => panic!("{other}"),
    }
}

/// A fault stands in the text, or at its end.
fn has_place(text: &[u8], line: usize, column: usize) {
    let lines = text.split(|byte| *byte == b'\n').collect::<Vec<_>>();
    let end = if line > 0 { lines.get(line - 1) } else { None };
    let bytes = end.unwrap_or_else(|| panic!("line {line} of {}", lines.len())).len();
    assert!((1..=bytes + 1).contains(&column), "column {column} of {bytes} in line {line}");
}

/// Its line in the journal holds what was given.
fn commits(transaction: &Transaction) {
    for write in &transaction.writes {
        super::keys::stays_inside(&write.key);
    }
    let record = Record {
        crc: Crc::NONE,
        prev: Crc::NONE,
        seq: 1,
        batch: 1,
        time: jiff::Timestamp::UNIX_EPOCH,
        token: None,
        acks: std::collections::BTreeMap::new(),
        settles: std::collections::BTreeMap::new(),
        meta: transaction.meta.as_ref().map(Json::text),
        events: transaction.events.iter().map(EventRecord::of).collect(),
        writes: transaction.writes.iter().map(|write| WriteRecord::of(write, None)).collect(),
    };
    let mut line = Vec::new();
    record.encode(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n') && !line.contains(&0), "a commit is one line");
    let read = decode(&line).expect("what was written is read");
    let events = decode_events(&line, &UpTo::Writes).expect("what was written is read");
    assert_eq!(events.events.len(), transaction.events.len());
    for (idx, event) in transaction.events.iter().enumerate() {
        assert_eq!(*events.event(idx, 1).expect("it is sound").expect("the event"), *event);
    }
    for (read, write) in read.writes.iter().zip(&transaction.writes) {
        let content = write.content.as_ref();
        assert_eq!(read.key, write.key.as_str());
        assert_eq!(read.doc.map(JsonText::as_str), content.map(|content| content.json.as_str()));
        assert_eq!(read.rev, content.map(|content| content.revision));
    }
}

/// The scan takes no text that is no JSON, and changes nothing but white space.
fn json(text: &[u8]) {
    if let Some(first) = layout::first_compact(text, layout::MAX_LEVELS) {
        let compact = layout::compact(first.as_bytes()).expect("what is found is JSON");
        assert_eq!(compact, first, "what is found is compact");
    }
    match layout::compact(text) {
        Ok(compact) => {
            let mut deserializer = serde_json::Deserializer::from_slice(text);
            deserializer.disable_recursion_limit();
            <&RawValue as serde::Deserialize>::deserialize(&mut deserializer)
                .and_then(|_| deserializer.end())
                .unwrap_or_else(|error| panic!("what the scan takes is JSON: {error}"));
            assert!(compact.len() <= text.len());
            let again = layout::compact(&layout::pretty(&compact)).expect("a layout is JSON");
            assert_eq!(again, compact, "a layout adds white space only");
            let first = layout::first_compact(compact.as_bytes(), layout::MAX_LEVELS);
            assert_eq!(first, Some(&*compact), "what is compact is found as it is");
            let _ = serde_json::from_str::<IgnoredAny>(&compact);
        }
        Err(Error::Json { line, column, .. }) => has_place(text, line, column),
        Err(other) => panic!("{other}"),
    }
}
