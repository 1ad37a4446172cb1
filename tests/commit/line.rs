//! The lines of the journal.

use docbox::{Event, Transaction};
use serde_json::json;

use crate::home::{Home, emit, sealed};

/// Asserts that `parts` stand in `text` in this order.
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("{part} comes next in {}", &text[from..]));
    }
}

#[test]
fn the_members_of_a_line_stand_in_the_order_that_is_written_down() {
    let home = Home::new();
    let store = home.still();
    let transaction = Transaction::new()
        .put("a", &json!({"crc": "1"}))
        .unwrap()
        .remove("b")
        .unwrap()
        .emit(Event::new("E", &json!([1])).unwrap().subject("a"))
        .emit(Event::bare("F"))
        .meta(&json!({"actor": "me"}))
        .unwrap();
    store.commit(transaction).unwrap();
    let line = &home.lines()[0];
    let text = &line.text;
    assert!(text.starts_with(r#"{"crc":""#));
    assert_eq!(
        format!("{text}\n"),
        sealed(&text[18..text.len() - 1]),
        "the checksum covers the rest"
    );
    let order = [
        r#","prev":"00000000","seq":1,"batch":1,"time":"#,
        r#","meta":{"actor":"me"},"events":[{"type":"E","subject":"a","data":[1]},{"type":"F"}],"#,
        r#""writes":[{"key":"a","was":null,"rev":""#,
        r#"","doc":{"crc":"1"}},{"key":"b","was":null,"rev":null}]}"#,
    ];
    assert_in_order(text, &order);
    let time = line.value["time"].as_str().unwrap();
    assert!(time.len() == 27 && time.ends_with('Z'), "to the microsecond: {time}");
}

#[test]
fn time_never_goes_back_when_the_clock_does() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    drop(store);
    // A writer whose clock was far ahead.
    home.write_behind_head(home.next_line(r#""events":[],"writes":[]"#));
    let store = home.still();
    emit(&store, 7..=9);
    let lines = home.lines();
    let times: Vec<&str> = lines.iter().map(|line| line.value["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!((times.len(), times[8]), (9, "2099-01-01T00:00:00.000000Z"));
}

#[test]
fn the_same_transaction_gives_the_same_bytes_but_for_the_time() {
    let homes = [Home::new(), Home::new()];
    for home in &homes {
        let put = Transaction::new().put("a", &json!({"z": 1, "a": 2})).unwrap();
        home.still().commit(put).unwrap();
    }
    let tail = |home: &Home| home.lines()[0].text.split("\"events\"").nth(1).unwrap().to_owned();
    assert_eq!(tail(&homes[0]), tail(&homes[1]));
    assert_eq!(homes[0].read("a.json"), homes[1].read("a.json"));
}
