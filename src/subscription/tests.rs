//! A consumer that is woken by commits of its own process while another commits, and tells it something, too.
//! The real code over the simulated disk, under very many schedules.

use super::*;
use crate::Transaction;
use crate::event::{Event, RecordedEvent};
use crate::key::Key;
use crate::start::Start;
use crate::store::Store;
use crate::store::tests::{made_by, open};
use crate::support::sim::{Answer, Call, Disk, Op};
use crate::sync::Mutex;
use crate::sync::atomic::AtomicUsize;
use crate::sync::tests::under_many_schedules;
use crate::sync::thread::{self, JoinHandle};

/// A disk with a store that has a subscription.
fn made() -> Disk {
    made_by(|store| drop(store.subscribe("s").from(Start::Now).open().unwrap()))
}

/// An event, and a document of its name.
fn emit(store: &Store, kind: &str) {
    store.commit(Transaction::new().put(kind, kind).unwrap().emit(Event::bare(kind))).unwrap();
}

/// Takes events until there are so many, or the store is closed. The documents of each are there when it comes.
fn consuming(store: &Store, count: usize) -> JoinHandle<Vec<String>> {
    let its = store.clone();
    taking(store, count, move |event| {
        let kind = event.kind();
        assert!(its.core().documents.look(&Key::new(kind).unwrap()).unwrap().is_some());
        kind.to_owned()
    })
}

/// A thread that takes so many events and says what it saw in each.
fn taking<T: Send + 'static>(
    store: &Store,
    count: usize,
    look: impl Fn(&RecordedEvent) -> T + Send + 'static,
) -> JoinHandle<Vec<T>> {
    let mut subscription = store.subscribe("s").from(Start::Now).open().unwrap();
    thread::spawn(move || {
        let mut seen = Vec::new();
        for delivery in subscription.iter().take(count) {
            let delivery = delivery.unwrap();
            seen.push(look(delivery.event()));
            delivery.ack().unwrap();
        }
        seen
    })
}

#[test]
fn commits_of_two_processes_come_in_order_to_who_is_woken_for_those_of_one() {
    let made = made();
    under_many_schedules(2_000, move || {
        let disk = made.fork();
        let (here, elsewhere) = (open(&disk, false), open(&disk, false));
        let consumer = consuming(&here, 4);
        // Whoever waits for the lock of a simulated disk lets nobody else go on.
        let lock = Arc::new(Mutex::new(()));
        let its = Arc::clone(&lock);
        let others = thread::spawn(move || {
            for kind in ["e1", "e2"] {
                let _turn = its.lock().unwrap();
                emit(&elsewhere, kind);
            }
        });
        let turn = lock.lock().unwrap();
        emit(&here, "h1");
        drop(turn);
        others.join().unwrap();
        emit(&here, "h2");
        let seen = consumer.join().unwrap();
        let of = |whose: &str| -> Vec<&str> {
            seen.iter().map(String::as_str).filter(|kind| kind.starts_with(whose)).collect()
        };
        assert_eq!((of("e"), of("h")), (vec!["e1", "e2"], vec!["h1", "h2"]));
        assert_eq!(seen[3], "h2");
    });
}

#[test]
fn a_pause_from_elsewhere_holds_for_the_commit_after_it_whoever_is_woken_for_that() {
    let made = made();
    under_many_schedules(2_000, move || {
        let disk = made.fork();
        let (here, elsewhere) = (open(&disk, false), open(&disk, false));
        let consumer = consuming(&here, 2);
        emit(&here, "before");
        elsewhere.pause("s", None, None).unwrap();
        emit(&here, "after");
        here.close().unwrap();
        let seen = consumer.join().unwrap();
        assert!(seen.is_empty() || seen == ["before"], "{seen:?}");
    });
}

/// The first call of a kind that a file of the journal sees after the next write to it fails.
fn fail_after_the_next_write(disk: &Disk, op: Op) {
    const WRITE: usize = 0;
    const CALL: usize = 1;
    const NOTHING: usize = 2;
    let awaited = AtomicUsize::new(WRITE);
    disk.hook(move |_, call: &Call| {
        // Whoever calls the disk may have to let others go first.
        let now = awaited.load(Ordering::Acquire);
        let is_journal = call.path.parent().is_some_and(|folder| folder.ends_with("journal"));
        match now {
            WRITE if is_journal && call.op == Op::WriteAt => awaited.store(CALL, Ordering::Release),
            CALL if is_journal && call.op == op => {
                awaited.store(NOTHING, Ordering::Release);
                return Answer::FailOs(5);
            }
            _ => {}
        }
        Answer::Go
    });
}

#[test]
fn what_was_made_ready_and_is_taken_back_is_never_handed_over() {
    // Before the sync its place is the next commit's too; after a sync that failed that goes to another segment.
    for op in [Op::Stat, Op::SyncData] {
        let made = made();
        under_many_schedules(2_000, move || {
            let disk = made.fork();
            let here = open(&disk, false);
            let consumer = consuming(&here, 2);
            emit(&here, "before");
            fail_after_the_next_write(&disk, op);
            let failed = Transaction::new().emit(Event::bare("failed"));
            here.commit(failed).unwrap_err();
            emit(&here, "after");
            assert_eq!(consumer.join().unwrap(), ["before", "after"]);
        });
    }
}

#[test]
fn a_batch_of_which_the_first_commit_was_made_ready_comes_whole_and_in_order() {
    let made = made();
    under_many_schedules(2_000, move || {
        let disk = made.fork();
        let here = open(&disk, false);
        let consumer = taking(&here, 5, |event| (event.position().seq, event.kind().to_owned()));
        // Until something was read, nothing is looked at ahead.
        emit(&here, "before");
        let of = |kinds: &[&str]| {
            kinds.iter().fold(Transaction::new(), |all, kind| all.emit(Event::bare(*kind)))
        };
        let results = here.commit_all(vec![of(&["a", "b"]), of(&["c"]), of(&["d"])]);
        let seqs: Vec<u64> = results.into_iter().map(|result| result.unwrap().seq).collect();
        let before = (seqs[0] - 1, "before");
        let batch = [(seqs[0], "a"), (seqs[0], "b"), (seqs[1], "c"), (seqs[2], "d")];
        let expected: Vec<(u64, String)> =
            [before].into_iter().chain(batch).map(|(seq, kind)| (seq, kind.to_owned())).collect();
        assert_eq!(consumer.join().unwrap(), expected);
    });
}
