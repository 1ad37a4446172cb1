//! What the run has left, held against the day.

use std::path::Path;

use docbox::{Result, Start, Store};

use super::announced::{Announced, Announcements};
use super::day::Day;
use super::process::Program;
use super::stage::Stage;
use super::tally::{Counts, Latencies};

/// Everything that the table shows.
pub struct Outcome {
    pub commits: u64,
    pub documents: u64,
    pub events: u64,
    /// Commits that were acknowledged and are not there.
    pub lost_commits: u64,
    /// Documents that are not as the day leaves them: missing, other, or too many.
    pub differing_documents: u64,
    /// Events of the journal that are not as the day says: missing, other, or too many.
    pub differing_events: u64,
    /// For each subscription.
    pub counts: Vec<Counts>,
    pub latencies: Vec<Latencies>,
    /// What `docbox verify` said, when it did not end with 0.
    pub findings: Option<String>,
}

impl Outcome {
    /// Reads the store, with nothing that the run kept but the tallies.
    pub fn of(stage: &Stage<'_>, program: &Program, root: &Path, day: &Day) -> Result<Self> {
        let verified = program.run(&["verify"])?;
        let findings = (!verified.status.success()).then(|| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
            format!("{}\n{}", text(&verified.stdout), text(&verified.stderr)).trim().to_owned()
        });
        let store = Store::options().create(false).open_read_only(root)?;
        let journal = store
            .events(Start::Beginning)?
            .map(|event| event.map(|event| (event.position(), Announced::from(&event))))
            .collect::<Result<Announcements>>()?;
        let commits = store.status()?.head;
        let counts = stage.tallies.iter().map(|tally| tally.counts(&day.events, &journal));
        let latencies = stage.tallies.iter().map(|tally| tally.latencies(&stage.unanswered));
        Ok(Self {
            commits,
            documents: store.list("")?.len() as u64,
            events: journal.len() as u64,
            lost_commits: stage.lost_commits + day.len().saturating_sub(commits),
            differing_documents: differing_documents(&store, day)?,
            differing_events: differing_events(&journal, &day.events),
            counts: counts.collect(),
            latencies: latencies.collect(),
            findings,
        })
    }

    /// Whether nothing was lost, nothing came out of order, nothing came from nowhere, and the store holds.
    pub fn is_good(&self) -> bool {
        let is_good = |counts: &Counts| counts.lost + counts.out_of_order + counts.phantom == 0;
        self.lost_commits + self.differing_documents + self.differing_events == 0
            && self.counts.iter().all(is_good)
            && self.findings.is_none()
    }
}

fn differing_documents(store: &Store, day: &Day) -> Result<u64> {
    let mut differing = 0;
    for key in store.list("")? {
        differing += u64::from(!day.documents.contains_key(&key));
    }
    for (key, bytes) in &day.documents {
        differing += u64::from(store.get_bytes(key.as_str())?.as_ref() != Some(bytes));
    }
    Ok(differing)
}

fn differing_events(journal: &Announcements, day: &Announcements) -> u64 {
    let other = day.iter().filter(|(position, event)| journal.get(position) != Some(*event));
    let more = journal.keys().filter(|position| !day.contains_key(position));
    (other.count() + more.count()) as u64
}

#[cfg(test)]
mod tests {
    use docbox::Position;

    use super::*;

    fn good() -> Outcome {
        let counts = Counts { delivered: 3, duplicates: 1, lost: 0, out_of_order: 0, phantom: 0 };
        Outcome {
            commits: 2,
            documents: 1,
            events: 3,
            lost_commits: 0,
            differing_documents: 0,
            differing_events: 0,
            counts: vec![counts],
            latencies: vec![Latencies { sorted: Vec::new(), catching_up: 3, unanswered: 0 }],
            findings: None,
        }
    }

    #[test]
    fn duplicates_are_allowed_and_anything_else_that_is_not_zero_is_not() {
        assert!(good().is_good());
        let spoilt: [fn(&mut Outcome); 7] = [
            |outcome| outcome.lost_commits = 1,
            |outcome| outcome.differing_documents = 1,
            |outcome| outcome.differing_events = 1,
            |outcome| outcome.counts[0].lost = 1,
            |outcome| outcome.counts[0].out_of_order = 1,
            |outcome| outcome.counts[0].phantom = 1,
            |outcome| outcome.findings = Some("drift".to_owned()),
        ];
        for (index, spoil) in spoilt.into_iter().enumerate() {
            let mut outcome = good();
            spoil(&mut outcome);
            assert!(!outcome.is_good(), "{index}");
        }
    }

    #[test]
    fn events_differ_when_missing_other_or_too_many() {
        let event = |id: &str| Announced {
            id: id.to_owned(),
            kind: "A".to_owned(),
            subject: None,
            data: None,
        };
        let one = Announcements::from([(Position::new(1, 0), event("1-1-0"))]);
        let other = Announcements::from([(Position::new(1, 0), event("1-2-0"))]);
        let none = Announcements::new();
        assert_eq!(differing_events(&one, &one), 0);
        assert_eq!(
            [(&one, &none), (&none, &one), (&one, &other)].map(|(a, b)| differing_events(a, b)),
            [1; 3]
        );
    }

    #[test]
    fn documents_differ_when_missing_other_or_too_many() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        let transaction = docbox::Transaction::new().put("a", &1).unwrap().put("b", &2).unwrap();
        store.commit(transaction).unwrap();
        let key = |text: &str| docbox::Key::new(text).unwrap();
        let mut day = Day::recorded().unwrap();
        day.documents = [(key("a"), b"1\n".to_vec()), (key("b"), b"2\n".to_vec())].into();
        assert_eq!(differing_documents(&store, &day).unwrap(), 0);
        day.documents.insert(key("b"), b"3\n".to_vec());
        day.documents.insert(key("c"), b"4\n".to_vec());
        assert_eq!(differing_documents(&store, &day).unwrap(), 2);
        day.documents = [(key("a"), b"1\n".to_vec())].into();
        assert_eq!(differing_documents(&store, &day).unwrap(), 1);
    }
}
