//! Folders with stores in them, and looks at their files past the store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use docbox::{Event, Limits, Revision, Sizes, Store, Transaction, layout};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for the slowest machine; a test that waits so long has failed.
pub const LONG: Duration = Duration::from_secs(20);

/// A temporary folder for a store.
pub struct Home {
    folder: TempDir,
}

/// A line of the journal, as it lies in its segment.
#[derive(Clone, Debug)]
pub struct Line {
    pub segment: PathBuf,
    pub offset: u64,
    /// Without the newline.
    pub text: String,
    pub value: Value,
}

impl Line {
    pub fn seq(&self) -> u64 {
        self.value["seq"].as_u64().unwrap()
    }

    pub fn crc(&self) -> &str {
        self.value["crc"].as_str().unwrap()
    }
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder on another filesystem, say.
    pub fn within(folder: &Path) -> Self {
        Self { folder: tempfile::tempdir_in(folder).unwrap() }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// The store, with its housekeeping.
    pub fn open(&self) -> Store {
        Store::open(self.root()).unwrap()
    }

    /// The store without housekeeping: nothing moves of itself.
    pub fn still(&self) -> Store {
        Store::options().housekeeping(false).open(self.root()).unwrap()
    }

    /// The store with segments that hold a few commits only, and without housekeeping.
    pub fn small(&self) -> Store {
        Store::options().housekeeping(false).limits(small()).open(self.root()).unwrap()
    }

    pub fn read(&self, relative: &str) -> Vec<u8> {
        fs::read(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    pub fn text(&self, relative: &str) -> String {
        String::from_utf8(self.read(relative)).unwrap()
    }

    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(relative), bytes).unwrap();
    }

    pub fn is_there(&self, relative: &str) -> bool {
        self.path(relative).symlink_metadata().is_ok()
    }

    /// What a folder holds, sorted.
    pub fn names(&self, relative: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(relative))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The contents of all files in `recovered/`.
    pub fn recovered(&self) -> Vec<Vec<u8>> {
        let names = self.names(".docbox/recovered");
        names.iter().map(|name| self.read(&format!(".docbox/recovered/{name}"))).collect()
    }

    /// Every file and folder, with its bytes and when it was last written.
    pub fn tree(&self) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let bytes = if metadata.is_dir() {
                    folders.push(path.clone());
                    Vec::new()
                } else {
                    fs::read(&path).unwrap()
                };
                tree.insert(path, (bytes, metadata.modified().unwrap()));
            }
        }
        tree
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<PathBuf> {
        let names = self.names(".docbox/journal");
        names.iter().map(|name| self.path(&format!(".docbox/journal/{name}"))).collect()
    }

    /// Every line of the journal, fill left out.
    pub fn lines(&self) -> Vec<Line> {
        self.segments().iter().flat_map(|segment| lines_of(segment)).collect()
    }

    /// New files in the spool that did not become documents. (Displaced ones wait there to be used again.)
    pub fn left_in_spool(&self) -> Vec<String> {
        let mut names = self.names(".docbox/spool");
        names.retain(|name| name.len() != 32 || name.contains('-'));
        names
    }

    /// The newest slot of a register.
    pub fn register(&self, relative: &str) -> Value {
        let bytes = self.read(&format!(".docbox/{relative}"));
        let slots = bytes.chunks(4096).filter_map(|slot| serde_json::from_slice(slot).ok());
        slots.max_by_key(|slot: &Value| slot["version"].as_u64()).unwrap()
    }

    /// The slot of a register with the newest value.
    pub fn newest_slot(&self, relative: &str) -> u64 {
        let bytes = self.read(&format!(".docbox/{relative}"));
        let version = |slot: &[u8]| {
            let value = serde_json::from_slice::<Value>(slot).unwrap_or_default();
            value["version"].as_u64()
        };
        let slots = bytes.chunks(4096).enumerate();
        slots.max_by_key(|(_, slot)| version(slot)).unwrap().0 as u64
    }

    /// Writes into the middle of a file.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: impl AsRef<[u8]>) {
        let file = File::options().write(true).open(self.root().join(path)).unwrap();
        file.write_all_at(bytes.as_ref(), offset).unwrap();
    }

    /// Writes where the next line would stand, as a writer does that is then killed.
    pub fn write_behind_head(&self, bytes: impl AsRef<[u8]>) {
        let head = self.register("head");
        let segment = format!(".docbox/journal/{:016}.jsonl", head["segment"].as_u64().unwrap());
        self.overwrite(Path::new(&segment), head["offset"].as_u64().unwrap(), bytes);
    }

    /// The line of a commit that continues the journal's last, as a writer would have written it.
    pub fn next_line(&self, rest: &str) -> String {
        let lines = self.lines();
        let (prev, seq) = lines.last().map_or(("00000000", 1), |last| (last.crc(), last.seq() + 1));
        sealed(&format!(
            r#""prev":"{prev}","seq":{seq},"batch":{seq},"time":"2099-01-01T00:00:00.000000Z",{rest}"#
        ))
    }

    /// A copy, as `cp -r` makes it: other inodes.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_into(self.root(), copy.root());
        copy
    }

    /// As after a power cut: nothing tells that this page cache wrote the store.
    pub fn lose_page_cache(&self) {
        let head = self.path(".docbox/head");
        let other = self.path(".docbox/other-head");
        fs::copy(&head, &other).unwrap();
        fs::rename(&other, &head).unwrap();
    }
}

/// The lines of one segment.
fn lines_of(segment: &Path) -> Vec<Line> {
    let bytes = fs::read(segment).unwrap();
    let mut offset = 0;
    let mut lines = Vec::new();
    for text in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = serde_json::from_slice(text) {
            let text = String::from_utf8(text.to_vec()).unwrap();
            lines.push(Line { segment: segment.to_owned(), offset, text, value });
        }
        offset += text.len() as u64 + 1;
    }
    lines
}

/// A line with the right checksum in front of the rest of its members, newline included.
pub fn sealed(members: &str) -> String {
    let covered = format!("{members}}}");
    format!("{{\"crc\":\"{:08x}\",{covered}\n", crc32fast::hash(covered.as_bytes()))
}

/// Segments that hold a few commits only.
pub fn small() -> Limits {
    Limits { sizes: Sizes { segment_bytes: 1500, fill_bytes: 512 }, ..Limits::default() }
}

pub fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Waits for something that happens of itself.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `what` on a thread and fails when it does not end: a deadlock shall not hang the tests.
pub fn in_time<R: Send + 'static>(what: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = std::sync::mpsc::channel();
    thread::spawn(move || done.send(what()));
    result.recv_timeout(LONG).expect("it ends, and does not panic")
}

/// Makes documents and deletes them again, so that as many files wait in the spool.
pub fn make_and_delete(store: &Store, count: usize) {
    let keys: Vec<String> = (0..count).map(|number| format!("many/{number}")).collect();
    let puts = keys.iter().map(|key| Transaction::new().put(key, &1).unwrap());
    let removals = keys.iter().map(|key| Transaction::new().remove(key).unwrap());
    for transactions in [puts.collect::<Vec<_>>(), removals.collect()] {
        for commit in store.commit_all(transactions) {
            commit.unwrap();
        }
    }
}

/// Commits an event for each number, one a commit; the first commit's subject ends in the first number.
pub fn emit(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        store.commit(Transaction::new().emit(numbered(number))).unwrap();
    }
}

pub fn numbered(number: u64) -> Event {
    Event::new("Counted", &json!({ "number": number })).unwrap().subject(format!("n/{number}"))
}

/// The number that [`numbered`] gave an event.
pub fn number(event: &Event) -> u64 {
    event.data::<Value>().unwrap()["number"].as_u64().unwrap()
}

pub fn put(store: &Store, key: &str, value: &Value) -> u64 {
    store.commit(Transaction::new().put(key, value).unwrap()).unwrap().seq()
}

/// The members of a line that writes a document and emits an event.
pub fn write(key: &str, was: Option<&str>, doc: &str) -> String {
    let quoted = |revision: String| format!("\"{revision}\"");
    let was = was.map_or("null".to_owned(), |text| quoted(revision(text)));
    let rev = quoted(revision(doc));
    format!(
        r#""events":[{{"type":"Left","subject":"{key}"}}],"writes":[{{"key":"{key}","was":{was},"rev":{rev},"doc":{doc}}}]"#
    )
}

/// The revision of a document with this compact text.
fn revision(compact: &str) -> String {
    Revision::of(&layout::pretty(compact)).to_string()
}
