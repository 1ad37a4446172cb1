//! Consumers that handle events side by side, some of which always fail, and that are killed at random.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use docbox::{Event, Order, Publisher, RetryPolicy, Start, Store, Transaction};

use crate::program::Guarded;
use crate::role::{Part, Role};
use crate::{asked_for, dice, made};

const EVENTS: usize = 10_000;
const SUBJECTS: usize = 40;
const NAME: &str = "worker";
/// Where the handlers note what they did.
const DONE: &str = "done.txt";

/// One in a hundred always fails.
fn is_poison(number: u64) -> bool {
    number % 100 == 37
}

/// Handles all events up to the head, or dies in it.
pub fn work(folder: &Path) -> docbox::Result<()> {
    let store = Store::open(folder)?;
    let file = OpenOptions::new().create(true).append(true).open(folder.join(DONE));
    let file = Mutex::new(file.expect("a file"));
    let retry = RetryPolicy { backoff_ms: vec![0], ..RetryPolicy::default() };
    let subscription = store
        .subscribe(NAME)
        .from(Start::Beginning)
        .order(Order::PerSubject { parallel: 4 })
        .retry(retry)
        .wait(true);
    let running = Publisher::new(&store)
        .handle_in_parallel(subscription, move |delivery| {
            let number: u64 = delivery.event().data()?;
            if is_poison(number) {
                return Err("as a test".into());
            }
            let line = format!("{} {number}\n", delivery.event().about().unwrap_or_default());
            file.lock().expect("no handler panics").write_all(line.as_bytes())?;
            Ok(())
        })
        .start()?;
    assert!(running.drain(Duration::from_mins(5))?, "it gets to the head");
    store.close()
}

#[test]
fn consumers_that_are_killed_lose_nothing_and_give_up_what_always_fails_and_nothing_else() {
    let home = made();
    let store = Store::open(home.root()).expect("the store opens");
    let event = |number: usize| {
        let subject = format!("s{}", number * 7 % SUBJECTS);
        Event::new("T", &number).expect("a number").subject(subject)
    };
    for first in (0..EVENTS).step_by(10) {
        let events = (first..first + 10).map(event);
        store.commit(events.fold(Transaction::new(), Transaction::emit)).expect("a commit");
    }
    let role = Role {
        root: home.root().to_owned(),
        part: Part::Worker,
        dies_at: 0,
        is_cut: false,
        is_small: false,
    };
    let mut dice = dice();
    for _ in 0..asked_for("DOCBOX_KILLS", 30).min(100) {
        let mut worker = Guarded::start(&mut role.command());
        std::thread::sleep(Duration::from_millis(dice.below(150) as u64));
        worker.kill();
    }
    let ended = crate::program::run_to_end(&mut role.command(), b"");
    assert!(ended.status.success(), "{ended:?}");
    let done = fs::read_to_string(home.path(DONE)).expect("what was done");
    let mut by_subject = BTreeMap::<&str, Vec<u64>>::new();
    for line in done.lines() {
        let (subject, number) = line.split_once(' ').expect("a subject and a number");
        by_subject.entry(subject).or_default().push(number.parse().expect("a number"));
    }
    let handled: BTreeSet<u64> = by_subject.values().flatten().copied().collect();
    let all = 0..EVENTS as u64;
    assert!(all.clone().filter(|number| !is_poison(*number)).eq(handled), "none is lost");
    for (subject, numbers) in by_subject {
        // At most the one that was in hand when its consumer was killed comes once more.
        assert!(numbers.is_sorted(), "{subject}: {numbers:?}");
    }
    let letters = store.dead_letters(NAME).expect("letters");
    let letters: Vec<_> = letters.into_iter().map(|letter| letter.expect("a letter")).collect();
    let given_up = letters.iter().map(|letter| letter.event().data::<u64>().expect("a number"));
    assert!(all.filter(|number| is_poison(*number)).eq(given_up), "those that always fail");
    assert!(letters.iter().all(|letter| letter.attempts().len() == 10), "{letters:?}");
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
    store.close().expect("it closes");
}
