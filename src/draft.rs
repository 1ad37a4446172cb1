//! Taking a snapshot: every document as it is at the end of one commit, while others commit.
//!
//! Most of it without a lock: all documents are read, then those that were written meanwhile are read anew,
//! again and again as long as there are many. The last few are read under `commit.lock`, where everything
//! that is durable is in place; what was read then is the state at the head of that moment. An edit by hand
//! counts as before or after, as it was read.
//!
//! Whoever takes one holds a lock on its file until a cursor that needs it is durable. A file that nobody needs,
//! and nobody holds, is what a dead process left: `sweep` removes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::core::Core;
use crate::crc::Crc;
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Lock, Mode};
use crate::head::Head;
use crate::json::Json;
use crate::key::Key;
use crate::lock::Locked;
use crate::names;
use crate::position::Position;
use crate::recovery::roll_forward;
use crate::revision::Revision;
use crate::snapshot::lines::Lines;
use crate::snapshot::{End, Item, SnapshotId, decode, encode};
use crate::start::{Start, resolve};
use crate::view::in_file;

/// So few documents may be read under the lock at any time.
const FEW: usize = 64;
/// So often what was written meanwhile is read anew without the lock, where it does not become less.
const ROUNDS: usize = 8;
/// Lines are written so many bytes at once.
const PIECE_BYTES: usize = 1 << 20;
/// How often one begins anew where retention dropped what was committed meanwhile.
const TRIES: usize = 5;

/// A snapshot that is durable, and has no name yet by which a cursor could find it.
#[derive(Debug)]
pub struct Draft {
    sheet: Sheet,
    id: SnapshotId,
}

/// Where a subscription begins that begins with a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// The first position: that of the first item, if there is any.
    pub next: Position,
    /// `None` where there was no document.
    pub snapshot: Option<SnapshotId>,
}

impl Beginning {
    /// At a position of the journal.
    #[must_use]
    pub fn at(next: Position) -> Self {
        Self { next, snapshot: None }
    }
}

/// A file of lines that is being written. Its lock is held as long as it is open.
#[derive(Debug)]
struct Sheet {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Arc<dyn File>,
    /// Bytes that were written, and those that are to be.
    len: u64,
    buffer: Vec<u8>,
    items: u32,
    /// Whether it has the name by which it is found.
    is_placed: bool,
}

/// Where a line lies in a sheet, and its bytes.
type Place = (u64, usize);

/// What is known of the documents so far.
struct Survey<'a> {
    core: &'a Core,
    sheet: Sheet,
    /// Where the lines of the documents that were listed end, in order. What was read anew stands behind them,
    /// some of it more than once.
    listed: u64,
    /// What was read anew since it was listed; `None` for what is not there any more.
    anew: BTreeMap<Key, Option<Place>>,
    /// What was no JSON when it was read: perhaps somebody edits it just now.
    odd: BTreeSet<Key>,
    /// All that was committed up to here is read.
    seen: u64,
}

/// Takes a snapshot.
///
/// # Errors
/// [`Error::Json`] for a document that is none, and says which file it is; what the disk says.
pub fn take(core: &Core) -> Result<Draft> {
    core.check_writable()?;
    for _ in 1..TRIES {
        match try_take(core) {
            Err(Error::Compacted { .. }) => {}
            other => return other,
        }
    }
    try_take(core)
}

fn try_take(core: &Core) -> Result<Draft> {
    let locked = core.lock.take()?;
    let sheet = Sheet::new(core, &locked)?;
    drop(locked);
    let seen = core.head()?.seq;
    let (anew, odd) = (BTreeMap::new(), BTreeSet::new());
    let mut survey = Survey { core, sheet, listed: 0, anew, odd, seen };
    survey.read_all()?;
    survey.read_what_changed()?;
    let (head, fair) = survey.read_the_rest()?;
    let now = Timestamp::now().max(head.time);
    let time = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let mut sheet = survey.in_order(fair)?;
    sheet.finish(core, head.seq, time)?;
    let number = u64::from_be_bytes(*Uuid::now_v7().as_bytes().last_chunk().unwrap_or(&[0; 8]));
    tracing::info!(
        seq = head.seq,
        documents = sheet.items,
        bytes = sheet.len,
        "a snapshot was taken"
    );
    Ok(Draft { sheet, id: SnapshotId { seq: head.seq, number } })
}

impl Survey<'_> {
    fn read_all(&mut self) -> Result<()> {
        for key in self.core.documents.list("")?.keys {
            self.core.check_open()?;
            if let Err(error) = self.read(&key) {
                self.put_off(key, error)?;
            }
        }
        self.sheet.flush()?;
        self.listed = self.sheet.len;
        Ok(())
    }

    fn read_what_changed(&mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            let head = self.core.head()?;
            let changed = self.written_up_to(&head)?;
            let count = changed.len();
            for key in changed {
                self.core.check_open()?;
                if let Err(error) = self.read_anew(&key) {
                    self.put_off(key, error)?;
                }
            }
            if count <= FEW {
                break;
            }
        }
        Ok(())
    }

    /// What is left, under the lock: from here on it is the state at this head. Where documents were read anew
    /// a second sheet is needed, too.
    fn read_the_rest(&mut self) -> Result<(Head, Option<Sheet>)> {
        let core = self.core;
        let mut locked = core.lock.take()?;
        let head = roll_forward(core, &mut locked)?;
        for key in self.written_up_to(&head)? {
            self.read_anew(&key).map_err(|error| in_file(&core.names.document(&key), error))?;
        }
        let fair = (!self.anew.is_empty()).then(|| Sheet::new(core, &locked)).transpose()?;
        Ok((head, fair))
    }

    /// What has to be read anew: what was written since the last look, and what was odd then.
    fn written_up_to(&mut self, head: &Head) -> Result<BTreeSet<Key>> {
        let mut written = std::mem::take(&mut self.odd);
        let mut reader = self.core.reader(self.seen + 1);
        while let Some(record) = reader.read(head)? {
            for write in &record.writes {
                let key = Key::from_journal(&write.key)?;
                if !key.is_own() {
                    written.insert(key);
                }
            }
            self.seen = record.seq;
        }
        Ok(written)
    }

    fn put_off(&mut self, key: Key, error: Error) -> Result<()> {
        if !matches!(error, Error::Json { .. }) {
            return Err(error);
        }
        self.odd.insert(key);
        Ok(())
    }

    fn read_anew(&mut self, key: &Key) -> Result<()> {
        self.anew.insert(key.clone(), None);
        let place = self.read(key)?;
        self.anew.insert(key.clone(), place);
        Ok(())
    }

    /// Reads a document and writes its line; where that lies, `None` when there is none.
    fn read(&mut self, key: &Key) -> Result<Option<Place>> {
        let Some(found) = self.core.documents.read(key)? else { return Ok(None) };
        let json = Json::parse(&found.bytes)?;
        self.sheet.add(key.as_str(), Revision::of(&found.bytes), json.raw()).map(Some)
    }

    /// The sheet with each document once, in the order of keys.
    fn in_order(self, fair: Option<Sheet>) -> Result<Sheet> {
        let Self { anew, mut sheet, listed, .. } = self;
        let Some(mut fair) = fair else { return Ok(sheet) };
        sheet.flush()?;
        let mut lines = Lines::new(Arc::clone(&sheet.file), listed);
        let mut anew = anew.iter().peekable();
        while let Some(line) = lines.line().context("read", &sheet.path)? {
            let item = sheet.parse(line)?;
            while let Some((_, place)) = anew.next_if(|(key, _)| key.as_str() < &*item.key) {
                sheet.copy(*place, &mut fair)?;
            }
            match anew.next_if(|(key, _)| key.as_str() == item.key) {
                Some((_, place)) => sheet.copy(*place, &mut fair)?,
                None => drop(fair.add(&item.key, item.rev, item.doc)?),
            }
        }
        anew.try_for_each(|(_, place)| sheet.copy(*place, &mut fair))?;
        Ok(fair)
    }
}

impl Sheet {
    /// An empty one. Under the lock, as is whoever removes those that nobody holds.
    fn new(core: &Core, _locked: &Locked<'_>) -> Result<Self> {
        let (fs, folder) = (Arc::clone(&core.fs), core.names.cursors());
        let made = fs.create_temp(&folder, names::SNAPSHOT_DRAFT, Mode::Private);
        let (path, file) = made.context("make a file in", &folder)?;
        let (len, buffer, items) = (0, Vec::new(), 0);
        let sheet = Self { fs, path, file, len, buffer, items, is_placed: false };
        if !sheet.file.try_lock(Lock::Exclusive).context("lock", &sheet.path)? {
            return Err(Error::unusable(
                core.names.root(),
                "the file of a snapshot that was just made is held by somebody else; try again",
            ));
        }
        Ok(sheet)
    }

    fn add(&mut self, key: &str, rev: Revision, doc: &RawValue) -> Result<Place> {
        let Some(next) = self.items.checked_add(1).filter(|_| self.items < Position::LAST_ITEM)
        else {
            let most = Position::LAST_ITEM;
            return Err(Error::Invalid(format!(
                "more than {most} documents: too many for a snapshot"
            )));
        };
        let begins = self.buffer.len();
        let (crc, key) = (Crc::NONE, Cow::Borrowed(key));
        encode(&Item { crc, number: self.items, key, rev, doc }, &mut self.buffer);
        self.items = next;
        let place = (self.len + begins as u64, self.buffer.len() - begins);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(place)
    }

    fn flush(&mut self) -> Result<()> {
        fs::write_all(&*self.file, &self.buffer, self.len).context("write", &self.path)?;
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Copies the line at a place to another sheet.
    fn copy(&self, place: Option<Place>, to: &mut Self) -> Result<()> {
        let Some((offset, len)) = place else { return Ok(()) };
        let mut line = vec![0; len];
        let filled = fs::read_full(&*self.file, &mut line, offset).context("read", &self.path)?;
        line.truncate(filled);
        let item = self.parse(line.strip_suffix(b"\n").unwrap_or(&line))?;
        to.add(&item.key, item.rev, item.doc).map(drop)
    }

    fn parse<'a>(&self, line: &'a [u8]) -> Result<Item<'a>> {
        decode(line).map_err(std::io::Error::other).context("read back", &self.path)
    }

    /// Writes the last line, and makes all of it durable.
    fn finish(&mut self, core: &Core, seq: u64, time: Timestamp) -> Result<()> {
        let (store, epoch) = (Cow::Borrowed(&*core.identity.store), core.identity.epoch);
        let end = End { crc: Crc::NONE, items: self.items, seq, time, store, epoch };
        encode(&end, &mut self.buffer);
        self.flush()?;
        self.file.sync_data().context("sync", &self.path)
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        if !self.is_placed {
            // Where it stays, it is removed as what a dead process left is.
            let _ = self.fs.remove_file(&self.path);
        }
    }
}

impl Draft {
    /// Gives it its name, durably. From here on a cursor may need it; where none does, it is removed as what a dead
    /// process left is.
    ///
    /// # Errors
    /// [`Error::Compacted`] where what was committed since is no longer kept: then another is to be taken; what
    /// the disk says.
    pub fn place(&mut self, core: &Core, _locked: &Locked<'_>, head: &Head) -> Result<Beginning> {
        let SnapshotId { seq, number } = self.id;
        let rest = resolve(core, Start::After(Position::end_of(seq)), head)?;
        if self.sheet.items == 0 {
            return Ok(Beginning { next: rest, snapshot: None });
        }
        let (path, folder) = (core.names.snapshot(seq, number), core.names.cursors());
        core.fs.rename(&self.sheet.path, &path).context("put in place", &path)?;
        self.sheet.is_placed = true;
        core.fs.sync_dir(&folder).context("sync the folder", &folder)?;
        Ok(Beginning { next: Position::of_item(seq, 0), snapshot: Some(self.id) })
    }
}
