//! The sound store that the target `store` damages: the golden one of format 1, and what was done to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::event::Event;
use crate::fs::{Fs, Kind};
use crate::journal::Sizes;
use crate::limits::Limits;
use crate::store::Store;
use crate::support::sim::{Disk, ROOT};
use crate::transaction::Transaction;

macro_rules! golden {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../fixtures/golden/v1/", $path)).as_slice())),*]
    };
}

/// Its files, as they lie in fixtures/.
const FILES: [(&str, &[u8]); 18] = golden![
    "María Elena.json",
    "agents/3f2a.json",
    "agents/p%25q.json",
    "projects/p1/agents/7c.json",
    "same.json",
    "dot-docbox/applied",
    "dot-docbox/checkpoint.lock",
    "dot-docbox/commit.lock",
    "dot-docbox/cursors/daemon",
    "dot-docbox/cursors/daemon.json",
    "dot-docbox/cursors/ui",
    "dot-docbox/cursors/ui.json",
    "dot-docbox/head",
    "dot-docbox/journal/0000000000000001.jsonl",
    "dot-docbox/journal/0000000000000005.jsonl",
    "dot-docbox/journal/0000000000000012.jsonl",
    "dot-docbox/open.lock",
    "dot-docbox/store.json",
];

/// The versions of a document, each with its commit.
pub type Versions = Vec<(u64, Option<Vec<u8>>)>;

/// A sound store, ready to be damaged.
pub struct Sound {
    pub disk: Disk,
    pub model: Model,
}

/// What a sound store serves.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Every event as text, with its commit.
    pub events: Vec<(u64, String)>,
    /// The versions of every document that was ever committed, `None` for none, by its commit.
    pub documents: BTreeMap<String, Versions>,
    /// Where each line stands: commit, first commit of its batch, segment, offset, text.
    pub lines: Vec<LineAt>,
}

#[derive(Clone, Debug)]
pub struct LineAt {
    pub seq: u64,
    pub batch: u64,
    pub segment: PathBuf,
    pub offset: usize,
    pub text: Vec<u8>,
}

/// In which ways the store was left.
pub const WAYS: usize = 4;

/// The store, left in one of [`WAYS`].
pub fn sound(way: usize) -> &'static Sound {
    static SOUND: [OnceLock<Sound>; WAYS] = [const { OnceLock::new() }; WAYS];
    SOUND[way].get_or_init(|| {
        let disk = left(way);
        disk.settle();
        Sound { model: model(&disk), disk }
    })
}

pub fn open(disk: &Disk) -> crate::Result<Store> {
    let process: Arc<dyn Fs> = disk.process();
    let sizes = Sizes { segment_bytes: 1500, fill_bytes: 512 };
    let limits = Limits { sizes, ..Limits::default() };
    Store::options().disk(process).limits(limits).housekeeping(false).create(false).open(ROOT)
}

pub fn open_read_only(disk: &Disk) -> crate::Result<Store> {
    let process: Arc<dyn Fs> = disk.process();
    Store::options().disk(process).open_read_only(ROOT)
}

/// All regular files.
pub fn files(disk: &Disk) -> BTreeMap<PathBuf, Vec<u8>> {
    let tree = disk.tree().into_iter().filter(|(_, kind)| *kind == Kind::File);
    tree.filter_map(|(path, _)| Some((path.clone(), disk.read(&path)?))).collect()
}

fn left(way: usize) -> Disk {
    let disk = Disk::new();
    for (path, bytes) in FILES {
        disk.write(Path::new(ROOT).join(path.replace("dot-docbox", ".docbox")), bytes);
    }
    for folder in ["dead", "spool", "recovered"] {
        disk.create_dirs(format!("{ROOT}/.docbox/{folder}"));
    }
    if way == 0 {
        // A copy, closed by whoever wrote it.
        return disk;
    }
    let store = open(&disk).expect("the golden store opens");
    let commit = |key: &str, text: &str, kind: &str| {
        let transaction = Transaction::new().put_json(key, text).expect("a transaction");
        store.commit(transaction.emit(Event::bare(kind).subject(key))).expect("a commit");
    };
    commit("agents/3f2a", r#"{"state":"gone"}"#, "AgentSpawned");
    commit("new", "[1,2]", "Counted");
    let head = disk.read(format!("{ROOT}/.docbox/head")).expect("the head");
    let last = Transaction::new().put_json("agents/3f2a", "7").expect("a transaction");
    let last = last.remove("same").expect("a transaction").emit(Event::bare("Tick"));
    let other = Transaction::new().emit(Event::bare("Tock"));
    // One batch of two.
    for result in store.commit_all(vec![last, other]) {
        result.expect("a commit");
    }
    drop(store);
    match way {
        // Killed.
        1 => disk,
        // After a power cut that took nothing.
        2 => {
            disk.settle();
            disk.power_cut(0);
            disk
        }
        // Killed between journal and head.
        _ => {
            disk.write(format!("{ROOT}/.docbox/head"), head);
            disk
        }
    }
}

/// What the store serves, and what stands in its journal.
fn model(disk: &Disk) -> Model {
    let mut model = Model::default();
    for (path, bytes) in files(disk) {
        if path.parent().is_some_and(|folder| folder.ends_with("journal")) {
            lines(&mut model, &path, &bytes);
        }
    }
    let disk = disk.fork();
    let store = open(&disk).expect("a sound store opens");
    for event in store.events(crate::Start::Beginning).expect("events") {
        let event = event.expect("a sound store has all events");
        model.events.push((event.position().seq, format!("{} {event:?}", event.id())));
    }
    assert!(store.verify().expect("verify").is_clean());
    for key in model.documents.keys() {
        let found = store.get_bytes(key).expect("a document");
        assert_eq!(found, model.last(key), "{key}");
    }
    assert!(model.events.len() >= 24 && model.documents.len() >= 6 && model.lines.len() >= 20);
    model
}

fn lines(model: &mut Model, path: &Path, bytes: &[u8]) {
    let mut offset = 0;
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) {
            let number = |name: &str| value[name].as_u64().expect("a number");
            let (seq, batch) = (number("seq"), number("batch"));
            let (segment, text) = (path.to_owned(), text.trim_ascii_end().to_vec());
            let record = crate::record::decode(&text).expect("a line");
            for write in &record.writes {
                let file = write.doc.map(|doc| crate::layout::pretty(doc.as_str()));
                model.documents.entry(write.key.to_string()).or_default().push((seq, file));
            }
            model.lines.push(LineAt { seq, batch, segment, offset, text: text.clone() });
        }
        offset += text.len();
    }
}

impl Model {
    /// What a document is now.
    pub fn last(&self, key: &str) -> Option<Vec<u8>> {
        self.documents.get(key)?.last()?.1.clone()
    }
}
