//! Keys, names, and the other small texts: globs, positions, times, revisions.

use std::path::{Component, Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::filter::{Filter, Globs};
use crate::key::{Key, escaped, printable};
use crate::names::{self, Names};
use crate::position::Position;
use crate::revision::Revision;

/// The bytes as each of them.
pub fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for key in [Key::new(&text), Key::from_journal(&text)].into_iter().flatten() {
        stays_inside(&key);
    }
    name(&text);
    own_names(&text);
    for shown in [printable(&text), escaped(&text).into_owned()] {
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
    position(&text);
    time(&text);
    if let Ok(revision) = text.parse::<Revision>() {
        assert_eq!(revision.to_string(), text);
    }
    if let Some((glob, held_against)) = text.split_once('\n') {
        globs(glob, held_against);
    }
}

/// A key's file lies below the root, and its name leads back to the key.
pub(super) fn stays_inside(key: &Key) {
    let path = names::document_path(key);
    let parts: Vec<_> = path.components().collect();
    assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))), "{}", path.display());
    assert_eq!(parts.len(), key.as_str().split('/').count(), "{}", path.display());
    let text = path.to_str().expect("a name is UTF-8");
    assert!(
        text.rsplit_once('.').is_some_and(|(_, end)| end == "json")
            && !text.contains(|c: char| c.is_control() || c == '\\')
    );
    let first = parts[0].as_os_str().to_string_lossy();
    let longest = parts.iter().map(|part| part.as_os_str().len()).max();
    if key.is_own() {
        assert!(path.starts_with(".docbox/dead") && parts.len() == 4, "{}", path.display());
    } else {
        assert!(!first.eq_ignore_ascii_case(".docbox"), "{}", path.display());
        assert_eq!(names::parse_document_path(&path).as_ref(), Some(key), "{}", path.display());
        assert!(text.len() <= Key::MAX_BYTES + 5);
    }
    assert!(longest.is_some_and(|bytes| bytes <= Key::MAX_SEGMENT_BYTES + 5));
}

/// The text as a path in the folder: a key whose name it is, or none.
fn name(text: &str) {
    if let Some(key) = names::parse_document_path(Path::new(text)) {
        stays_inside(&key);
        let path = names::document_path(&key);
        let again = names::parse_document_path(&path);
        assert_eq!(again, Some(key), "{}", path.display());
    }
}

/// The text as a name within `.docbox`.
fn own_names(text: &str) {
    let names = Names::new("/s");
    if let Some(first) = names::parse_segment(text.as_ref()) {
        assert_eq!(names.segment(first), names.journal().join(text));
    }
    if names::check_subscription(text).is_ok() {
        assert_eq!(names::parse_cursor(text.as_ref()), Some(text));
        for path in [names.cursor(text), names.cursor_definition(text), names.cursor_lock(text)] {
            assert_eq!(path.parent(), Some(names.cursors().as_path()));
        }
    }
}

fn position(text: &str) {
    let Ok(position) = text.parse::<Position>() else { return };
    assert_eq!(position.to_string().parse::<Position>().ok(), Some(position));
    assert!(position < position.next() && position.next().before() == position);
    assert!(position.before() <= position && position.padded().len() >= 18);
}

fn time(text: &str) {
    #[derive(Serialize, Deserialize)]
    struct Times(#[serde(with = "crate::record::microseconds")] Timestamp);
    // A time is read from a text without escapes only; another is refused.
    let quoted = serde_json::to_string(text).expect("a text");
    let Ok(time) = serde_json::from_str::<Times>(&quoted) else { return };
    let once = serde_json::to_string(&time).expect("a time is written");
    let again: Times = serde_json::from_str(&once).expect("what was written is read");
    assert_eq!(serde_json::to_string(&again).expect("a time"), once);
    assert!(time.0.duration_since(again.0).as_micros().abs() <= 1, "{once}");
}

fn globs(glob: &str, text: &str) {
    let globs = Globs { types: vec![glob.to_owned()], ..Globs::default() };
    let Ok(filter) = Filter::new(&globs) else { return };
    assert!(!glob.is_empty());
    // The slow one below is for short texts.
    if glob.len() * text.len() < 1 << 16 {
        let expected = matches(&chars(glob), &chars(text));
        assert_eq!(filter.with_own().matches(text, None), expected, "{glob:?} and {text:?}");
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// What a glob is, said another way: which beginnings of the text match which beginnings of the glob.
fn matches(glob: &[char], text: &[char]) -> bool {
    let mut ends: Vec<bool> = (0..=text.len()).map(|end| end == 0).collect();
    for sign in glob {
        let before = ends.clone();
        for end in 0..=text.len() {
            let one = end > 0 && before[end - 1];
            ends[end] = match sign {
                '*' => before[end] || end > 0 && ends[end - 1],
                '?' => one,
                sign => one && text[end - 1] == *sign,
            };
        }
    }
    ends[text.len()]
}
