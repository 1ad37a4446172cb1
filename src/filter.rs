//! Filters: which events a subscription wants.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::error::{Error, Result};
use crate::event::{OWN_TYPES, PUT, REMOVE, RecordedEvent};
use crate::position::Position;
use crate::record::events::EventLine;
use crate::record::sight::{Sight, UpTo};

/// The longest glob, in bytes.
pub const MAX_GLOB_BYTES: usize = 1024;

/// What is wanted: globs of types and of subjects, as text, and whether changes of documents are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globs {
    /// Or-ed; none for all types.
    pub types: Vec<String>,
    /// Or-ed; none for all events, with or without a subject.
    pub subjects: Vec<String>,
    /// Changes of documents too, as far as globs let them through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changes: bool,
}

/// Type globs and subject globs, and-ed. In a glob `*` is any run of characters, `.` and `/` too, and
/// `?` is one; it is held against the whole text, and case counts.
#[derive(Clone, Debug)]
pub struct Filter {
    types: Vec<Glob>,
    subjects: Vec<Glob>,
    /// The store's own events are for those who ask for them by name.
    wants_own: bool,
    changes: Changes,
}

/// A glob, and how every text that it lets through begins.
#[derive(Clone, Debug)]
struct Glob {
    start: Box<[u8]>,
    pattern: WildMatch,
}

impl Glob {
    fn new(text: &str) -> Self {
        let start = text.split(['*', '?']).next().unwrap_or_default();
        Self { start: start.as_bytes().into(), pattern: WildMatch::new(text) }
    }

    fn may_match(&self, text: &[u8]) -> bool {
        text.starts_with(&self.start)
    }

    fn matches(&self, text: &str) -> bool {
        self.may_match(text.as_bytes()) && self.pattern.matches(text)
    }
}

/// Which changes of documents are wanted.
#[derive(Clone, Copy, Debug)]
struct Changes {
    asked: bool,
    /// If asked for: these.
    puts: bool,
    removes: bool,
}

impl Changes {
    /// Globs of types that name a change leave only what they name; where none does, all of them are wanted.
    fn new(asked: bool, types: &[String]) -> Self {
        let own = types.iter().filter(|glob| glob.starts_with(OWN_TYPES));
        let own: Vec<Glob> = own.map(|glob| Glob::new(glob)).collect();
        let named = |kind: &str| own.iter().any(|glob| glob.matches(kind));
        let (puts, removes) = (named(PUT), named(REMOVE));
        let is_any_named = puts || removes;
        Self { asked, puts: puts || !is_any_named, removes: removes || !is_any_named }
    }
}

impl Filter {
    /// What the globs let through.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a glob that is empty or too long.
    pub fn new(globs: &Globs) -> Result<Self> {
        let wants_own = globs.types.iter().any(|glob| glob.starts_with(OWN_TYPES));
        let (types, subjects) = (compile(&globs.types)?, compile(&globs.subjects)?);
        let changes = Changes::new(globs.changes, &globs.types);
        Ok(Self { types, subjects, wants_own, changes })
    }

    /// The same, with the store's own events too: for a look at the journal.
    #[must_use]
    pub fn with_own(self) -> Self {
        Self { wants_own: true, ..self }
    }

    /// The same, with changes of documents or without.
    #[must_use]
    pub fn with_changes(mut self, asked: bool) -> Self {
        self.changes.asked = asked;
        self
    }

    /// Whether changes of documents are asked for.
    #[must_use]
    pub fn wants_changes(&self) -> bool {
        self.changes.asked
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn matches(&self, kind: &str, subject: Option<&str>) -> bool {
        if kind.starts_with(OWN_TYPES) && !self.wants_own {
            return false;
        }
        let kind = self.types.is_empty() || self.types.iter().any(|glob| glob.matches(kind));
        kind && self.matches_subject(subject)
    }

    fn matches_subject(&self, subject: Option<&str>) -> bool {
        self.subjects.is_empty()
            || subject.is_some_and(|subject| self.subjects.iter().any(|glob| glob.matches(subject)))
    }

    /// Whether the change of a document is wanted, by the type of the event that tells of it.
    fn matches_change(&self, kind: &str, key: &str) -> bool {
        let Changes { asked, puts, removes } = self.changes;
        let is_kind_wanted = if kind == PUT { puts } else { removes };
        asked && is_kind_wanted && self.matches_subject(Some(key))
    }

    /// Whether an item of a snapshot is wanted: it was asked for, so that only its subject counts.
    #[must_use]
    pub fn matches_item(&self, subject: &str) -> bool {
        self.matches_subject(Some(subject))
    }

    /// Adds the events and changes of a commit that are wanted, from an index on. The line was read for this filter.
    ///
    /// # Errors
    /// What is wrong with one of them, in words. Those before it may have been added.
    pub fn wanted(
        &self,
        line: &EventLine<'_>,
        from: usize,
        epoch: u32,
        into: &mut impl Extend<RecordedEvent>,
    ) -> Result<(), String> {
        for event in line.events.iter().filter(|event| event.idx >= from) {
            into.extend([line.wanted_event(event, epoch)?]);
        }
        // Most do not ask for changes, and a chain of the two would be dearer for them.
        for idx in self.changes(line, from) {
            into.extend(line.event(idx, epoch)?);
        }
        Ok(())
    }

    /// The places of what is wanted of a commit, in order, from an index on. The line was read for this filter.
    pub fn places(&self, line: &EventLine<'_>, from: usize) -> impl Iterator<Item = Position> {
        let events = line.events.iter().map(|event| event.idx).filter(move |idx| *idx >= from);
        let wanted = events.chain(self.changes(line, from));
        wanted.filter_map(|idx| Some(Position::new(line.seq, u32::try_from(idx).ok()?)))
    }

    /// Those of the changes, which stand behind all events, wanted or not: so each has the same place for everybody.
    fn changes(&self, line: &EventLine<'_>, from: usize) -> impl Iterator<Item = usize> {
        let count = line.event_count;
        let writes = line.writes.iter().enumerate().skip(from.saturating_sub(count));
        let writes = writes.filter(|(_, write)| {
            write.kind().is_some_and(|kind| self.matches_change(kind, &write.key))
        });
        writes.map(move |(write, _)| count + write)
    }
}

/// What is wanted, and nothing else.
impl Sight for Filter {
    fn up_to(&self) -> UpTo {
        if self.changes.asked { UpTo::Writes } else { UpTo::Events }
    }

    fn may_want(&self, kind: &[u8]) -> bool {
        self.types.is_empty() || self.types.iter().any(|glob| glob.may_match(kind))
    }

    fn wants(&self, kind: &str, subject: Option<&str>) -> bool {
        self.matches(kind, subject)
    }
}

fn compile(globs: &[String]) -> Result<Vec<Glob>> {
    globs
        .iter()
        .map(|glob| {
            if glob.is_empty() || glob.len() > MAX_GLOB_BYTES {
                return Err(Error::Invalid(format!(
                    "a glob has 1 to {MAX_GLOB_BYTES} bytes; `*` alone matches everything"
                )));
            }
            Ok(Glob::new(glob))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::crc::{self, Crc};
    use crate::json::Json;
    use crate::record::events::decode_events;
    use crate::record::{EventRecord, Record, WriteRecord};
    use crate::revision::Revision;

    fn filter(types: &[&str], subjects: &[&str]) -> Filter {
        let own = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        Filter::new(&Globs { types: own(types), subjects: own(subjects), changes: false }).unwrap()
    }

    #[test]
    fn no_globs_let_everything_through_but_the_stores_own() {
        let all = filter(&[], &[]);
        assert!(all.matches("A", None) && all.matches("A", Some("x")));
        assert!(!all.matches("docbox.dead_lettered", None));
        assert!(all.with_own().matches("docbox.dead_lettered", None));
    }

    #[test]
    fn the_stores_own_events_are_for_those_who_ask_by_name() {
        assert!(filter(&["docbox.*"], &[]).matches("docbox.dead_lettered", None));
        assert!(!filter(&["*"], &[]).matches("docbox.dead_lettered", None));
    }

    #[test]
    fn a_glob_is_held_against_the_whole_text_with_its_case() {
        let agents = filter(&["Agent*"], &[]);
        assert!(agents.matches("AgentSpawned", None) && agents.matches("Agent", None));
        assert!(!agents.matches("anAgent", None) && !agents.matches("agentSpawned", None));
        let one = filter(&["A?C"], &[]);
        assert!(one.matches("AbC", None) && !one.matches("AC", None) && !one.matches("AbbC", None));
    }

    #[test]
    fn a_star_crosses_slashes_and_dots() {
        assert!(filter(&[], &["projects/*/7c"]).matches("A", Some("projects/p1/x.y/7c")));
    }

    #[test]
    fn the_look_at_how_a_type_begins_takes_nothing_from_what_a_glob_matches() {
        let letters = ["a", "é", "*", "?"];
        let longer = |texts: Vec<String>| -> Vec<String> {
            texts.iter().flat_map(|text| letters.map(|letter| format!("{text}{letter}"))).collect()
        };
        let one = longer(vec![String::new()]);
        let two = longer(one.clone());
        let texts = [one, two.clone(), longer(two)].concat();
        for glob in &texts {
            let (pattern, filter) = (WildMatch::new(glob), filter(&[glob], &[]));
            for text in &texts {
                assert_eq!(filter.matches(text, None), pattern.matches(text), "{glob} {text}");
                let may = filter.may_want(text.as_bytes());
                assert!(may || !pattern.matches(text), "{glob} {text}");
            }
        }
        let agents = filter(&["A*", "B"], &["x"]);
        assert!(agents.may_want(b"Aa") && agents.may_want(b"B"));
        assert!(!agents.may_want(b"C"), "it need not be looked at any further");
    }

    #[test]
    fn types_and_subjects_must_both_match_and_no_subject_matches_no_glob() {
        let both = filter(&["A", "B"], &["x", "y"]);
        assert!(both.matches("B", Some("x")));
        assert!(!both.matches("C", Some("x")) && !both.matches("A", Some("z")));
        assert!(!filter(&[], &["*"]).matches("A", None));
    }

    #[test]
    fn what_is_wanted_of_a_commit_has_its_own_place_whatever_else_is_in_it() {
        let (text, revision) = (Json::parse(b"[1]").unwrap(), Revision::of(b"[1]"));
        let event = |kind: &'static str| EventRecord {
            kind: kind.into(),
            subject: None,
            data: Some(text.text()),
            meta: None,
        };
        let record = Record {
            crc: Crc::NONE,
            prev: Crc::NONE,
            seq: 7,
            batch: 7,
            time: "2026-11-23T08:10:00Z".parse().unwrap(),
            token: None,
            acks: BTreeMap::new(),
            settles: BTreeMap::new(),
            meta: None,
            events: ["A", "B", "A", "B"].map(event).into(),
            writes: vec![WriteRecord {
                key: "a/b".into(),
                was: None,
                rev: Some(revision),
                doc: Some(text.text()),
            }],
        };
        let mut line = Vec::new();
        record.encode(&mut line);
        line.pop();
        // As it was written, and the long way.
        let odd = String::from_utf8(line.clone()).unwrap().replace("\"events\":[", "\"events\": [");
        let mut odd = odd.into_bytes();
        crc::seal(&mut odd);
        let wanted = filter(&["B"], &[]).with_changes(true);
        for line in [line, odd] {
            let line = decode_events(&line, &wanted).unwrap();
            for (from, ids) in
                [(0, &["1-7-1", "1-7-3", "1-7-4"][..]), (2, &["1-7-3", "1-7-4"]), (5, &[])]
            {
                let mut events: Vec<RecordedEvent> = Vec::new();
                wanted.wanted(&line, from, 1, &mut events).unwrap();
                assert_eq!(events.iter().map(RecordedEvent::id).collect::<Vec<_>>(), ids);
                let places = wanted.places(&line, from).map(|place| format!("1-{place}"));
                assert_eq!(places.collect::<Vec<_>>(), ids);
            }
            assert_eq!(line.event(0, 1).unwrap().map(|event| event.id()), None, "not wanted");
            assert_eq!(line.subject(4), Some("a/b"));
        }
    }

    #[test]
    fn refuses_an_empty_glob() {
        assert!(Filter::new(&Globs { types: vec![String::new()], ..Globs::default() }).is_err());
    }
}
