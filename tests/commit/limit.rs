//! Each limit, from both sides.

use docbox::{Error, Event, Position, Start, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, put};

const MIB: usize = 1 << 20;

#[test]
fn a_document_of_16_mib_is_taken_and_one_byte_more_is_not() {
    let home = Home::new();
    let store = home.still();
    // Quotes and the final newline are part of the file.
    let text = |bytes: usize| "x".repeat(bytes - 3);
    let largest = Transaction::new().put("large", &text(16 * MIB)).unwrap();
    store.commit(largest).unwrap();
    assert_eq!(home.read("large.json").len(), 16 * MIB);
    let error = Transaction::new().put("large", &text(16 * MIB + 1)).unwrap_err();
    assert!(matches!(&error, Error::Invalid(what) if what.contains("16 MiB")), "{error}");
}

#[test]
fn a_commit_of_64_mib_is_taken_and_one_byte_more_is_not() {
    let home = Home::new();
    let store = home.still();
    let padded = |bytes| Transaction::new().emit(Event::new("Padded", &"x".repeat(bytes)).unwrap());
    store.commit(padded(0)).unwrap();
    // With its newline; the next line has as many digits everywhere.
    let frame = home.lines()[0].text.len() + 1;
    let error = store.commit(padded(64 * MIB - frame + 1)).unwrap_err();
    assert!(matches!(&error, Error::Invalid(what) if what.contains("64 MiB")), "{error}");
    assert_eq!(store.commit(padded(64 * MIB - frame)).unwrap().seq(), 2);
    assert_eq!(put(&store, "after", &json!(1)), 3);
    let events = store.events(Start::Beginning).unwrap();
    let lengths: Vec<usize> =
        events.map(|event| event.unwrap().data::<String>().unwrap().len()).collect();
    assert_eq!(lengths, [0, 64 * MIB - frame]);
    drop(store);
    home.lose_page_cache();
    assert_eq!(home.still().status().unwrap().head, 3, "and recovery reads it");
}

#[test]
fn a_commit_has_at_most_65536_events_and_as_many_writes() {
    let home = Home::new();
    let store = home.still();
    let events = |count| (0..count).fold(Transaction::new(), |all, _| all.emit(Event::bare("E")));
    let error = store.commit(events(65_537)).unwrap_err();
    assert!(matches!(&error, Error::Invalid(what) if what.contains("65537 events")), "{error}");
    assert_eq!(store.commit(events(65_536)).unwrap().seq(), 1);
    let last = store.events(Start::Beginning).unwrap().last().unwrap().unwrap();
    assert_eq!(last.position(), Position::new(1, 65_535));
    let removes = (0..65_537).map(|n| format!("k{n}"));
    let writes = removes.fold(Transaction::new(), |all, key| all.remove(key).unwrap());
    let error = store.commit(writes).unwrap_err();
    assert!(matches!(&error, Error::Invalid(what) if what.contains("65537 writes")), "{error}");
    assert_eq!(home.lines().len(), 1);
}

#[test]
fn a_commit_has_at_most_99999_events_and_writes_together() {
    let home = Home::new();
    let store = home.still();
    let full = |writes| {
        let removes = (0..writes).map(|n| format!("k{n}"));
        let all = removes.fold(Transaction::new(), |all, key| all.remove(key).unwrap());
        (0..65_536).fold(all, |all, _| all.emit(Event::bare("E")))
    };
    let error = store.commit(full(34_464)).unwrap_err();
    let says =
        |what: &str| what.contains("65536 events and 34464 writes") && what.contains("99999");
    assert!(matches!(&error, Error::Invalid(what) if says(what)), "{error}");
    assert_eq!(store.commit(full(34_463)).unwrap().seq(), 1);
    drop(store);
    home.lose_page_cache();
    assert_eq!(home.still().status().unwrap().head, 1, "and recovery reads it");
}

#[test]
fn a_document_has_at_most_128_levels() {
    let home = Home::new();
    let store = home.still();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    store.commit(Transaction::new().put_json("deep", nested(128)).unwrap()).unwrap();
    assert!(store.get::<Value>("deep").unwrap().is_some());
    let error = Transaction::new().put_json("deep", nested(129)).unwrap_err();
    assert!(matches!(error, Error::Json { line: 1, column: 129, .. }), "{error}");
    drop(store);
    home.lose_page_cache();
    assert!(home.still().get::<Value>("deep").unwrap().is_some());
}

#[test]
fn the_type_and_the_subject_of_an_event_have_a_longest_length() {
    let home = Home::new();
    let store = home.still();
    let kind = |len| Transaction::new().emit(Event::bare("k".repeat(len)));
    let subject = |len| Transaction::new().emit(Event::bare("E").subject("s".repeat(len)));
    for taken in [kind(255), subject(1024)] {
        store.commit(taken).unwrap();
    }
    for refused in [kind(256), subject(1025)] {
        assert!(matches!(store.commit(refused), Err(Error::Invalid(_))));
    }
}
