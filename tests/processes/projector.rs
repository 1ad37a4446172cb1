//! The projector of tests/examples, killed again and again: its counts are exact.

use std::collections::BTreeMap;
use std::time::Duration;

use docbox::{Event, Start, Store, Transaction};

use crate::counts::{COUNTS, Counts};
use crate::program::Guarded;
use crate::role::{Part, Role};
use crate::{asked_for, dice, made};

const KINDS: [&str; 4] = ["AgentSpawned", "AgentStateChanged", "UsageRecorded", "AgentFailed"];

#[test]
fn a_projector_that_is_killed_two_hundred_times_counts_each_event_once() {
    let home = made();
    let store = Store::open(home.root()).expect("the store opens");
    let mut dice = dice();
    let role = |follow| Role {
        root: home.root().to_owned(),
        part: Part::Projector { follow },
        dies_at: 0,
        is_cut: false,
        is_small: false,
    };
    let mut kills_in_mid_count = 0;
    for _ in 0..asked_for("DOCBOX_KILLS", 200).max(200) {
        let before = counted(&store);
        let mut projector = Guarded::start(&mut role(true).command());
        let mut transaction = Transaction::new();
        for _ in 0..=dice.below(20) {
            transaction = transaction.emit(Event::bare(KINDS[dice.below(KINDS.len())]));
        }
        store.commit(transaction).expect("a commit");
        // Before it has begun, in the midst of it, or when it has done all.
        std::thread::sleep(Duration::from_micros(dice.below(60_000) as u64));
        projector.kill();
        let after = counted(&store);
        kills_in_mid_count += u32::from(before < after && after < emitted(&store).values().sum());
    }
    println!("{kills_in_mid_count} kills in the midst of counting");
    let mut last = Guarded::start(&mut role(false).command());
    assert!(last.wait().expect("it ends").success());
    let counts: Counts = store.get(COUNTS).expect("it reads").expect("it is there").value;
    assert_eq!(counts, emitted(&store));
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
    store.close().expect("it closes");
}

/// How many events are counted by now.
fn counted(store: &Store) -> u64 {
    let found = store.get::<Counts>(COUNTS).expect("it reads");
    found.map_or(0, |found| found.value.values().sum())
}

fn emitted(store: &Store) -> Counts {
    let mut counts = BTreeMap::new();
    for event in store.events(Start::Beginning).expect("events") {
        *counts.entry(event.expect("an event").kind().to_owned()).or_default() += 1;
    }
    counts
}
