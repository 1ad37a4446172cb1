//! A whole store that was damaged at rest: whatever is served is what was committed, and what is not served
//! is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::damage::{Damage, damages};
use super::golden::{Model, WAYS, files, open, open_read_only, sound};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::key::Key;
use crate::names;
use crate::record::is_blank;
use crate::start::Start;
use crate::store::Store;
use crate::support::sim::{Disk, ROOT};
use crate::transaction::Transaction;

/// The first byte chooses how the sound store was left; then come the damages, eight bytes each.
pub fn store(data: &[u8]) {
    let Some((way, rest)) = data.split_first() else { return };
    let sound = sound(usize::from(*way) % WAYS);
    let disk = sound.disk.fork();
    let mut mixed = BTreeSet::new();
    for damage in damages(rest) {
        do_damage(&disk, damage, &mut mixed);
    }
    disk.settle();
    let case = Case { model: &sound.model, image: files(&disk), mixed };
    case.read_only(&disk.fork());
    case.writing(&disk);
}

/// Damages a file, or loses it, or takes it for another.
fn do_damage(disk: &Disk, damage: Damage, mixed: &mut BTreeSet<PathBuf>) {
    let files: Vec<(PathBuf, Vec<u8>)> = files(disk).into_iter().collect();
    let pick = |which: u8| files.get(usize::from(which) % files.len().max(1));
    let Some(((path, bytes), (other, others))) = pick(damage.file).zip(pick(damage.other)) else {
        return;
    };
    match damage.sort.checked_sub(Damage::SORTS) {
        None => {
            let mut bytes = bytes.clone();
            damage.apply(&mut bytes);
            disk.write(path, bytes);
        }
        Some(0) => disk.remove(path),
        // Another file's bytes, another file's name: somebody did that, and it cannot be known again
        // where the two were of one sort.
        Some(1) => {
            disk.write(path, others);
            mixed.insert(path.clone());
        }
        Some(2) if path != other => {
            disk.rename(path, other);
            mixed.insert(other.clone());
        }
        Some(_) => {}
    }
}

/// A damaged store, and what it was before.
struct Case<'a> {
    model: &'a Model,
    image: BTreeMap<PathBuf, Vec<u8>>,
    /// Files that hold what was another's.
    mixed: BTreeSet<PathBuf>,
}

/// What a store gave away.
struct Served {
    events: Vec<(u64, String)>,
    /// Why there were no more.
    stopped: Option<Error>,
    /// The newest commit that a reader may serve: it rolls nothing forward.
    up_to: u64,
}

impl Case<'_> {
    fn read_only(&self, disk: &Disk) {
        let Ok(store) = open_read_only(disk) else { return };
        let mut served = events(&store);
        served.up_to = store.status().map_or(u64::MAX, |status| status.head);
        self.check_events(&served);
        self.check_documents(&store, &served);
        self.check_verify(&store, &served);
        assert_eq!(files(disk), self.image, "a reader writes nothing");
    }

    fn writing(&self, disk: &Disk) {
        let Ok(store) = open(disk) else {
            let now = files(disk);
            for (path, bytes) in self.image.iter().filter(|(path, _)| is_segment(path)) {
                let kept = now.get(path).map(|now| text_of(now));
                assert_eq!(kept, Some(text_of(bytes)), "nothing is written over damage");
            }
            return;
        };
        let served = events(&store);
        self.check_events(&served);
        self.check_documents(&store, &served);
        let _ = (store.status(), store.subscriptions());
        self.check_verify(&store, &served);
        for (name, globs) in [("ui", &[][..]), ("daemon", &["Agent*"][..])] {
            self.check_deliveries(&store, name, globs);
        }
        check_commit(disk, store, &served);
    }

    /// Every event is one that was committed, and none is passed over.
    fn check_events(&self, served: &Served) {
        let model = &self.model.events;
        let Some(first) = served.events.first() else {
            if served.stopped.is_none() && !model.is_empty() && self.oldest() <= served.up_to {
                self.may_end_before(self.oldest());
            }
            return;
        };
        let begin = model.iter().position(|event| event == first);
        let begin = begin.unwrap_or_else(|| panic!("nobody committed {first:?}"));
        assert_eq!(served.events[..], model[begin..model.len().min(begin + served.events.len())]);
        if let Some((before, _)) = begin.checked_sub(1).map(|before| &model[before]) {
            // As after retention: whole segments from the beginning on are gone.
            assert!(*before < self.oldest(), "commit {before} was passed over");
        }
        if let Some((next, _)) = model.get(begin + served.events.len())
            && served.stopped.is_none()
            && *next <= served.up_to
        {
            self.may_end_before(*next);
        }
    }

    /// The first commit that the segments can hold by their names.
    fn oldest(&self) -> u64 {
        let segments = self.image.keys().filter(|path| is_segment(path));
        let firsts = segments.filter_map(|path| names::parse_segment(path.file_name()?));
        firsts.min().unwrap_or(1)
    }

    /// The journal may end before commit `seq`, without an error, in two cases only: nothing stands there
    /// (an older copy, as far as anybody can tell), or it is a torn tail of which no register knows.
    fn may_end_before(&self, seq: u64) {
        let ends = self.model.lines.iter().filter(|line| line.seq <= seq).any(|line| {
            let rest = self.behind(&line.segment, line.offset);
            let nothing = rest.iter().all(|bytes| bytes.iter().all(|byte| is_blank(*byte)));
            let nobody = self.claims() < line.seq && !self.later_batch(&rest, line.seq);
            nothing || nobody && self.is_segments_last(&line.segment)
        });
        assert!(ends, "the journal ends before commit {seq} without a word");
    }

    /// What the journal holds from a place on.
    fn behind(&self, segment: &Path, offset: usize) -> Vec<&[u8]> {
        let later = self.image.iter().filter(|(path, _)| is_segment(path));
        later
            .filter_map(|(path, bytes)| match path.as_path().cmp(segment) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal => Some(bytes.get(offset..).unwrap_or_default()),
                // A later segment proves by its name alone that this one was full.
                std::cmp::Ordering::Greater => Some(b"later".as_slice()),
            })
            .collect()
    }

    fn is_segments_last(&self, segment: &Path) -> bool {
        !self.image.keys().any(|path| is_segment(path) && path.as_path() > segment)
    }

    fn later_batch(&self, rest: &[&[u8]], seq: u64) -> bool {
        let later: Vec<&[u8]> = self
            .model
            .lines
            .iter()
            .filter(|line| line.batch > seq)
            .map(|line| &*line.text)
            .collect();
        rest.iter()
            .flat_map(|bytes| bytes.split(|byte| is_blank(*byte)))
            .any(|text| later.contains(&text))
    }

    /// The newest commit that any sound register knows of, whosoever it is.
    fn claims(&self) -> u64 {
        let registers = self.image.iter().filter(|(path, _)| {
            path.ends_with("head")
                || path.ends_with("applied")
                || path.parent().is_some_and(|folder| folder.ends_with("cursors"))
        });
        let slots = registers.filter_map(|(_, bytes)| newest(bytes));
        slots
            .map(|value| {
                let next = value["next"]
                    .as_str()
                    .and_then(|next| next.split('-').next()?.parse::<u64>().ok());
                let settled = next.map_or(0, |next| next.saturating_sub(1));
                [value["seq"].as_u64(), value["folded"].as_u64(), Some(settled)]
                    .into_iter()
                    .flatten()
                    .max()
                    .unwrap_or(0)
            })
            .max()
            .unwrap_or(0)
    }

    /// Whether some of the journal's end is gone in a way that looks like an older copy.
    fn is_older(&self, served: &Served) -> bool {
        served.stopped.is_none() && served.events.last() != self.model.events.last()
    }

    /// A document is what was committed last, or what lies in the folder: an edit, as far as anybody can
    /// tell. Where the journal is an older copy, it is what that says.
    fn check_documents(&self, store: &Store, served: &Served) {
        let listed = store.list("").unwrap_or_default();
        let keys = self.model.documents.keys().cloned();
        let keys: BTreeSet<String> =
            keys.chain(listed.iter().map(|key| key.as_str().to_owned())).collect();
        for key in keys {
            let Ok(found) = store.get_bytes(&key) else { continue };
            let in_folder = self.in_folder(&key);
            if found == self.model.last(&key) || found.as_ref() == in_folder {
                continue;
            }
            let versions = self.model.documents.get(&key).into_iter().flatten();
            let is_version =
                found.is_none() || versions.map(|(_, file)| file).any(|file| *file == found);
            assert!(
                is_version && self.is_older(served),
                "{key} is neither what was committed nor what lies there"
            );
        }
    }

    fn in_folder(&self, key: &str) -> Option<&Vec<u8>> {
        let key = Key::new(key).ok()?;
        self.image.get(&Path::new(ROOT).join(names::document_path(&key)))
    }

    /// A report without damage and drift: then all is there, and as it was committed.
    fn check_verify(&self, store: &Store, served: &Served) {
        let Ok(report) = store.verify() else { return };
        if !report.is_clean() {
            return;
        }
        assert!(served.stopped.is_none(), "verify is clean, and reading says {:?}", served.stopped);
        if self.is_older(served) {
            return;
        }
        for (key, versions) in &self.model.documents {
            let kept = versions.last().is_some_and(|(seq, _)| *seq >= self.oldest());
            let Ok(found) = store.get_bytes(key) else { continue };
            assert!(
                !kept || found == self.model.last(key),
                "verify is clean, and {key} is another"
            );
        }
    }

    /// A subscription goes on where it was or before, and passes nothing over.
    fn check_deliveries(&self, store: &Store, name: &str, globs: &[&str]) {
        let cursor = Path::new(ROOT).join(format!(".docbox/cursors/{name}"));
        if self.mixed.contains(&cursor) || self.mixed.contains(&cursor.with_extension("json")) {
            // The cursor of another subscription, or its definition, under this name.
            return;
        }
        let Ok(mut subscription) = store.subscribe(name).types(globs.iter().copied()).open() else {
            return;
        };
        let wanted = |event: &&(u64, String)| globs.is_empty() || event.1.contains("kind: \"Agent");
        let wanted: Vec<_> = self.model.events.iter().filter(wanted).collect();
        // What the sound cursor had passed.
        let settled = if name == "ui" { 3 } else { 8 };
        let mut delivered: Vec<(u64, String)> = Vec::new();
        let mut failed = None;
        for delivery in subscription.catch_up() {
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let event = delivery.event();
            delivered.push((event.position().seq, format!("{} {event:?}", event.id())));
            if let Err(error) = delivery.ack() {
                failed = Some(error);
                break;
            }
        }
        let begin = match delivered.first() {
            Some(first) => wanted
                .iter()
                .position(|event| *event == first)
                .expect("an event that was committed"),
            None if failed.is_some() => return,
            // Nothing at all: then nothing is left behind what was settled, or the journal ends there.
            None => wanted.iter().position(|(seq, _)| *seq > settled).unwrap_or(wanted.len()),
        };
        assert!(begin + delivered.len() <= wanted.len(), "{name} gets no event twice");
        for (event, delivered) in wanted[begin..].iter().zip(&delivered) {
            assert_eq!(*event, delivered, "{name} gets every event");
        }
        if let Some((next, _)) = wanted.get(begin + delivered.len())
            && failed.is_none()
        {
            self.may_end_before(*next);
        }
        let passed_over = wanted[..begin].iter().find(|(seq, _)| *seq > settled);
        assert!(passed_over.is_none(), "{name} passed {passed_over:?} over");
    }
}

/// A commit is there when it was acknowledged, also for the next who opens, and nothing before it has changed.
fn check_commit(disk: &Disk, store: Store, served: &Served) {
    let transaction = Transaction::new().put_json("after/damage", "[1]").expect("a transaction");
    let Ok(commit) = store.commit(transaction.emit(Event::bare("After"))) else { return };
    let look = |store: &Store| {
        let found = store.get_bytes("after/damage").expect("a document that was just written");
        assert_eq!(found.as_deref(), Some(&b"[\n  1\n]\n"[..]));
        let now = events(store);
        let (last, before) = match &now.stopped {
            None => now
                .events
                .split_last()
                .map(|(last, before)| (Some(last), before))
                .expect("the event"),
            Some(_) => (None, &now.events[..]),
        };
        assert_eq!(before, &served.events[..], "what was served before is served again");
        assert_eq!(now.stopped.is_some(), served.stopped.is_some(), "{:?}", now.stopped);
        if let Some((seq, text)) = last {
            assert_eq!(*seq, commit.seq());
            assert!(text.contains("After"));
            assert!(before.iter().all(|(before, _)| before < seq));
        }
    };
    look(&store);
    let closed = store.close();
    drop(store);
    look(&open(disk).unwrap_or_else(|error| panic!("it opens again: {error}")));
    let _ = closed;
}

fn events(store: &Store) -> Served {
    let mut served = Served { events: Vec::new(), stopped: None, up_to: u64::MAX };
    let all: Result<_> = store.events(Start::Beginning);
    match all {
        Err(error) => served.stopped = Some(error),
        Ok(all) => {
            for event in all {
                match event {
                    Ok(event) => served
                        .events
                        .push((event.position().seq, format!("{} {event:?}", event.id()))),
                    Err(error) => {
                        served.stopped = Some(error);
                        break;
                    }
                }
            }
        }
    }
    served
}

fn is_segment(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("journal"))
        && path.file_name().is_some_and(|name| names::parse_segment(name).is_some())
}

fn text_of(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// The newest sound slot of a register, by another reader than the library's.
fn newest(bytes: &[u8]) -> Option<Value> {
    let slot = |slot: &[u8]| {
        let text = str::from_utf8(slot).ok()?.strip_suffix('\n')?.trim_end();
        let crc = u32::from_str_radix(text.get(8..16)?, 16).ok()?;
        let value: Value = serde_json::from_str(text).ok()?;
        (crc == crc32fast::hash(text.as_bytes().get(18..)?)).then_some(value)
    };
    let slots = bytes.chunks_exact(4096).take(3).filter_map(slot);
    slots.max_by_key(|value| value["version"].as_u64())
}
