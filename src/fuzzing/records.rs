//! A line of the journal.

use crate::crc;
use crate::event::RecordedEvent;
use crate::filter::{Filter, Globs};
use crate::json::{Json, JsonText};
use crate::key::Key;
use crate::record::events::{EventLine, decode_events};
use crate::record::sight::UpTo;
use crate::record::{Record, decode};

/// The bytes as a line, and as the members of a line with the right checksum.
pub fn records(data: &[u8]) {
    line(data);
    line(&sealed(data));
}

/// An object with these members, and its checksum.
pub(super) fn sealed(members: &[u8]) -> Vec<u8> {
    let mut object = [b"{\"crc\":\"00000000\",", members, b"}"].concat();
    crc::seal(&mut object);
    object
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    let crc = record.encode(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert_eq!(crc::check(&line), Some(crc));
    line
}

fn line(text: &[u8]) {
    let Ok(record) = decode(text) else { return };
    let once = encoded(&record);
    let again = decode(&once).unwrap_or_else(|error| panic!("what was written is read: {error}"));
    assert_eq!(encoded(&again), once, "a line reads back as it was written");
    assert_eq!((again.seq, again.batch, again.prev), (record.seq, record.batch, record.prev));
    // Unknown members, and what serde_json lets stand between the tokens, may be gone.
    assert!(once.len() <= text.len() + 200 + 100 * (record.events.len() + record.writes.len()));
    use_all(&record);
    for text in [text, &once] {
        events(&record, text);
        changes(&record, text);
    }
    flipped(text);
}

/// Who reads the events of a line alone sees what stands in its record.
fn events(record: &Record<'_>, text: &[u8]) {
    let line = decode_events(text, &UpTo::Events).expect("its events are read as well");
    assert_eq!((line.seq, line.batch), (record.seq, record.batch));
    assert_eq!((line.prev, line.time()), (record.prev, Ok(record.time)));
    let all = Filter::new(&Globs::default()).expect("a filter without globs").with_own();
    let mut wanted: Vec<RecordedEvent> = Vec::new();
    all.wanted(&line, 0, 1, &mut wanted).expect("its events are sound");
    assert_eq!(wanted.len(), record.events.len());
    for (recorded, event) in wanted.iter().zip(&record.events) {
        assert_eq!((recorded.kind(), recorded.about()), (&*event.kind, event.subject.as_deref()));
        assert_eq!(recorded.data_json(), event.data.map(JsonText::as_str));
        assert_eq!(recorded.meta_json(), event.meta.map(JsonText::as_str));
        assert_eq!(recorded.commit_meta_json(), record.meta.map(JsonText::as_str));
        let _ = recorded.data::<serde_json::Value>();
    }
}

/// Who wants changes of documents sees each write behind the events, and those where they were.
fn changes(record: &Record<'_>, text: &[u8]) {
    let line = decode_events(text, &UpTo::Writes).expect("its writes are read as well");
    let count = record.events.len();
    assert_eq!((line.events.len(), line.writes.len()), (count, record.writes.len()));
    let at = |line: &EventLine<'_>, idx| line.event(idx, 1);
    for (idx, event) in record.events.iter().enumerate() {
        let recorded = at(&line, idx).expect("its events are sound").expect("it is there");
        assert_eq!((recorded.kind(), recorded.about()), (&*event.kind, event.subject.as_deref()));
    }
    for (idx, write) in record.writes.iter().enumerate() {
        let Ok(key) = Key::from_journal(&write.key) else {
            assert!(at(&line, count + idx).is_err(), "what is no key is no change");
            continue;
        };
        let change = at(&line, count + idx).expect("its writes are sound").expect("it is there");
        assert_eq!(change.id(), format!("1-{}-{}", record.seq, count + idx));
        assert_eq!(change.about(), Some(key.as_str()));
        assert_eq!(change.commit_meta_json(), record.meta.map(JsonText::as_str));
        let was = write.was.map_or("null".to_owned(), |was| format!("\"{was}\""));
        let (kind, data) = match write.rev.zip(write.doc) {
            Some((revision, document)) => {
                let data = format!(
                    r#"{{"revision":"{revision}","was":{was},"document":{}}}"#,
                    document.as_str()
                );
                ("docbox.put", data)
            }
            None => ("docbox.remove", format!(r#"{{"was":{was}}}"#)),
        };
        assert_eq!((change.kind(), change.data_json()), (kind, Some(&*data)));
    }
    assert!(at(&line, count + record.writes.len()).expect("no damage").is_none());
}

/// What readers do with a record.
fn use_all(record: &Record<'_>) {
    let _ = record.seq.checked_add(1).expect("there is a next commit");
    for write in &record.writes {
        if let Ok(key) = Key::from_journal(&write.key) {
            super::keys::stays_inside(&key);
        }
        if let Some(doc) = write.doc {
            let _ = Json::of_text(doc).to::<serde::de::IgnoredAny>();
        }
    }
}

/// One bit of it is changed: that is found, whichever it is.
fn flipped(text: &[u8]) {
    let dice = crc32fast::hash(text) as usize;
    let mut damaged = text.to_vec();
    let at = dice % damaged.len();
    damaged[at] ^= 1 << (dice / damaged.len() % 8);
    assert!(decode(&damaged).is_err(), "a changed bit at byte {at} is found");
}
