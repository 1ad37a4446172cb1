//! Group commit: many callers, few syncs.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use docbox::fs::Fs;
use docbox::{Store, Transaction};
use serde_json::json;

use crate::door::{Door, is_journal};
use crate::home::{Home, Line, emit};

/// Commits from 16 threads at once, 25 each; the seqs that the callers got.
fn commit_from_many_threads(store: &Store) -> Vec<u64> {
    let commit = |thread: usize, n: usize| {
        let key = format!("t{thread}/{n}");
        let put = Transaction::new().put_new(&key, &json!([thread, n])).unwrap();
        let commit = store.commit(put).unwrap();
        assert!(commit.revision(&key).is_some(), "its own result");
        commit.seq()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                scope.spawn(move || (0..25).map(|n| commit(thread, n)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn many_threads_share_syncs_and_each_gets_its_own_seq_without_a_gap() {
    let home = Home::new();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let door = Door::new(move |call, path| {
        if call == "sync_data" && is_journal(path) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let store =
        Store::options().housekeeping(false).disk(Arc::new(door)).open(home.root()).unwrap();
    let mut seqs = commit_from_many_threads(&store);
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=400).collect::<Vec<_>>());
    let lines = home.lines();
    assert_eq!(lines.iter().map(Line::seq).collect::<Vec<_>>(), seqs);
    let batch = |line: &Line| line.value["batch"].as_u64().unwrap();
    let batches: BTreeSet<u64> = lines.iter().map(batch).collect();
    assert!(batches.len() < lines.len() / 2, "{} batches", batches.len());
    // Beside one sync a batch: the first segment is made and filled.
    let syncs = syncs.load(Ordering::SeqCst);
    assert!(
        (batches.len()..batches.len() + 4).contains(&syncs),
        "{syncs} syncs for {} batches",
        batches.len()
    );
    for pair in lines.windows(2) {
        let (before, named) = (batch(&pair[0]), batch(&pair[1]));
        assert!(named == before || named == pair[1].seq(), "a batch is named by its first commit");
    }
    assert!(store.verify().unwrap().is_clean());
}

/// A store, its disk, and whether the thread that leads for others has synced the journal yet.
fn store_that_notes_who_leads(home: &Home) -> (Store, Arc<Door>, Arc<AtomicBool>) {
    let is_led = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_led);
    let door = Arc::new(Door::new(move |call, path| {
        let is_leader = || std::thread::current().name() == Some("docbox-leader");
        if call == "sync_data" && is_journal(path) && is_leader() {
            noted.store(true, Ordering::SeqCst);
        }
    }));
    let options = Store::options().housekeeping(false);
    let store = options.disk(Arc::clone(&door) as Arc<dyn Fs>).open(home.root()).unwrap();
    (store, door, is_led)
}

#[test]
fn who_commits_alone_leads_and_a_thread_leads_for_several_as_long_as_the_store_is_open() {
    for closes in [true, false] {
        let home = Home::new();
        let (store, door, is_led) = store_that_notes_who_leads(&home);
        for n in 0..25 {
            emit(&store, [n]);
        }
        let is_led = || is_led.load(Ordering::SeqCst);
        assert!(!is_led(), "nobody waited");
        // Whether anybody is left behind a batch is a matter of chance, and soon the case.
        for round in 0.. {
            assert!(round < 1000, "no thread leads");
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| emit(&store, [round]));
                }
            });
            if is_led() {
                break;
            }
        }
        if closes {
            store.close().unwrap();
        }
        drop(store);
        // It held what is open. A store that is only dropped does not wait for it.
        let soon = Instant::now() + Duration::from_mins(1);
        while !closes && Arc::strong_count(&door) > 1 && Instant::now() < soon {
            std::thread::yield_now();
        }
        assert_eq!(Arc::strong_count(&door), 1, "nothing is left of the store");
        assert!(Store::open(home.root()).unwrap().verify().unwrap().is_clean());
    }
}

#[test]
fn a_batch_that_writes_a_key_many_times_leaves_the_last_version() {
    let home = Home::new();
    let store = &home.still();
    std::thread::scope(|scope| {
        for thread in 0..12 {
            scope.spawn(move || {
                for n in 0..15 {
                    let transaction = Transaction::new();
                    let transaction = match (thread + n) % 3 {
                        0 => transaction.remove("deep/er/one"),
                        1 => transaction.put("deep/er/one", &json!([thread, n])),
                        _ => transaction.put(format!("deep/er/t{thread}"), &json!(n)),
                    };
                    store.commit(transaction.unwrap()).unwrap();
                }
            });
        }
    });
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(home.left_in_spool().is_empty());
    assert!(home.recovered().is_empty());
}

#[test]
fn segments_follow_each_other_and_are_cut_to_their_length() {
    let home = Home::new();
    let store = home.small();
    emit(&store, 1..=60);
    let segments = home.segments();
    assert!(segments.len() > 5);
    let lines = home.lines();
    for segment in &segments {
        let first: u64 = segment.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let line = lines.iter().find(|line| line.segment == *segment).unwrap();
        assert_eq!((line.seq(), line.offset), (first, 0), "named by its first commit");
        assert!(fs::metadata(segment).unwrap().len() <= 1536);
    }
    for pair in lines.windows(2) {
        assert_eq!(pair[1].value["prev"], pair[0].crc());
    }
    let sealed = fs::read(&segments[0]).unwrap();
    assert!(sealed.ends_with(b"}\n"), "without its fill");
}
