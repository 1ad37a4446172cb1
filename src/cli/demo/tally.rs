//! What one subscription was handed, and how that compares with what it should have been.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use docbox::Position;
use jiff::Timestamp;
use serde::Serialize;

use super::announced::{Announced, Announcements, Delivered};

/// The book of one subscription, over all runs of its consumer.
pub struct Tally {
    wants: fn(&str) -> bool,
    /// What it is to get by the day, in order.
    wanted: Vec<Position>,
    first: Announcements,
    deliveries: u64,
    /// Deliveries of an event that differed from its first delivery.
    changed: u64,
    out_of_order: u64,
    /// The last position of this run.
    last: Option<Position>,
    /// Whether this run has reached the head once: only from there on does a latency say anything.
    caught_up: bool,
    /// With the commit of each.
    latencies: Vec<(u64, Duration)>,
    catching_up: u64,
}

/// What must be zero, and what is only shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Different events.
    pub delivered: u64,
    /// Deliveries beyond the first of each event.
    pub duplicates: u64,
    pub lost: u64,
    pub out_of_order: u64,
    pub phantom: u64,
}

/// Latencies in order, and how many deliveries were left out of them.
pub struct Latencies {
    pub sorted: Vec<Duration>,
    pub catching_up: u64,
    pub unanswered: u64,
}

impl Tally {
    /// An empty book.
    pub fn new(wants: fn(&str) -> bool, day: &Announcements) -> Self {
        let wanted =
            day.iter().filter(|(_, event)| wants(&event.kind)).map(|(at, _)| *at).collect();
        Self {
            wants,
            wanted,
            first: Announcements::new(),
            deliveries: 0,
            changed: 0,
            out_of_order: 0,
            last: None,
            caught_up: false,
            latencies: Vec::new(),
            catching_up: 0,
        }
    }

    /// The consumer was started again: it may be handed once more what it had not settled.
    pub fn start_again(&mut self) {
        self.last = None;
        self.caught_up = false;
    }

    /// Enters a delivery. `acked` is the newest commit known to be acknowledged when it came.
    pub fn enter(&mut self, delivered: Delivered, at: Timestamp, acked: u64) {
        let Delivered { position, time, announced } = delivered;
        self.deliveries += 1;
        self.out_of_order += u64::from(self.last.is_some_and(|last| position < last));
        self.last = Some(position);
        let waited = Duration::try_from(at.duration_since(time)).unwrap_or_default();
        if self.caught_up {
            self.latencies.push((position.seq, waited));
        } else {
            self.catching_up += 1;
        }
        self.caught_up =
            self.caught_up || self.next_wanted(position).is_none_or(|next| next.seq > acked);
        match self.first.get(&position) {
            None => drop(self.first.insert(position, announced)),
            Some(first) => self.changed += u64::from(*first != announced),
        }
    }

    fn next_wanted(&self, position: Position) -> Option<Position> {
        self.wanted.get(self.wanted.partition_point(|wanted| *wanted <= position)).copied()
    }

    /// How many different events were delivered.
    pub fn delivered(&self) -> u64 {
        self.first.len() as u64
    }

    /// How many events it wants by the day.
    pub fn wanted(&self) -> u64 {
        self.wanted.len() as u64
    }

    /// Whether everything that it wants by the day was delivered.
    pub fn is_complete(&self) -> bool {
        self.wanted.iter().all(|position| self.first.contains_key(position))
    }

    /// Holds the book against the day and against the journal: an event is lost when either has it and
    /// it was not delivered, and phantom when it was delivered and one of them does not have it so.
    pub fn counts(&self, day: &Announcements, journal: &Announcements) -> Counts {
        let wanted: BTreeSet<&Position> = day
            .iter()
            .chain(journal)
            .filter(|(_, event)| (self.wants)(&event.kind))
            .map(|(position, _)| position)
            .collect();
        let lost = wanted.iter().filter(|position| !self.first.contains_key(position)).count();
        let is_so = |source: &Announcements, position: &Position, event: &Announced| {
            source.get(position) == Some(event)
        };
        let phantom = self.first.iter().filter(|(position, event)| {
            !(self.wants)(&event.kind)
                || !is_so(day, position, event)
                || !is_so(journal, position, event)
        });
        Counts {
            delivered: self.delivered(),
            duplicates: self.deliveries - self.delivered(),
            lost: lost as u64,
            out_of_order: self.out_of_order,
            phantom: phantom.count() as u64 + self.changed,
        }
    }

    /// The latencies, without those of commits whose writer was killed before it had answered.
    pub fn latencies(&self, unanswered: &[RangeInclusive<u64>]) -> Latencies {
        let answered = |seq: &u64| !unanswered.iter().any(|killed| killed.contains(seq));
        let mut sorted: Vec<Duration> = self
            .latencies
            .iter()
            .filter(|(seq, _)| answered(seq))
            .map(|(_, latency)| *latency)
            .collect();
        sorted.sort_unstable();
        let unanswered = (self.latencies.len() - sorted.len()) as u64;
        Latencies { sorted, catching_up: self.catching_up, unanswered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(seq: u64, kind: &str) -> Announced {
        Announced { id: format!("1-{seq}-0"), kind: kind.to_owned(), subject: None, data: None }
    }

    fn announcements(kinds: &[&str]) -> Announcements {
        (1..).zip(kinds).map(|(seq, kind)| (Position::new(seq, 0), announced(seq, kind))).collect()
    }

    fn tally(day: &Announcements) -> Tally {
        Tally::new(|kind| kind == "A", day)
    }

    fn deliver_at(tally: &mut Tally, seq: u64, ms: i64, acked: u64) {
        let time = Timestamp::UNIX_EPOCH;
        let at = Timestamp::from_millisecond(ms).unwrap();
        let event = announced(seq, "A");
        tally.enter(
            Delivered { position: Position::new(seq, 0), time, announced: event },
            at,
            acked,
        );
    }

    fn deliver(tally: &mut Tally, seqs: &[u64]) {
        for seq in seqs {
            deliver_at(tally, *seq, 1, 0);
        }
    }

    #[test]
    fn everything_wanted_delivered_once_in_order_is_all_zeros() {
        let day = announcements(&["A", "B", "A"]);
        let mut tally = tally(&day);
        deliver(&mut tally, &[1]);
        assert!(!tally.is_complete());
        deliver(&mut tally, &[3]);
        assert!(tally.is_complete());
        let zeros = Counts { delivered: 2, duplicates: 0, lost: 0, out_of_order: 0, phantom: 0 };
        assert_eq!(tally.counts(&day, &day), zeros);
    }

    #[test]
    fn what_the_day_or_the_journal_has_and_was_not_delivered_is_lost() {
        let (day, longer) = (announcements(&["A", "A"]), announcements(&["A", "A", "A"]));
        let mut tally = tally(&day);
        deliver(&mut tally, &[1]);
        assert_eq!(tally.counts(&day, &day).lost, 1);
        assert_eq!(tally.counts(&day, &longer).lost, 2);
        assert_eq!(tally.counts(&longer, &day).lost, 2);
    }

    #[test]
    fn what_was_delivered_and_is_not_so_in_the_day_and_the_journal_is_phantom() {
        let (day, shorter) = (announcements(&["A", "A"]), announcements(&["A"]));
        let mut tally = tally(&day);
        deliver(&mut tally, &[1, 2]);
        assert_eq!(tally.counts(&day, &day).phantom, 0);
        assert_eq!(tally.counts(&day, &shorter).phantom, 1);
        assert_eq!(tally.counts(&shorter, &day).phantom, 1);
        let mut other = day.clone();
        other
            .insert(Position::new(2, 0), Announced { id: "1-9-0".to_owned(), ..announced(2, "A") });
        assert_eq!(tally.counts(&day, &other).phantom, 1);
    }

    #[test]
    fn what_the_filter_should_have_held_back_is_phantom() {
        let day = announcements(&["A", "B"]);
        let mut tally = tally(&day);
        let (position, time) = (Position::new(2, 0), Timestamp::UNIX_EPOCH);
        tally.enter(Delivered { position, time, announced: announced(2, "B") }, time, 0);
        assert_eq!(tally.counts(&day, &day).phantom, 1);
    }

    #[test]
    fn a_redelivery_after_a_start_is_a_duplicate_and_not_out_of_order() {
        let day = announcements(&["A", "A"]);
        let mut tally = tally(&day);
        deliver(&mut tally, &[1, 2]);
        tally.start_again();
        deliver(&mut tally, &[1, 2]);
        let Counts { delivered, duplicates, out_of_order, .. } = tally.counts(&day, &day);
        assert_eq!((delivered, duplicates, out_of_order), (2, 2, 0));
    }

    #[test]
    fn going_back_within_one_run_is_out_of_order() {
        let day = announcements(&["A", "A", "A"]);
        let mut tally = tally(&day);
        deliver(&mut tally, &[1, 3, 2]);
        assert_eq!(tally.counts(&day, &day).out_of_order, 1);
    }

    #[test]
    fn a_redelivery_that_differs_is_phantom() {
        let day = announcements(&["A"]);
        let mut tally = tally(&day);
        deliver(&mut tally, &[1]);
        let (position, time) = (Position::new(1, 0), Timestamp::UNIX_EPOCH);
        let changed = Announced { data: Some("1".to_owned()), ..announced(1, "A") };
        tally.enter(Delivered { position, time, announced: changed }, time, 0);
        assert_eq!(tally.counts(&day, &day).phantom, 1);
    }

    #[test]
    fn latencies_count_from_the_first_delivery_at_the_head_of_each_run() {
        let day = announcements(&["A", "A", "B", "A", "A"]);
        let mut tally = tally(&day);
        // Commit 4 is acknowledged, so commit 2 is not yet the head for this subscription, and 4 is.
        deliver_at(&mut tally, 1, 70, 4);
        deliver_at(&mut tally, 2, 60, 4);
        deliver_at(&mut tally, 4, 50, 4);
        deliver_at(&mut tally, 5, 8, 4);
        tally.start_again();
        deliver_at(&mut tally, 5, 90, 5);
        let latencies = tally.latencies(&[]);
        assert_eq!((latencies.sorted, latencies.catching_up), (vec![Duration::from_millis(8)], 4));
    }

    #[test]
    fn an_event_without_a_wanted_one_up_to_the_acknowledged_commit_is_the_head() {
        let day = announcements(&["A", "B", "B", "A"]);
        let mut tally = tally(&day);
        deliver_at(&mut tally, 1, 70, 3);
        deliver_at(&mut tally, 4, 5, 3);
        assert_eq!(tally.latencies(&[]).sorted, [Duration::from_millis(5)]);
    }

    #[test]
    fn latencies_of_unanswered_commits_are_left_out_and_the_rest_is_sorted() {
        let day = announcements(&["A", "A", "A", "A"]);
        let mut tally = tally(&day);
        for (seq, ms) in [(1, 1), (2, 9), (3, 500), (4, 3)] {
            deliver_at(&mut tally, seq, ms, 0);
        }
        let latencies = tally.latencies(&[3..=3]);
        assert_eq!(latencies.sorted, [3, 9].map(Duration::from_millis));
        assert_eq!(latencies.unanswered, 1);
    }
}
