//! Stories of the files that documents come from, and of those that they displace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docbox::fs::{Fs, Kind, Open};
use docbox::{Error, Limits, Store, Transaction};

use super::syncs_journal;
use crate::history::History;
use crate::oracle::{check, disk, limits, open};
use crate::support::sim::{Answer, Call, Disk, Op, ROOT, SimFs, Survival};

/// Watches every write into a file that is a document, or was one.
#[derive(Clone)]
struct Watch {
    disk: Disk,
    /// Inodes that were seen under the name of a document, with the last such name.
    documents: Arc<Mutex<BTreeMap<u64, PathBuf>>>,
    /// Writes into what was a document, with that name.
    again: Arc<Mutex<Vec<(PathBuf, PathBuf)>>>,
    broken: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    fn begin(disk: &Disk) -> Self {
        let watch = Self {
            disk: disk.clone(),
            documents: Arc::default(),
            again: Arc::default(),
            broken: Arc::default(),
        };
        let (held, inside) = (watch.clone(), AtomicBool::new(false));
        disk.hook(move |_, call| {
            if !inside.swap(true, Ordering::SeqCst) {
                held.look(call);
                inside.store(false, Ordering::SeqCst);
            }
            Answer::Go
        });
        watch
    }

    fn look(&self, call: &Call) {
        let mut documents = self.documents.lock().expect("no panic");
        let mut now = Vec::new();
        for (path, kind) in self.disk.tree() {
            if kind == Kind::File && !path.starts_with("/s/.docbox") {
                now.extend(self.inode(&path));
                documents.extend(self.inode(&path).map(|inode| (inode, path)));
            }
        }
        if !matches!(call.op, Op::WriteAt | Op::SetLen) {
            return;
        }
        let Some(inode) = self.inode(&call.path) else { return };
        if now.contains(&inode) {
            self.broken.lock().expect("no panic").push(call.to_string());
        }
        if let Some(was) = documents.get(&inode) {
            self.again.lock().expect("no panic").push((was.clone(), call.path.to_path_buf()));
        }
    }

    fn inode(&self, path: &Path) -> Option<u64> {
        self.disk.process().stat(path).ok().map(|stat| stat.inode)
    }

    /// Nothing was written into a document in place. What was written into files that had been documents.
    fn end(&self) -> Vec<(PathBuf, PathBuf)> {
        self.disk.unhook();
        let broken = self.broken.lock().expect("no panic");
        assert!(broken.is_empty(), "written into a document: {broken:#?}");
        assert!(!self.documents.lock().expect("no panic").is_empty(), "it saw documents");
        self.again.lock().expect("no panic").clone()
    }
}

/// Writes each of a few documents again and again.
fn write_all(disk: &Disk, history: &History) {
    let store = open(&disk.process()).expect("opens");
    write_rounds(&store, history);
    store.close().expect("closes");
}

fn write_rounds(store: &Store, history: &History) {
    for round in ["one", "two", "three", "four"] {
        for key in ["agents/a", "agents/b", "agents/c"] {
            history.commit(store, &[(key, Some(round))]).expect("a commit");
        }
        history.commit(store, &[("agents/b", None)]).expect("a commit");
        store.checkpoint().expect("a checkpoint");
    }
}

/// Whether a name in the spool leads to a document.
fn spool_leads_to_a_document(disk: &Disk) -> bool {
    let process = disk.process();
    let of = |path: &Path| process.stat(path).ok().map(|stat| stat.inode);
    let (spool, documents): (Vec<_>, Vec<_>) = disk
        .tree()
        .into_iter()
        .filter(|(_, kind)| *kind == Kind::File)
        .map(|(path, _)| path)
        .partition(|path| path.starts_with("/s/.docbox/spool"));
    let documents: BTreeSet<_> = documents.iter().filter_map(|path| of(path)).collect();
    spool.iter().filter_map(|path| of(path)).any(|inode| documents.contains(&inode))
}

#[test]
fn story_20_a_spool_name_that_leads_to_a_document_is_never_written_through() {
    let (base, history) = (disk(), History::default());
    let store = open(&base.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one")), ("agents/b", Some("one"))]).expect("one");
    history.commit(&store, &[("agents/a", Some("two")), ("agents/b", Some("two"))]).expect("two");
    drop(store);
    let mut met = 0;
    for seed in 0..1_000 {
        let disk = base.fork();
        disk.power_cut(seed);
        if spool_leads_to_a_document(&disk) {
            met += 1;
            let watch = Watch::begin(&disk);
            check(&disk, &history);
            assert_eq!(
                watch.end(),
                [],
                "nothing that was displaced is used again while recovering"
            );
        }
    }
    assert!(met > 10, "the story was met {met} times only");
}

#[test]
fn story_20_not_even_by_the_first_commit_after_the_recovery() {
    let (base, history) = (disk(), History::default());
    let store = open(&base.process()).expect("opens");
    for round in ["one", "two", "three"] {
        history
            .commit(&store, &[("agents/a", Some(round)), ("agents/b", Some(round))])
            .expect("it");
    }
    drop(store);
    for seed in 0..200 {
        let (disk, history) = (base.fork(), history.fork());
        disk.power_cut(seed);
        history.note_power_cut();
        let watch = Watch::begin(&disk);
        write_all(&disk, &history);
        watch.end();
        check(&disk, &history);
    }
}

/// A store whose displaced files serve no other document for ten seconds.
fn with_age(process: &Arc<SimFs>) -> Store {
    let limits = Limits { spool_age: Duration::from_secs(10), ..limits() };
    let disk: Arc<dyn Fs> = process.clone();
    Store::options().disk(disk).limits(limits).housekeeping(false).open(ROOT).expect("opens")
}

#[test]
fn story_26_a_file_that_was_one_document_is_written_for_that_one_only_until_it_is_old() {
    let (disk, history) = (disk(), History::default());
    let store = with_age(&disk.process());
    let watch = Watch::begin(&disk);
    write_rounds(&store, &history);
    let again = watch.end();
    assert!(!again.is_empty(), "files are used again");
    let names: BTreeMap<_, _> = again.iter().map(|(was, name)| (name, was)).collect();
    for (was, name) in &again {
        assert_eq!(names[name], was, "a file of one document is named by it");
    }
    drop(store);
    check(&disk.fork(), &history);
    // Once it is old it serves any.
    let (disk, history) = (crate::oracle::disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    let watch = Watch::begin(&disk);
    history.commit(&store, &[("agents/a", Some("one")), ("agents/b", Some("one"))]).expect("one");
    history.commit(&store, &[("agents/a", Some("two"))]).expect("two");
    history.commit(&store, &[("agents/b", Some("three"))]).expect("three");
    let again = watch.end();
    assert!(again.iter().all(|(was, _)| was.ends_with("a.json")) && !again.is_empty(), "{again:?}");
    drop(store);
    check(&disk.fork(), &history);
}

#[test]
fn story_26_who_was_given_the_file_of_another_document_reads_again() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    history.commit(&store, &[("agents/a", Some("one")), ("agents/b", Some("other"))]).expect("it");
    let own = disk.read("/s/agents/a.json").expect("a document");
    // The name was looked up, and what it led to has become another document once it is opened.
    let (outside, turn) = (disk.clone(), AtomicU8::new(0));
    disk.hook(move |_, call| {
        let is_open = call.is(Op::Open(Open::Read), "/s/agents/a.json");
        // At the first opening, and back at the call after it.
        let is_due = turn.load(Ordering::SeqCst) == u8::from(!is_open);
        if is_due {
            outside.exchange("/s/agents/a.json", "/s/agents/b.json");
            turn.fetch_add(1, Ordering::SeqCst);
        }
        Answer::Go
    });
    assert_eq!(store.get_bytes("agents/a").expect("it reads"), Some(own));
}

/// The file that `agents/a` displaced last.
pub fn displaced(disk: &Disk) -> PathBuf {
    let spool = |(path, _): &(PathBuf, Kind)| path.parent() == Some(Path::new("/s/.docbox/spool"));
    disk.tree().into_iter().find(spool).expect("a displaced file").0
}

/// A document that was written twice, so that one file waits in the spool.
pub fn twice() -> (Disk, History, Store) {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    for round in ["one", "two"] {
        history.commit(&store, &[("agents/a", Some(round))]).expect("a commit");
    }
    (disk, history, store)
}

#[test]
fn a_file_that_somebody_has_open_or_that_has_a_second_name_is_not_written() {
    for is_linked in [false, true] {
        let (disk, history, store) = twice();
        let waiting = displaced(&disk);
        let bytes = disk.read(&waiting).expect("a file");
        let reader = disk.process();
        let held = (!is_linked).then(|| reader.open(&waiting, Open::Read).expect("opens"));
        if is_linked {
            disk.hard_link(&waiting, "/s/kept/backup");
        }
        let look = |disk: &Disk| match &held {
            Some(file) => docbox::fs::read_all(&**file).expect("reads"),
            None => disk.read("/s/kept/backup").expect("the backup"),
        };
        for round in ["three", "four"] {
            history.commit(&store, &[("agents/a", Some(round))]).expect("a commit");
            assert_eq!(look(&disk), bytes, "{round}");
        }
        drop((held, store));
        if !is_linked {
            check(&disk.fork(), &history);
        }
    }
}

#[test]
fn whoever_opens_a_file_that_is_being_written_waits_until_it_is_a_document() {
    let (disk, history, store) = twice();
    let waiting = displaced(&disk);
    let reader = disk.process();
    let (opened, seen) = std::sync::mpsc::channel();
    let started = AtomicBool::new(false);
    disk.hook(move |_, call| {
        if syncs_journal(call) && !started.swap(true, Ordering::SeqCst) {
            let (reader, waiting, opened) = (reader.clone(), waiting.clone(), opened.clone());
            std::thread::spawn(move || {
                // As one that looked the name up when it was the document's.
                let file = reader.open(&waiting, Open::Read).expect("opens");
                opened.send(docbox::fs::read_all(&*file).expect("reads")).expect("a listener");
            });
        }
        Answer::Go
    });
    history.commit(&store, &[("agents/a", Some("three"))]).expect("a commit");
    disk.unhook();
    let seen = seen.recv_timeout(Duration::from_secs(30)).expect("it opens in the end");
    let versions = ["one of T0", "two of T1", "three of T2"].map(|it| format!("\"{it}\"\n"));
    assert!(versions.iter().any(|version| version.as_bytes() == seen), "whole: {seen:?}");
}

#[test]
fn status_says_whether_documents_are_exchanged_or_renamed() {
    for (lacks_leases, lacks_exchange, path) in
        [(false, false, "exchange"), (true, false, "rename"), (true, true, "rename")]
    {
        let (disk, history) = (disk(), History::default());
        if lacks_leases {
            disk.take_leases_away();
        }
        if lacks_exchange {
            disk.take_exchange_away();
        }
        let before = disk.tree();
        let store = open(&disk.process()).expect("opens");
        // Where nothing was put in place yet it is tried, which leaves nothing behind.
        assert_eq!(store.status().expect("a status").path, Some(path));
        assert_eq!(disk.tree(), before);
        drop(store);
        let store = open(&disk.process()).expect("opens");
        write_rounds(&store, &history);
        assert_eq!(store.status().expect("a status").path, Some(path), "as it was found to be");
        drop(store);
        let options = Store::options().disk(disk.process()).limits(limits());
        let reader = options.housekeeping(false).open_read_only(ROOT).expect("opens");
        assert_eq!(reader.status().expect("a status").path, None, "who only reads tries nothing");
    }
}

#[test]
fn without_exchange_and_leases_all_is_as_before() {
    let (disk, history) = (disk(), History::default());
    let store = open(&disk.process()).expect("opens");
    write_rounds(&store, &history);
    disk.take_leases_away();
    write_rounds(&store, &history);
    disk.take_exchange_away();
    write_rounds(&store, &history);
    drop(store);
    check(&disk.fork(), &history);
    disk.power_cut_with(Survival::NOTHING);
    check(&disk, &history);
}

/// Whether a call writes the bytes of a document into the spool.
fn writes_spool(call: &Call) -> bool {
    call.op == Op::WriteAt && call.path.starts_with("/s/.docbox/spool")
}

fn check_after_power_cuts(disk: &Disk, history: &History) {
    for seed in 0..500 {
        let (disk, history) = (disk.fork(), history.fork());
        disk.power_cut(seed);
        history.note_power_cut();
        check(&disk, &history);
    }
}

#[test]
fn a_document_that_cannot_be_written_takes_its_line_back_for_good() {
    for fails_twice in [false, true] {
        let (disk, history, store) = twice();
        let (appended, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        disk.hook(move |_, call| {
            let was_appended = appended.load(Ordering::SeqCst);
            appended.fetch_or(super::appends(call), Ordering::SeqCst);
            // The line is there, and then it cannot be cleared either.
            let is_next = failed.load(Ordering::SeqCst) && fails_twice && super::appends(call);
            if is_next || writes_spool(call) && was_appended {
                failed.store(true, Ordering::SeqCst);
                return Answer::FailOs(28);
            }
            Answer::Go
        });
        let error = history.commit(&store, &[("agents/a", Some("three"))]).expect_err("no room");
        disk.unhook();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        history.commit(&store, &[("agents/a", Some("four"))]).expect("the store goes on");
        check_after_power_cuts(&disk, &history);
        drop(store);
    }
}

#[test]
fn a_refused_line_that_was_taken_back_is_gone_before_anybody_hears_of_it() {
    let (disk, history, store) = twice();
    disk.hook(move |_, call| if writes_spool(call) { Answer::FailOs(28) } else { Answer::Go });
    history.commit(&store, &[("agents/a", Some("three"))]).expect_err("no room");
    disk.unhook();
    check_after_power_cuts(&disk, &history);
    drop(store);
}

#[test]
fn of_a_document_that_a_batch_writes_often_the_last_version_alone_is_written() {
    let (disk, _, store) = twice();
    disk.take_trace();
    let put = |n: u32| Transaction::new().put("agents/a", &n).expect("a document");
    let done = store.commit_all((0..20).map(put).collect());
    assert!(done.iter().all(Result::is_ok));
    let trace = disk.take_trace();
    let spooled = trace.iter().filter(|call| call.path.starts_with("/s/.docbox/spool"));
    let written = spooled.filter(|call| matches!(call.op, Op::WriteAt | Op::CreateTemp));
    assert_eq!(written.count(), 1);
    assert_eq!(disk.read("/s/agents/a.json").expect("a document"), b"19\n");
}
