//! Damage in the journal: every line, each part of it, lines and files out of place.

use std::fs;
use std::path::Path;

use docbox::{Start, Store};

use crate::golden::golden;
use crate::home::{Home, Line, sealed};
use crate::{corrupt, damaged_files};

/// Asserts what everybody is told of damage at `line`, and that nobody touches its segment.
fn assert_damaged(home: &Home, line: &Line, what: &str) {
    let seq = line.seq();
    let name = line.segment.file_name().unwrap().to_str().unwrap().to_owned();
    let place = (name.clone(), line.offset, Some(seq));
    let segment = home.path(&format!(".docbox/journal/{name}"));
    let before = fs::read(&segment).unwrap();
    let look = |store: &Store| {
        let mut events = store.events(Start::Beginning).unwrap();
        let before = events.by_ref().take_while(Result::is_ok).count();
        let served = home.lines().iter().take_while(|line| line.seq() < seq).count();
        assert!(before >= served.saturating_sub(3), "{what}: what stands before it is served");
        let mut events = store.events(Start::Beginning).unwrap();
        let error = events.find_map(Result::err).expect("and nothing from it on");
        assert_eq!(corrupt(error), place, "{what}");
        let report = store.verify().unwrap();
        assert_eq!(damaged_files(&report).first(), Some(&name), "{what}: {:?}", report.findings);
    };
    look(&Store::open_read_only(home.root()).unwrap());
    match Store::options().housekeeping(false).open(home.root()) {
        // Recovery reads from `applied` on, which is in the last segment.
        Err(error) => assert_eq!(corrupt(error), place, "{what}"),
        Ok(store) => {
            assert_ne!(home.segments().last(), Some(&segment), "{what}: recovery read it");
            look(&store);
            // The last segment is whole: the store goes on.
            crate::home::emit(&store, [99]);
            look(&store);
        }
    }
    assert_eq!(fs::read(&segment).unwrap(), before, "{what}: nothing is written over it");
}

#[test]
fn a_changed_byte_is_found_wherever_it_stands() {
    let pristine = golden();
    for line in pristine.lines() {
        let at = |part: &str| line.text.find(part).unwrap() as u64 + part.len() as u64;
        let end = line.text.len() as u64;
        let places = [
            ("first brace", 0),
            ("checksum", 9),
            ("prev", at(r#""prev":""#)),
            ("seq", at(r#""seq":"#)),
            ("events", at(r#""events":["#)),
            ("middle", end / 2),
            ("last brace", end - 1),
            ("newline", end),
        ];
        for (what, place) in places {
            let home = pristine.copy();
            let path = Path::new(".docbox/journal").join(line.segment.file_name().unwrap());
            let byte = fs::read(home.root().join(&path)).unwrap()
                [usize::try_from(line.offset + place).unwrap()];
            home.overwrite(&path, line.offset + place, [byte ^ 1]);
            assert_damaged(&home, &line, &format!("{what} of commit {}", line.seq()));
        }
    }
}

/// The golden store with the text of one segment changed, and the lines that it had before.
fn changed(number: usize, change: impl Fn(&[Line]) -> String) -> (Home, Vec<Line>) {
    let home = golden();
    let segment = home.segments()[number].clone();
    let lines: Vec<Line> =
        home.lines().into_iter().filter(|line| line.segment == segment).collect();
    assert!(lines.len() >= 3, "{} lines", lines.len());
    fs::write(segment, change(&lines)).unwrap();
    (home, lines)
}

fn text<'a>(lines: impl IntoIterator<Item = &'a Line>) -> String {
    lines.into_iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
}

#[test]
fn a_newline_that_is_gone() {
    let (home, lines) = changed(1, |lines| text(lines).replacen('\n', "", 1));
    assert_damaged(&home, &lines[0], "newline gone");
}

#[test]
fn two_lines_that_changed_places() {
    let (home, lines) =
        changed(1, |lines| text([&lines[1], &lines[0]].into_iter().chain(&lines[2..])));
    assert_damaged(&home, &lines[0], "swapped");
}

#[test]
fn a_line_that_is_missing() {
    let (home, lines) = changed(1, |lines| text([&lines[0]].into_iter().chain(&lines[2..])));
    assert_damaged(&home, &lines[1], "missing");
}

#[test]
fn a_line_that_stands_there_twice() {
    let (home, lines) = changed(1, |lines| text([&lines[0]].into_iter().chain(lines)));
    let again = Line { offset: lines[0].text.len() as u64 + 1, ..lines[1].clone() };
    assert_damaged(&home, &again, "twice");
}

#[test]
fn a_valid_line_of_another_history_is_no_successor() {
    let (home, lines) = changed(1, |lines| {
        let covered = lines[0].text[18..lines[0].text.len() - 1].replace("agents", "AGENTS");
        format!("{}{}", sealed(&covered.replace("Counted", "Forged")), text(&lines[1..]))
    });
    let forged = home.lines().into_iter().find(|line| line.seq() == lines[0].seq()).unwrap();
    assert_ne!(forged.crc(), lines[0].crc());
    let next = Line { offset: forged.text.len() as u64 + 1, ..lines[1].clone() };
    assert_damaged(&home, &next, "spliced");
}

#[test]
fn a_segment_from_the_middle_that_is_gone() {
    let home = golden();
    let segments = home.segments();
    let lines = home.lines();
    let gone = lines.iter().find(|line| line.segment == segments[1]).unwrap();
    let before = lines.iter().rfind(|line| line.segment == segments[0]).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    let end = before.offset + before.text.len() as u64 + 1;
    let place =
        (segments[0].file_name().unwrap().to_str().unwrap().to_owned(), end, Some(gone.seq()));
    let store = home.small();
    let error = store.events(Start::Beginning).unwrap().find_map(Result::err).unwrap();
    assert_eq!(corrupt(error), place);
    let inside = Start::After(docbox::Position::end_of(gone.seq()));
    let error = store.events(inside).unwrap().find_map(Result::err).unwrap();
    assert_eq!(corrupt(error), place, "never a silent jump");
    assert_eq!(damaged_files(&store.verify().unwrap()), [place.0]);
}

#[test]
fn a_subscription_is_held_by_damage_and_goes_on_behind_it_after_a_reset() {
    let (home, lines) = changed(1, |lines| text(lines).replacen("\"seq\":", "\"SEQ\":", 1));
    let store = home.small();
    store.reset("ui", Start::Beginning).unwrap();
    let mut ui = store.subscribe("ui").open().unwrap();
    let mut last = 0;
    let error = loop {
        match ui.next(crate::home::LONG) {
            Ok(delivery) => {
                let delivery = delivery.unwrap();
                last = delivery.event().position().seq;
                delivery.ack().unwrap();
            }
            Err(error) => break error,
        }
    };
    assert!(last < lines[0].seq());
    assert_eq!(corrupt(error).2, Some(lines[0].seq()));
    let again = ui.next(crate::home::LONG).unwrap_err();
    assert_eq!(corrupt(again).2, Some(lines[0].seq()), "whoever asks again gets no further");
    let behind = lines.last().unwrap().seq();
    store.reset("ui", Start::Now).unwrap();
    crate::home::emit(&store, [99]);
    assert!(ui.next(crate::home::LONG).unwrap().unwrap().event().position().seq > behind);
}

#[test]
fn damage_in_the_last_acknowledged_line_is_no_torn_tail() {
    for lose_page_cache in [false, true] {
        let home = Home::new();
        let store = home.still();
        crate::home::emit(&store, 1..=5);
        drop(store);
        let last = home.lines().pop().unwrap();
        home.overwrite(&last.segment, last.offset + 40, "#");
        if lose_page_cache {
            home.lose_page_cache();
        }
        let before = fs::read(&last.segment).unwrap();
        let error = Store::open(home.root()).unwrap_err();
        assert_eq!(corrupt(error), ("0000000000000001.jsonl".to_owned(), last.offset, Some(5)));
        assert_eq!(fs::read(&last.segment).unwrap(), before);
        assert!(home.recovered().is_empty());
    }
}

#[test]
fn damage_in_the_last_line_is_known_by_a_cursor_that_has_passed_it() {
    let home = Home::new();
    let store = home.still();
    crate::home::emit(&store, 1..=5);
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().unwrap();
    for delivery in ui.catch_up() {
        delivery.unwrap().ack().unwrap();
    }
    drop((ui, store));
    let last = home.lines().pop().unwrap();
    home.overwrite(&last.segment, last.offset + 40, "#");
    home.write(".docbox/head", vec![b' '; 3 * 4096]);
    let error = Store::open(home.root()).unwrap_err();
    assert_eq!(corrupt(error).2, Some(5));
}
