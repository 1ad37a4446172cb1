//! Stories of the journal: lines, segments, torn tails.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use docbox::{Error, Event, Store, Transaction};

use super::{appends, fail, kill_at, puts_in_place, segment, syncs_journal};
use crate::history::{History, Outcome};
use crate::oracle::{check, disk, open};
use crate::support::sim::{Answer, Disk, Op, Survival};

#[test]
fn story_01_a_line_found_in_the_page_cache_is_made_durable_before_it_counts() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    kill_at(&disk, syncs_journal);
    let _ = history.commit(&store, &[("agents/a", Some("two"))]);
    disk.unhook();
    let second = open(&disk.process()).expect("the next one recovers");
    history.deliver(&second, "ui").expect("it delivers");
    assert_eq!(history.known().acked["ui"], ["T0", "T1"], "what was found counts");
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

#[test]
fn story_02_an_old_segment_whose_cut_is_not_durable_is_no_corruption() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for _ in 0..8 {
        history.commit(&store, &[("agents/a", Some("a text that fills"))]).expect("a commit");
    }
    let cuts = disk.trace().iter().filter(|call| call.op == Op::SetLen).count();
    assert!(cuts > 0, "segments were sealed");
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

#[test]
fn story_03_a_commit_that_was_refused_after_a_failed_sync_never_comes_back() {
    for survival in [Survival::NOTHING, Survival::EVERYTHING] {
        let (disk, history) = (disk(), History::default());
        let store = open(&disk.process()).expect("opens");
        history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
        let failing = segment(1);
        let made_as = disk.trace();
        let made_as = made_as.iter().find(|call| call.to.as_deref() == Some(&*failing));
        let path = made_as.expect("the segment was put in place").path.clone();
        fail(&disk, move |call| call.op == Op::SyncData && call.path == path);
        history.commit(&store, &[("agents/a", Some("refused"))]).expect_err("the sync fails");
        disk.unhook();
        assert_eq!(history.known().attempts[1].outcome, Outcome::Refused);
        history.commit(&store, &[("agents/a", Some("two"))]).expect("the store goes on");
        drop(store);
        disk.power_cut_with(survival);
        check(&disk, &history);
    }
}

#[test]
fn story_03_the_first_line_of_a_segment_whose_sync_fails_is_in_doubt() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    disk.hook(|_, call| if appends(call) { Answer::FailOs(5) } else { Answer::Go });
    let error = history.commit(&store, &[("agents/a", Some("one"))]).expect_err("it fails");
    disk.unhook();
    assert!(matches!(error, Error::InDoubt { seq: 1, .. }), "{error}");
    let error = history.commit(&store, &[("agents/a", Some("two"))]).expect_err("latched");
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    check(&disk.fork(), &history);
}

#[test]
fn a_write_without_room_that_left_nothing_is_refused_and_the_store_goes_on() {
    // As on a filesystem that never overwrites in place, once it is full: no new segment either.
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("before"))]).expect("a commit");
    for (text, left) in [("refused", 0), ("in part", 7)] {
        let wrote = AtomicBool::new(false);
        disk.hook(move |_, call| match call.op {
            Op::WriteAt if appends(call) && left > 0 && !wrote.swap(true, Relaxed) => {
                Answer::Short(left)
            }
            Op::WriteAt if appends(call) => Answer::FailOs(28),
            Op::Rename => Answer::FailOs(28),
            _ => Answer::Go,
        });
        let error = history.commit(&store, &[("agents/a", Some(text))]).expect_err("no room");
        disk.unhook();
        if left > 0 {
            assert!(matches!(error, Error::InDoubt { seq: 3, .. }), "{error}");
        } else {
            assert!(matches!(error, Error::Io { .. }), "{error}");
            history.commit(&store, &[("agents/a", Some("one"))]).expect("the store goes on");
        }
    }
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn story_04_a_segment_that_its_dead_maker_did_not_make_durable_is_made_so() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    kill_at(&disk, |call| call.is(Op::SyncDir, "/s/.docbox/journal"));
    let _ = history.commit(&store, &[("agents/a", Some("never"))]);
    disk.unhook();
    assert!(disk.read(segment(1)).is_some(), "the segment is there, in the cache");
    let second = open(&disk.process()).expect("opens");
    history.commit(&second, &[("agents/a", Some("one"))]).expect("a commit in it");
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

/// Two processes, of which one has made every commit, and a checkpoint of them. Their segment has room for short ones.
fn room_for_short_ones(by: usize) -> (Disk, History, [Store; 2]) {
    let (disk, history) = (disk(), History::default());
    let stores = [disk.process(), disk.process()].map(|process| open(&process).expect("opens"));
    for text in ["one", "two", "three"] {
        history.commit(&stores[by], &[("agents/a", Some(text))]).expect("a commit");
    }
    stores[by].checkpoint().expect("a checkpoint");
    (disk, history, stores)
}

/// Too long for what is left of the first segment.
fn long() -> String {
    "x".repeat(1500)
}

#[test]
fn story_05_a_line_of_a_dead_writer_in_the_new_segment_is_found() {
    let (disk, history, [store, second]) = room_for_short_ones(1);
    let syncs = AtomicU64::new(0);
    kill_at(&disk, move |call| {
        // The first sync is that of the fill, the second that of the line.
        let synced = syncs.fetch_add(syncs_journal(call).into(), Relaxed) == 2;
        synced && call.op == Op::WriteAt && call.path.ends_with(".docbox/head")
    });
    history.commit(&store, &[("agents/a", Some(&long()))]).expect_err("it dies");
    disk.unhook();
    assert!(disk.read(segment(4)).is_some(), "the dead writer's line is in a new segment");
    assert_eq!(history.commit(&second, &[]).expect("the second goes on"), 5);
    check(&disk.fork(), &history);
}

/// The last commit was the second process's own, or the other's, and nothing is written behind it in its segment: all
/// the same the other may have begun the next one, and died, or made its batch void, before it moved the head.
#[test]
fn a_segment_that_another_process_began_is_found_whatever_became_of_it() {
    for answer in [Answer::Crash, Answer::FailOs(5)] {
        begun_by_another(answer, |store, history| {
            let _ = history.commit(store, &[("agents/a", Some(&long()))]);
        });
        // Of a journal of which nothing need be kept.
        begun_by_another(answer, |store, _| {
            let _ = store.retain();
        });
    }
    // To make a batch void whose sync failed.
    begun_by_another(Answer::FailOs(5), |store, history| {
        let _ = history.commit(store, &[("agents/a", Some("refused"))]);
    });
}

/// Another process begins a segment by what it does, and meets something at each call of that.
fn begun_by_another(answer: Answer, deed: impl Fn(&Store, &History)) {
    for last_by in [0, 1] {
        begun_behind_a_commit_of(last_by, answer, &deed);
    }
}

fn begun_behind_a_commit_of(last_by: usize, answer: Answer, deed: impl Fn(&Store, &History)) {
    let mut begun = 0;
    for at in 0.. {
        let (disk, history, [store, second]) = room_for_short_ones(last_by);
        let call = disk.calls() + at;
        disk.hook(move |index, _| if index == call { answer } else { Answer::Go });
        deed(&store, &history);
        disk.unhook();
        begun += u64::from(disk.read(segment(4)).is_some());
        if disk.calls() <= call {
            break;
        }
        for _ in 0..2 {
            history.commit(&second, &[("agents/a", Some("short"))]).expect("it goes on");
        }
        check(&disk.fork(), &history);
        drop(second);
        disk.power_cut_with(Survival::NOTHING);
        check(&disk, &history);
    }
    assert!(begun > 0, "it begins one");
}

#[test]
fn story_15_what_a_cut_write_leaves_never_follows_a_shorter_batch() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    // A long line of which nearly all is written, then death.
    disk.hook(|_, call| {
        if appends(call) {
            Answer::Short(usize::try_from(call.len).expect("small") - 3)
        } else if syncs_journal(call) || call.op == Op::WriteAt && call.len <= 3 {
            Answer::Crash
        } else {
            Answer::Go
        }
    });
    let _ = history.commit(&store, &[("agents/a", Some("a line that is long and is cut"))]);
    disk.unhook();
    let second = open(&disk.process()).expect("opens");
    for _ in 0..3 {
        history.commit(&second, &[]).expect("a shorter commit");
    }
    let journal = disk.read(segment(1)).expect("the segment");
    let text = String::from_utf8(journal).expect("text");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 4, "nothing is left of the cut line: {text}");
    check(&disk.fork(), &history);
}

#[test]
fn story_18_a_flipped_bit_in_the_newest_commit_is_corruption_once_a_register_is_past_it() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    history.commit(&store, &[("agents/a", Some("two"))]).expect("a commit");
    store.close().expect("closes");
    disk.settle();
    let before = disk.read(segment(1)).expect("the segment");
    let last = before.windows(4).rposition(|bytes| bytes == b"\"T1\"").expect("the line") as u64;
    for power_cut in [false, true] {
        let disk = disk.fork();
        disk.damage(segment(1), last + 1, b"X");
        if power_cut {
            disk.power_cut_with(Survival::NOTHING);
        }
        let damaged = disk.read(segment(1));
        let error = open(&disk.process()).expect_err("damage");
        let Error::Corrupt { path, seq, .. } = &error else { panic!("{error}") };
        assert_eq!((path, *seq), (&segment(1), Some(2)), "{error}");
        assert_eq!(disk.read(segment(1)), damaged, "nothing was written over it");
    }
}

#[test]
fn story_25_a_journal_line_within_a_document_never_passes_for_a_line() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    drop(store);
    // What a torn write may leave of a commit whose document is a whole line, made to fit in all but what
    // its author cannot know: the checksum of the line before.
    let mut line = String::from(
        "{\"crc\":\"00000000\",\"prev\":\"00000000\",\"seq\":2,\"batch\":2,\
         \"time\":\"2026-11-23T08:10:00.123456Z\",\"events\":[{\"type\":\"Planted\"}],\"writes\":[]}",
    );
    let crc = format!("{:08x}", crc32fast::hash(&line.as_bytes()[18..]));
    line.replace_range(8..16, &crc);
    let mut journal = disk.read(segment(1)).expect("the segment");
    let end = journal.windows(2).position(|bytes| bytes == b"\n\n").expect("an end") + 1;
    journal[end..][..line.len()].copy_from_slice(line.as_bytes());
    disk.write(segment(1), journal);
    let store = open(&disk.process()).expect("a torn tail");
    assert_eq!(store.status().expect("a status").head, 1, "the line did not pass");
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn a_batch_never_ends_behind_the_fill_that_is_synced() {
    let disk = disk();
    let store = open(&disk.process()).expect("opens");
    // Within the fill, past it in the same segment, more than a whole segment, and small ones after that.
    for len in [10, 400, 3000, 10, 700, 10] {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let (seen, outside) = (Arc::clone(&writes), disk.clone());
        disk.hook(move |_, call| {
            if call.op == Op::WriteAt && call.path.starts_with("/s/.docbox/journal") {
                seen.lock()
                    .expect("no panic")
                    .push((call.clone(), durable_len(&outside, &call.path)));
            }
            Answer::Go
        });
        let text = "x".repeat(len);
        let transaction = Transaction::new().put("agents/a", &text).expect("a document");
        store.commit(transaction.emit(Event::bare("Large"))).expect("a commit");
        disk.unhook();
        let writes = writes.lock().expect("no panic");
        let (line, filled) = writes.last().expect("the line is written");
        // A new segment is written to under the name that it was filled under.
        let end = line.offset + line.len;
        assert!(line.len > len as u64, "the last write of a commit is its line: {line}");
        assert!(*filled >= end, "{filled} bytes are durable, and {line} ends at {end}");
    }
}

/// How long a file would be after a power cut.
fn durable_len(disk: &Disk, path: &std::path::Path) -> u64 {
    let segment = disk.trace().iter().rev().find_map(|call| {
        (call.op == Op::Rename && *call.path == *path).then(|| call.to.clone()).flatten()
    });
    let cut = disk.fork();
    cut.power_cut_with(Survival::NOTHING);
    cut.read(segment.as_deref().unwrap_or(path)).map_or(0, |bytes| bytes.len() as u64)
}

#[test]
fn story_01_a_line_whose_sync_failed_before_its_writer_died_is_made_durable_before_it_counts() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    // So long that nothing else is written near its middle.
    let text = "x".repeat(900);
    // The first sync is that of the fill, the second that of the line.
    let syncs = AtomicU64::new(0);
    disk.hook(move |_, call| match syncs.fetch_add(syncs_journal(call).into(), Ordering::SeqCst) {
        1 if syncs_journal(call) => Answer::FailOs(5),
        0 | 1 => Answer::Go,
        _ => Answer::Crash,
    });
    let _ = history.commit(&store, &[("agents/a", Some(&text))]);
    disk.unhook();
    assert_ne!(history.known().attempts[1].outcome, Outcome::Refused, "it died before it was void");
    let second = open(&disk.process()).expect("the next one recovers");
    history.deliver(&second, "ui").expect("it delivers");
    assert_eq!(history.known().acked["ui"], ["T0", "T1"], "what was found counts");
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

#[test]
fn the_journal_is_synced_before_any_document_of_its_commit_is_put_in_place() {
    let disk = disk();
    let store = open(&disk.process()).expect("opens");
    store.commit(Transaction::new().put("agents/a", &1).expect("a document")).expect("a commit");
    disk.take_trace();
    store
        .commit(
            Transaction::new()
                .put("agents/a", &2)
                .and_then(|transaction| transaction.put("agents/b", &2))
                .expect("documents"),
        )
        .expect("a commit");
    let trace = disk.take_trace();
    let synced = trace.iter().position(syncs_journal).expect("a sync");
    let put: Vec<usize> = (0..trace.len()).filter(|index| puts_in_place(&trace[*index])).collect();
    assert_eq!(put.len(), 2);
    assert!(put.iter().all(|put| *put > synced), "{trace:#?}");
    let syncs = trace.iter().filter(|call| matches!(call.op, Op::SyncData | Op::SyncDir)).count();
    assert_eq!(syncs, 1, "one sync a commit, and none of a document");
    let head = trace.iter().position(|call| call.op == Op::WriteAt && call.path.ends_with("head"));
    assert!(head.expect("the head moves") > put[1], "the head moves last");
}

#[test]
fn a_segment_whose_name_could_not_be_made_durable_takes_no_commit() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one"))]).expect("a commit");
    fail(&disk, |call| call.is(Op::SyncDir, "/s/.docbox/journal"));
    let text = long();
    let refused = history.commit(&store, &[("agents/a", Some(&text))]);
    disk.unhook();
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
    history.commit(&store, &[("agents/a", Some(&text))]).expect("the store goes on");
    drop(store);
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}
