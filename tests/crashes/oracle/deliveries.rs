//! Deliveries: every event of every surviving commit, in order, none that did not survive, none again
//! that was settled.

use std::collections::{BTreeMap, BTreeSet};

use docbox::{Position, Revision, Store, layout};

use super::AFTER;
use super::documents::as_of;
use crate::history::{Attempt, Known, said, wants_changes, wants_snapshot};
use crate::session::subscribe;

/// Every subscription goes on, and gets what it did not have yet.
pub fn check(store: &Store, known: &Known, committed: &BTreeMap<u64, &Attempt>) {
    for status in store.subscriptions().expect("subscriptions are listed") {
        let head = committed.keys().next_back().copied().unwrap_or(0);
        let beyond = status.position.is_some_and(|position| position.seq > head);
        assert!(!beyond, "{} stands at {:?}, the head at {head}", status.name, status.position);
        assert_eq!(status.error, None, "{} is sound", status.name);
    }
    settled_once(committed);
    for (name, delivered) in &known.delivered {
        let mut expected = expected(committed, wants_changes(name));
        expected.extend(items(committed, delivered.keys()));
        for (position, said) in delivered {
            let survives = expected.get(position) == Some(said);
            assert!(survives, "{name} was given {said} at {position}, which did not survive");
        }
        let Some(taken) = take_as_known(store, known, name) else { continue };
        expected.extend(items(committed, taken.iter().map(|(position, _)| position)));
        if wants_snapshot(name) {
            // What it is to have is the newest snapshot of which it was given anything, and what came after it.
            let item = |position: &&Position| position.is_in_snapshot();
            let newest = expected.keys().rev().find(item).expect("a snapshot comes first").seq;
            expected = expected.split_off(&item_of(newest, 0));
        }
        let in_order = taken.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(in_order, "{name} gets events in order: {taken:?}");
        for (position, said) in &taken {
            let expected = expected.get(position);
            assert_eq!(expected, Some(said), "{name} gets what was committed: {position}");
        }
        let seen: BTreeSet<Position> = taken.into_iter().map(|(position, _)| position).collect();
        for (position, said) in &expected {
            let got = seen.contains(position) || delivered.contains_key(position);
            assert!(got, "{name} never got {said} ({position})");
        }
        let by_commits = committed.values().filter_map(|attempt| attempt.settles.as_ref());
        let by_commits =
            by_commits.filter(|(other, _)| other == name).map(|(_, position)| position);
        let settled: BTreeSet<&Position> = known
            .settled
            .get(name)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .chain(by_commits)
            .collect();
        let again: Vec<_> = seen.iter().filter(|position| settled.contains(position)).collect();
        assert!(again.is_empty(), "{name} had settled {again:?}");
    }
}

/// What a subscription gets of the commits that are there: their events, and if it wants them their changes.
fn expected(committed: &BTreeMap<u64, &Attempt>, with_changes: bool) -> BTreeMap<Position, String> {
    let mut revisions = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (seq, attempt) in committed {
        let seen = attempt.seen(&mut revisions);
        let count = if with_changes { seen.len() } else { attempt.events };
        for (idx, said) in seen.into_iter().take(count).enumerate() {
            expected.insert(Position::new(*seq, u32::try_from(idx).expect("few")), said);
        }
    }
    expected
}

/// All items of the snapshots to which these positions belong: the documents as they were at the end of a commit.
fn items<'a>(
    committed: &BTreeMap<u64, &Attempt>,
    positions: impl Iterator<Item = &'a Position>,
) -> Vec<Taken> {
    let snapshots = positions.filter(|position| position.is_in_snapshot());
    let snapshots: BTreeSet<u64> = snapshots.map(|position| position.seq).collect();
    let item = |seq, (number, (key, text)): (u32, (&str, &str))| {
        let revision = Revision::of(&layout::pretty(text));
        let said =
            format!(r#"docbox.snapshot {key} {{"revision":"{revision}","document":{text}}}"#);
        (item_of(seq, number), said)
    };
    let all = snapshots.into_iter();
    all.flat_map(|seq| (0..).zip(as_of(committed, seq)).map(move |it| item(seq, it))).collect()
}

fn item_of(seq: u64, number: u32) -> Position {
    format!("{seq}-s{number}").parse().expect("a position")
}

/// Something that was taken, and its place.
pub type Taken = (Position, String);

/// The same, under whatever name it has now; `None` where it was removed, as it may have been.
pub fn take_as_known(store: &Store, known: &Known, name: &str) -> Option<Vec<Taken>> {
    let listed = store.subscriptions().expect("subscriptions are listed");
    let names = known.names_of(name);
    let found: Vec<_> = listed.iter().filter(|one| names.contains(&one.name)).collect();
    let gone = known.gone.get(name).copied().unwrap_or(Some(false));
    let fits = match gone {
        Some(true) => found.is_empty(),
        Some(false) => found.len() == 1,
        None => found.len() < 2,
    };
    assert!(fits, "{name} is known as {names:?}, gone: {gone:?}, and this is there: {found:?}");
    let now = found.first()?;
    if let Some(Some(paused)) = known.paused.get(name) {
        assert_eq!(now.paused.is_some(), *paused, "{name} is as it was told");
    }
    store.resume(&now.name).expect("it is resumed");
    Some(take(store, &now.name))
}

/// The same once more, after everything was checked and resumed.
pub fn take_again(store: &Store, known: &Known, name: &str) -> Option<Vec<Taken>> {
    let listed = store.subscriptions().expect("subscriptions are listed");
    let names = known.names_of(name);
    let now = listed.iter().find(|one| names.contains(&one.name))?;
    assert!(now.paused.is_none(), "it was resumed");
    Some(take(store, &now.name))
}

/// Takes all that a subscription has, and settles it; what comes of a workload.
pub fn take(store: &Store, name: &str) -> Vec<Taken> {
    let mut subscription =
        subscribe(store, name).unwrap_or_else(|error| panic!("{name} goes on: {error}"));
    let mut seen = Vec::new();
    for delivery in subscription.catch_up() {
        let delivery = delivery.unwrap_or_else(|error| panic!("{name} goes on: {error}"));
        let event = delivery.event();
        if event.about() != Some(AFTER) {
            seen.push((event.position(), said(event)));
        }
        delivery.ack().expect("an ack");
    }
    seen
}

/// Of one event one subscription makes one commit at most.
fn settled_once(committed: &BTreeMap<u64, &Attempt>) {
    let mut settled = BTreeSet::new();
    for what in committed.values().filter_map(|attempt| attempt.settles.as_ref()) {
        assert!(settled.insert(what), "{what:?} was settled by two commits");
    }
}
