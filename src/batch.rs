//! A batch: transactions that are validated one after the other and become durable together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::core::Core;
use crate::crc::Crc;
use crate::definition::Definition;
use crate::documents::Found;
use crate::error::{Context, Error, Result};
use crate::folders::Folders;
use crate::fs::{self, Folder, Stat};
use crate::head::Head;
use crate::journal::Place;
use crate::json::Json;
use crate::key::Key;
use crate::names;
use crate::place::Prepared;
use crate::queue::Commit;
use crate::record::{EventRecord, Record, WriteRecord};
use crate::redo::blocked;
use crate::revision::Revision;
use crate::roster;
use crate::transaction::{Expect, MAX_COMMIT_BYTES, Transaction, Write};

/// Transactions on their way into the journal.
#[derive(Debug)]
pub struct Batch<'a> {
    core: &'a Core,
    head: &'a Head,
    /// The lines, in order.
    lines: Vec<u8>,
    /// Where the last line begins in `lines`.
    last: usize,
    /// The last commit; that of the head as long as there is none.
    seq: u64,
    prev: Crc,
    time: Timestamp,
    /// The last commit that asks for dead letters to be delivered again.
    redriven: u64,
    /// Each document that the batch writes.
    touched: BTreeMap<Key, Touched>,
    folders: Folders<'a>,
}

/// A document as it lies in the folder.
#[derive(Clone, Debug)]
struct Seen {
    stat: Stat,
    revision: Revision,
    /// `None` where its revision was known without reading it.
    bytes: Option<Vec<u8>>,
}

impl From<Found> for Seen {
    fn from(found: Found) -> Self {
        Self { stat: found.stat, revision: found.revision(), bytes: Some(found.bytes) }
    }
}

/// What a write is about to replace.
#[derive(Debug)]
struct Target {
    /// Where the document lies, or will.
    path: PathBuf,
    /// `None` where there is none.
    seen: Option<Seen>,
}

/// A document that a batch writes.
#[derive(Debug)]
struct Touched {
    /// As it lies in the folder.
    seen: Option<Seen>,
    /// As the batch leaves it.
    revision: Option<Revision>,
    /// The commit that wrote it last.
    seq: u64,
    /// `None` where the folder is already as the batch leaves it.
    prepared: Option<Prepared>,
}

impl<'a> Batch<'a> {
    /// An empty batch behind `head`.
    #[must_use]
    pub fn new(core: &'a Core, head: &'a Head) -> Self {
        // To the microsecond, as in the line; never back, whatever the clock does.
        let now = Timestamp::now();
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Self {
            core,
            head,
            lines: Vec::new(),
            last: 0,
            seq: head.seq,
            prev: head.crc,
            time: now.max(head.time),
            redriven: head.redriven,
            touched: BTreeMap::new(),
            folders: Folders::under(&core.lock, &core.documents),
        }
    }

    /// Validates a transaction against the folder and the batch so far, and does what can fail: parent
    /// folders, obstacles, the new bytes into the spool. What fails, fails alone and leaves nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Invalid`], or what the disk says.
    pub fn add(&mut self, mut transaction: Transaction) -> Result<Commit> {
        self.check_acks(&transaction)?;
        let mut targets = Vec::with_capacity(transaction.writes.len());
        let mut was = Vec::with_capacity(transaction.writes.len());
        for write in &transaction.writes {
            let path = self.core.names.document(&write.key);
            let (seen, revision) = self.look_up(write, &path)?;
            check_expected(write, revision)?;
            targets.push(Target { path, seen });
            was.push(revision);
        }
        let begin = self.lines.len();
        let crc = self.encode(&transaction, &was);
        let ready =
            self.check_size(begin).and_then(|()| self.prepare(&mut transaction, &mut targets));
        let prepared = match ready {
            Ok(prepared) => prepared,
            Err(error) => {
                self.lines.truncate(begin);
                return Err(error);
            }
        };
        self.seq += 1;
        if transaction.redrives {
            self.redriven = self.seq;
        }
        self.prev = crc;
        self.last = begin;
        Ok(self.accept(transaction, targets, prepared))
    }

    /// Whether no transaction was accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What goes into the journal.
    #[must_use]
    pub fn line_bytes(&self) -> &[u8] {
        &self.lines
    }

    /// The same, which are not needed any more.
    pub fn take_lines(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines)
    }

    /// The head once the batch is durable and in place.
    #[must_use]
    pub fn head(&self, place: Place) -> Head {
        Head {
            identity: self.head.identity.clone(),
            seq: self.seq,
            segment: place.segment,
            last: place.offset + self.last as u64,
            offset: place.offset + self.lines.len() as u64,
            crc: self.prev,
            time: self.time,
            token: self.head.token.clone(),
            redriven: self.redriven,
            moved: true,
        }
    }

    /// Whether putting in place takes descriptors that are not held yet.
    #[must_use]
    pub fn needs_descriptors(&self) -> bool {
        self.folders.need_descriptors()
    }

    /// Writes what is only planned yet. From here on nothing of it needs room.
    ///
    /// # Errors
    /// [`Error::Unusable`] where `.docbox` is another by now; what the disk says. The batch can be discarded.
    pub fn fill(&mut self) -> Result<()> {
        self.folders.check_lock()?;
        let Core { spool, .. } = self.core;
        for (key, touched) in &mut self.touched {
            if let Some(prepared) = &mut touched.prepared {
                prepared.fill(&mut self.folders, spool, key)?;
            }
        }
        Ok(())
    }

    /// Puts the documents in place, of each the last version only.
    ///
    /// # Errors
    /// [`Error::Blocked`]: the batch is durable, and whoever comes next tries again.
    pub fn put_in_place(self) -> Result<()> {
        let Self { core, touched, mut folders, .. } = self;
        let Core { documents, spool, placed, .. } = core;
        let mut failed = None;
        for (key, touched) in touched {
            let Some(mut prepared) = touched.prepared else { continue };
            if failed.is_none() {
                match prepared.put(&mut folders, spool, &key) {
                    Ok(file) => match file.zip(touched.revision) {
                        Some((stat, revision)) => placed.note(key, stat, revision),
                        None => placed.forget(&key),
                    },
                    Err(error) => failed = Some(blocked(documents, &key, touched.seq, error)),
                }
            }
            prepared.discard_after(documents, failed.is_none());
        }
        failed.map_or(Ok(()), Err)
    }

    /// Takes back what was prepared.
    pub fn discard(self) {
        for touched in self.touched.into_values().rev() {
            if let Some(prepared) = touched.prepared {
                prepared.discard(&self.core.documents);
            }
        }
    }

    /// Refuses the move of a cursor that was reset or removed since its event was handed over. A reset is requested
    /// under the lock that this batch holds: it is before this commit, which is refused, or after it, and
    /// then it knows this commit.
    fn check_acks(&self, transaction: &Transaction) -> Result<()> {
        for (name, ack) in &transaction.acks {
            let (fs, names) = (&*self.core.fs, &self.core.names);
            if !roster::is_there(fs, names, name)? {
                return Err(Error::NoSubscription { name: name.clone() });
            }
            let definition = Definition::read(fs, names, name)?;
            if definition.is_some_and(|it| it.request_after(ack.generation).is_some()) {
                return Err(Error::Invalid(format!(
                    "subscription `{name}` was reset after the event was handed over, so that it cannot be \
                     settled any more; go on with what the subscription gives next"
                )));
            }
        }
        Ok(())
    }

    /// A document as the folder and the batch so far have it.
    fn look_up(&mut self, write: &Write, path: &Path) -> Result<(Option<Seen>, Option<Revision>)> {
        let key = &write.key;
        if let Some(touched) = self.touched.get(key) {
            return Ok((touched.seen.clone(), touched.revision));
        }
        self.core.documents.check_spelling(key)?;
        let Some(folder) = self.folders.of(key, path)? else { return Ok((None, None)) };
        // A condition is held against the bytes themselves.
        let known = if write.expect == Expect::Anything {
            self.placed_last(key, &folder, path)?
        } else {
            None
        };
        let seen = match known {
            Some(seen) => Some(seen),
            None => self.core.documents.read_under_lock(key, &folder, path)?.map(Seen::from),
        };
        let revision = seen.as_ref().map(|seen| seen.revision);
        Ok((seen, revision))
    }

    /// A document that lies there as this process put it there, unread.
    fn placed_last(&self, key: &Key, folder: &Folder, path: &Path) -> Result<Option<Seen>> {
        let there = fs::none_if_missing(folder.stat(names::last(path)));
        let there = there.context("look at", path)?;
        let Some(stat) = there else { return Ok(None) };
        let revision = self.core.placed.revision(key, &stat);
        Ok(revision.map(|revision| Seen { stat, revision, bytes: None }))
    }

    /// Whether the folder already holds what is to be written.
    fn is_there(&self, write: &Write, seen: Option<&Seen>) -> Result<bool> {
        let (Some(content), Some(seen)) = (&write.content, seen) else {
            return Ok(write.content.is_none() && seen.is_none());
        };
        if content.revision != seen.revision {
            return Ok(false);
        }
        if let Some(bytes) = &seen.bytes {
            return Ok(*bytes == content.file);
        }
        let found = self.core.documents.read(&write.key)?;
        Ok(found.is_some_and(|found| found.bytes == content.file))
    }

    fn encode(&mut self, transaction: &Transaction, was: &[Option<Revision>]) -> Crc {
        // As much as it takes, nearly always.
        self.lines.reserve(transaction.line_bytes());
        let record = Record {
            crc: Crc::NONE,
            prev: self.prev,
            seq: self.seq + 1,
            batch: self.head.seq + 1,
            time: self.time,
            token: transaction.token.as_deref().map(Into::into),
            acks: transaction.acked(false),
            settles: transaction.acked(true),
            meta: transaction.meta.as_ref().map(Json::text),
            events: transaction
                .events
                .iter()
                .chain(&transaction.own_events)
                .map(EventRecord::of)
                .collect(),
            writes: transaction
                .writes
                .iter()
                .zip(was)
                .map(|(write, was)| WriteRecord::of(write, *was))
                .collect(),
        };
        record.encode(&mut self.lines)
    }

    fn check_size(&self, begin: usize) -> Result<()> {
        let bytes = self.lines.len() - begin;
        if bytes > MAX_COMMIT_BYTES {
            return Err(Error::Invalid(format!(
                "the commit would be a line of {bytes} bytes; the limit is {MAX_COMMIT_BYTES} (64 MiB): split it"
            )));
        }
        Ok(())
    }

    fn prepare(
        &mut self,
        transaction: &mut Transaction,
        targets: &mut [Target],
    ) -> Result<Vec<Option<Prepared>>> {
        let Core { documents, spool, .. } = self.core;
        let mut all = Vec::with_capacity(targets.len());
        for (write, Target { path, seen }) in transaction.writes.iter_mut().zip(targets) {
            let stat = seen.as_ref().map(|seen| &seen.stat);
            let prepared = self.is_there(write, seen.as_ref()).and_then(|is_there| {
                let path = std::mem::take(path);
                let folders = &mut self.folders;
                let wanted =
                    write.content.as_mut().map(|content| std::mem::take(&mut content.file));
                let new = || Prepared::new(folders, spool, (&write.key, path), wanted, stat);
                (!is_there).then(new).transpose()
            });
            match prepared {
                Ok(prepared) => all.push(prepared),
                Err(error) => {
                    for prepared in all.into_iter().rev().flatten() {
                        prepared.discard(documents);
                    }
                    return Err(error);
                }
            }
        }
        Ok(all)
    }

    fn accept(
        &mut self,
        transaction: Transaction,
        targets: Vec<Target>,
        prepared: Vec<Option<Prepared>>,
    ) -> Commit {
        let documents = &self.core.documents;
        let mut revisions = Vec::with_capacity(transaction.writes.len());
        let targets = targets.into_iter().map(|target| target.seen);
        for ((write, seen), prepared) in transaction.writes.into_iter().zip(targets).zip(prepared) {
            let revision = write.content.map(|content| content.revision);
            revisions.push((write.key.clone(), revision));
            let earlier = self.touched.remove(&write.key).and_then(|touched| touched.prepared);
            let prepared = match (prepared, earlier) {
                (Some(prepared), Some(earlier)) => Some(prepared.instead_of(earlier, documents)),
                (None, Some(earlier)) => {
                    earlier.discard(documents);
                    None
                }
                (prepared, None) => prepared,
            };
            self.touched.insert(write.key, Touched { seen, revision, seq: self.seq, prepared });
        }
        Commit { seq: self.seq, revisions }
    }
}

fn check_expected(write: &Write, found: Option<Revision>) -> Result<()> {
    let expected = match write.expect {
        Expect::Anything => return Ok(()),
        Expect::Absent => None,
        Expect::At(revision) => Some(revision),
    };
    if expected == found {
        return Ok(());
    }
    Err(Error::Conflict { key: write.key.clone(), expected, found })
}
