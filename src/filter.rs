//! Filters: which events a subscription wants.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::error::{Error, Result};
use crate::event::{OWN_TYPES, RecordedEvent};
use crate::position::Position;
use crate::record::events::EventLine;

/// The longest glob, in bytes.
pub const MAX_GLOB_BYTES: usize = 1024;

/// Globs of types and of subjects, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globs {
    /// Or-ed; none for all types.
    pub types: Vec<String>,
    /// Or-ed; none for all events, with or without a subject.
    pub subjects: Vec<String>,
}

/// Type globs and subject globs, and-ed. In a glob `*` is any run of characters, `.` and `/` too, and
/// `?` is one; it is held against the whole text, and case counts.
#[derive(Clone, Debug)]
pub struct Filter {
    types: Vec<WildMatch>,
    subjects: Vec<WildMatch>,
    /// The store's own events are for those who ask for them by name.
    wants_own: bool,
}

impl Filter {
    /// What the globs let through.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a glob that is empty or too long.
    pub fn new(globs: &Globs) -> Result<Self> {
        let wants_own = globs.types.iter().any(|glob| glob.starts_with(OWN_TYPES));
        Ok(Self { types: compile(&globs.types)?, subjects: compile(&globs.subjects)?, wants_own })
    }

    /// The same, with the store's own events too: for a look at the journal.
    #[must_use]
    pub fn with_own(self) -> Self {
        Self { wants_own: true, ..self }
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn matches(&self, kind: &str, subject: Option<&str>) -> bool {
        if kind.starts_with(OWN_TYPES) && !self.wants_own {
            return false;
        }
        let kind = self.types.is_empty() || self.types.iter().any(|glob| glob.matches(kind));
        let subject = self.subjects.is_empty()
            || subject
                .is_some_and(|subject| self.subjects.iter().any(|glob| glob.matches(subject)));
        kind && subject
    }

    /// The events of a commit that are wanted, from an index on.
    ///
    /// # Errors
    /// What is wrong with one of them, in words.
    pub fn wanted<C: FromIterator<RecordedEvent>>(
        &self,
        line: &EventLine<'_>,
        from: usize,
        epoch: u32,
    ) -> Result<C, String> {
        let events = line.events.iter().enumerate().skip(from);
        events
            .filter(|(_, event)| self.matches(&event.kind, event.subject.as_deref()))
            .filter_map(|(idx, _)| line.event(idx, epoch).transpose())
            .collect()
    }

    /// The place of the first event of a commit that is wanted, from an index on.
    #[must_use]
    pub fn first(&self, line: &EventLine<'_>, from: usize) -> Option<Position> {
        let events = line.events.iter().enumerate().skip(from);
        let mut wanted =
            events.filter(|(_, event)| self.matches(&event.kind, event.subject.as_deref()));
        let (idx, _) = wanted.next()?;
        Some(Position::new(line.seq, u32::try_from(idx).ok()?))
    }
}

fn compile(globs: &[String]) -> Result<Vec<WildMatch>> {
    globs
        .iter()
        .map(|glob| {
            if glob.is_empty() || glob.len() > MAX_GLOB_BYTES {
                return Err(Error::Invalid(format!(
                    "a glob has 1 to {MAX_GLOB_BYTES} bytes; `*` alone matches everything"
                )));
            }
            Ok(WildMatch::new(glob))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(types: &[&str], subjects: &[&str]) -> Filter {
        let own = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        Filter::new(&Globs { types: own(types), subjects: own(subjects) }).unwrap()
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
    fn types_and_subjects_must_both_match_and_no_subject_matches_no_glob() {
        let both = filter(&["A", "B"], &["x", "y"]);
        assert!(both.matches("B", Some("x")));
        assert!(!both.matches("C", Some("x")) && !both.matches("A", Some("z")));
        assert!(!filter(&[], &["*"]).matches("A", None));
    }

    #[test]
    fn refuses_an_empty_glob() {
        assert!(Filter::new(&Globs { types: vec![String::new()], subjects: vec![] }).is_err());
    }
}
