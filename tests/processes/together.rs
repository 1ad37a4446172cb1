//! Many writers at once, all alive.

use std::collections::BTreeMap;

use crate::{docbox, made, start};

const WRITERS: u64 = 4;
const LINES: u64 = 100;

#[test]
fn many_processes_commit_at_once_and_each_commit_has_a_seq_of_its_own() {
    let home = made();
    let mut writers: Vec<_> = (0..WRITERS).map(|_| start(&home, &["commit", "--lines"])).collect();
    for (writer, running) in (0..).zip(&mut writers) {
        for line in 0..LINES {
            running.give(&transaction(writer, line));
        }
    }
    let mut committed = BTreeMap::new();
    for (writer, running) in (0..).zip(writers) {
        let ended = running.end();
        assert_eq!(ended.code, 0, "{ended:?}");
        for (line, answer) in (0..).zip(ended.json()) {
            assert_eq!(answer["ref"], line, "answered in order");
            let seq = answer["seq"].as_u64().expect("acknowledged");
            assert_eq!(committed.insert(seq, (writer, line)), None, "seq {seq} was given twice");
        }
    }
    assert!(committed.keys().copied().eq(1..=WRITERS * LINES), "no gap: {committed:?}");
    for (line, (seq, (writer, number))) in home.lines().iter().zip(&committed) {
        assert_eq!(line.seq(), *seq);
        assert_eq!(line.value["writes"][0]["key"], format!("w{writer}/{number}"));
        assert_eq!(home.text(&format!("w{writer}/{number}.json")), format!("{number}\n"));
    }
    docbox(&home, &["verify"], "").ok();
}

fn transaction(writer: u64, line: u64) -> String {
    format!("{{\"writes\":[{{\"key\":\"w{writer}/{line}\",\"doc\":{line}}}],\"ref\":{line}}}\n")
}
