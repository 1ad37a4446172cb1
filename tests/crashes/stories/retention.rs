//! Stories of a journal of which nothing is kept: a new segment is begun, durably, before the last one goes.

use std::sync::Arc;

use docbox::{Start, Store};

use super::{Mishap, at_each_change};
use crate::history::History;
use crate::oracle::{check, disk, open};
use crate::support::sim::{Answer, Disk, Fate, Op, SimFs, Survival};

const COMMITS: u64 = 16;
const NAME: &str = "ui";

/// A store whose every commit is applied, and passed by its subscription; the last segment is as good as full.
fn passed() -> (Disk, History) {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..COMMITS {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    drop(store.subscribe(NAME).from(Start::Now).open().expect("a subscription"));
    store.checkpoint().expect("a checkpoint");
    drop(store);
    disk.settle();
    (disk.fork(), history)
}

fn retain(process: &Arc<SimFs>) -> docbox::Result<usize> {
    open(process)?.retain()
}

/// The next commit is the next one, and its event all that the subscription hears of.
fn goes_on(store: &Store, what: &str) {
    let event = docbox::Event::bare("Next");
    let commit = store.commit(docbox::Transaction::new().emit(event)).expect("a commit");
    assert_eq!(commit.seq(), COMMITS + 1, "{what}");
    let mut ui = store.subscribe(NAME).open().expect("there is one consumer");
    let seq = |delivery: docbox::Result<docbox::Delivery>| {
        let delivery = delivery.expect("sound");
        let seq = delivery.event().position().seq;
        delivery.ack().expect("its cursor can be written");
        seq
    };
    let heard: Vec<u64> = ui.catch_up().map(seq).collect();
    assert_eq!(heard, [COMMITS + 1], "{what}");
    let report = store.verify().expect("it can be read");
    assert!(report.is_clean(), "{what}: {report:?}");
}

/// What the next to open it makes of it, after a kill and after power cuts.
fn look(disk: &Disk, history: &History, what: &str) {
    goes_on(&open(&disk.fork().process()).expect("opens"), what);
    let again = disk.fork();
    retain(&again.process()).expect("it is done now");
    let corners = [Survival::NOTHING, Survival::EVERYTHING];
    let dice = (0..6).map(|seed| Survival { entries: Fate::Dice, ..Survival::dice(seed) });
    for (number, survival) in corners.into_iter().chain(dice).enumerate() {
        for disk in [disk, &again] {
            let disk = disk.fork();
            disk.power_cut_with(survival);
            check(&disk.fork(), history);
            goes_on(&open(&disk.process()).expect("opens"), &format!("{what}, power cut {number}"));
        }
    }
}

/// Retention meets something at each call that changes anything.
fn look_at_each_change(mishap: Mishap) {
    let (base, history) = passed();
    let dry = base.fork();
    let kept = |disk: &Disk| {
        let is_line = |byte: &u8| *byte == b'{';
        let files = disk.tree().into_iter().map(|(path, _)| path);
        let segments = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
        segments.filter_map(|path| disk.read(&path)).filter(|it| it.iter().any(is_line)).count()
    };
    assert!(kept(&base) > 1);
    retain(&dry.process()).expect("as it is");
    assert_eq!(kept(&dry), 0, "nothing is kept");
    look(&dry, &history, "done");
    at_each_change(&base, mishap, retain, |disk, what| look(disk, &history, what));
}

#[test]
fn a_journal_of_which_nothing_is_kept_goes_on_wherever_its_dropping_is_cut() {
    look_at_each_change(Mishap::Killed);
}

#[test]
fn a_subscription_never_begins_in_a_segment_that_was_to_be_dropped_with_all_others() {
    let (base, _) = passed();
    let other = open(&base.process()).expect("opens");
    base.hook(|_, call| if call.op == Op::RemoveFile { Answer::Crash } else { Answer::Go });
    retain(&base.process()).expect_err("it dies before anything is removed");
    base.unhook();
    let mut late = other.subscribe("late").from(Start::Beginning).open().expect("opens");
    assert!(other.retain().expect("it goes on with it") > 1);
    assert!(late.catch_up().next().is_none());
    goes_on(&other, "dropped by another process");
    assert!(late.catch_up().next().expect("the same").is_ok());
}

#[test]
fn a_journal_of_which_nothing_is_kept_goes_on_whatever_fails_in_its_dropping() {
    look_at_each_change(Mishap::Failed);
}
