//! What a workload begins with: a disk, and what was promised on it.

use std::cmp::Ordering;
use std::path::Path;

use docbox::fs::Kind;
use docbox::layout;

use crate::history::History;
use crate::oracle::open;
use crate::session::Session;
use crate::support::sim::{Answer, Call, Disk, Fate, Op, Survival};

/// A disk without processes, and the history so far.
pub type Beginning = (Disk, History);

/// A small file of the user's own, which nobody may touch.
const NOTES: (&str, &str) = ("/s/notes.txt", "mine");

/// Files of the user's own, in the root, among the documents, hidden.
const FILES: [(&str, &str); 4] =
    [NOTES, ("/s/agents/read.me", "mine too"), ("/s/agents/.a.json", "hidden"), ("/s/.git/x", "0")];

/// A link, and where it leads.
const LINK: (&str, &str) = ("/s/agents/link.json", "../notes.txt");

/// A hard link to a document, kept as a backup.
const BACKUP: (&str, &str) = ("/backup/a.json", "/s/agents/a.json");

/// Where segments go that are dropped.
const ARCHIVES: &str = "/archives";

/// The text that the backup has.
const BACKED_UP: &str = "=as it was";

/// No store; files of the user's own.
pub fn empty() -> Beginning {
    let disk = Disk::new();
    for (path, text) in FILES {
        disk.write(path, text);
    }
    disk.symlink(LINK.1, LINK.0);
    disk.settle();
    (disk.fork(), History::default())
}

/// An empty store.
pub fn new_store() -> Beginning {
    let (disk, history) = empty();
    open(&disk.process()).and_then(|store| store.close()).expect("a store is made");
    disk.settle();
    (disk.fork(), history)
}

/// A store with documents, of which one has a backup, and with a subscription; all of it durable.
pub fn used() -> Beginning {
    let (disk, history) = new_store();
    {
        let mut session = Session::start(&disk, &history);
        session.commit(&[("agents/a", Some(BACKED_UP)), ("agents/b", Some("one"))]).expect("alive");
        session.deliver("ui").expect("alive");
        session.commit(&[("agents/b", Some("two"))]).expect("alive");
        session.close().expect("alive");
    }
    disk.hard_link(BACKUP.1, BACKUP.0);
    disk.settle();
    (disk.fork(), history)
}

/// What was done since the used store was at rest. The last commit is of three documents.
fn work(disk: &Disk, history: &History) -> docbox::Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/b", Some("three"))])?;
    session.deliver("ui")?;
    session.commit(&[("agents/a", Some("two")), ("agents/b", Some("four")), ("x/y", Some("new"))])
}

/// A used store whose process dies at the last such call of its work, or in the middle of it.
fn killed(which: impl Fn(&Call) -> bool, part: Option<usize>) -> Beginning {
    let (disk, history) = used();
    let dry = disk.fork();
    work(&dry, &history.fork()).expect("without a crash");
    let last = dry.trace().iter().rposition(which).expect("there is such a call") as u64;
    disk.hook(move |index, _| match (index.cmp(&last), part) {
        (Ordering::Less, _) => Answer::Go,
        (Ordering::Equal, Some(part)) => Answer::Short(part),
        _ => Answer::Crash,
    });
    work(&disk, &history).expect_err("it dies");
    disk.unhook();
    (disk.fork(), history)
}

fn in_journal(call: &Call) -> bool {
    call.path.starts_with("/s/.docbox/journal")
}

fn puts(call: &Call, key: &str) -> bool {
    matches!(call.op, Op::Rename | Op::Exchange)
        && call.to.as_deref().is_some_and(|to| to.ends_with(key))
}

/// A writer died with its line in the page cache only.
pub fn before_the_sync() -> Beginning {
    killed(|call| call.op == Op::SyncData && in_journal(call), None)
}

/// A writer died with its line durable and nothing in place.
pub fn before_putting_in_place() -> Beginning {
    killed(|call| puts(call, "agents/a.json"), None)
}

/// A writer died with two of three documents in place.
pub fn half_in_place() -> Beginning {
    killed(|call| puts(call, "x/y.json"), None)
}

/// A writer died with everything in place, before the head moved.
pub fn before_the_head() -> Beginning {
    killed(|call| call.op == Op::WriteAt && call.path.ends_with("head"), None)
}

/// A writer was killed in the middle of its line.
pub fn line_cut_by_a_kill() -> Beginning {
    killed(|call| call.op == Op::WriteAt && in_journal(call), Some(300))
}

/// The power failed, and the last line is torn.
pub fn line_torn_by_a_power_cut() -> Beginning {
    let (disk, history) = before_the_sync();
    history.note_power_cut();
    let torn = (0..).map(|seed| {
        let disk = disk.fork();
        disk.power_cut_with(Survival { entries: Fate::Kept, ..Survival::dice(seed) });
        disk.fork()
    });
    let keeps_something_aside = |disk: &Disk| {
        let disk = disk.fork();
        open(&disk.process()).expect("it opens");
        let is_kept = |path: &Path| path.parent() == Some(Path::new("/s/.docbox/recovered"));
        disk.tree().iter().any(|(path, _)| is_kept(path))
    };
    (torn.into_iter().find(keeps_something_aside).expect("one tears"), history)
}

/// Nobody closed the store: documents and names are in the page cache only.
pub fn left_open() -> Beginning {
    let (disk, history) = used();
    work(&disk, &history).expect("without a crash");
    (disk.fork(), history)
}

/// And then the power failed, with nothing written back.
pub fn redo_of_all() -> Beginning {
    let (disk, history) = left_open();
    disk.power_cut_with(Survival::NOTHING);
    history.note_power_cut();
    (disk.fork(), history)
}

/// And then the power failed, with anything written back.
pub fn redo_of_some() -> Beginning {
    let (disk, history) = left_open();
    disk.power_cut(7);
    history.note_power_cut();
    (disk.fork(), history)
}

/// The user's own files are as they were, and nothing else lies in the user's folder but `documents`.
pub fn check_own_files(disk: &Disk, is_document: impl Fn(&str) -> bool) {
    for (path, text) in FILES {
        let found = disk.read(path);
        assert_eq!(found.as_deref(), Some(text.as_bytes()), "the user's own {path}");
    }
    for (path, kind) in disk.tree() {
        let text = path.to_str().expect("a name");
        let is_ours = path.starts_with("/s/.docbox") || path.starts_with(ARCHIVES);
        if is_ours || kind == Kind::Dir {
            continue;
        }
        if text == LINK.0 {
            assert_eq!(kind, Kind::Other, "the user's own link");
            assert_eq!(disk.read(LINK.0), disk.read(NOTES.0), "the link leads where it led");
        } else if text == BACKUP.0 {
            let backed_up = layout::pretty(&format!("\"{}\"", &BACKED_UP[1..]));
            assert_eq!(disk.read(BACKUP.0), Some(backed_up), "the backup");
        } else if text.starts_with("/s/.docbox-new-") {
            // What a maker that died left beside: the next one that makes a store clears it.
        } else if !FILES.iter().any(|(path, _)| *path == text) {
            let key = text.strip_prefix("/s/").and_then(|text| text.strip_suffix(".json"));
            assert!(key.is_some_and(&is_document), "{text} is in the user's folder");
        }
    }
}
