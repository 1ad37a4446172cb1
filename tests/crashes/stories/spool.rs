//! Stories of the files that documents come from, and of those that they displace.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use docbox::fs::{Fs as _, Kind};

use crate::history::History;
use crate::oracle::{check, disk, open};
use crate::support::sim::{Answer, Call, Disk, Op};

/// Watches every write into a file that is a document, or was one.
#[derive(Clone)]
struct Watch {
    disk: Disk,
    /// Inodes that were seen under the name of a document.
    documents: Arc<Mutex<BTreeSet<u64>>>,
    broken: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    fn begin(disk: &Disk) -> Self {
        let watch = Self { disk: disk.clone(), documents: Arc::default(), broken: Arc::default() };
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
        for (path, kind) in self.disk.tree() {
            if kind == Kind::File && !path.starts_with("/s/.docbox") {
                documents.extend(self.inode(&path));
            }
        }
        let writes = matches!(call.op, Op::WriteAt | Op::SetLen);
        if writes && self.inode(&call.path).is_some_and(|inode| documents.contains(&inode)) {
            self.broken.lock().expect("no panic").push(call.to_string());
        }
    }

    fn inode(&self, path: &Path) -> Option<u64> {
        self.disk.process().stat(path).ok().map(|stat| stat.inode)
    }

    /// Nothing was written into a document in place, nor into what was one.
    fn end(&self) {
        self.disk.unhook();
        let broken = self.broken.lock().expect("no panic");
        assert!(broken.is_empty(), "written into what is or was a document: {broken:#?}");
        assert!(!self.documents.lock().expect("no panic").is_empty(), "it saw documents");
    }
}

/// Writes each of a few documents again and again.
fn write_all(disk: &Disk, history: &History) {
    let store = open(&disk.process()).expect("opens");
    for round in ["one", "two", "three", "four"] {
        for key in ["agents/a", "agents/b", "agents/c"] {
            history.commit(&store, &[(key, Some(round))]).expect("a commit");
        }
        history.commit(&store, &[("agents/b", None)]).expect("a commit");
        store.checkpoint().expect("a checkpoint");
    }
    store.close().expect("closes");
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
            watch.end();
        }
    }
    assert!(met > 10, "the story was met {met} times only");
}

#[test]
fn story_26_a_file_that_was_a_document_is_never_written_again() {
    let (disk, history) = (disk(), History::default());
    let watch = Watch::begin(&disk);
    write_all(&disk, &history);
    watch.end();
    check(&disk.fork(), &history);
}
