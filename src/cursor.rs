//! Cursors: how far each subscription is settled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::attempts::{Run, Tried};
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Lock, Mode, Open};
use crate::head::Head;
use crate::identity::Identity;
use crate::names::{self, Names};
use crate::number::bounded;
use crate::position::Position;
use crate::register::{Register, RegisterWriter, SLOT_BYTES};
use crate::snapshot::SnapshotId;

/// What a file under the name of a cursor holds that is none, and is to be removed.
pub const GONE: &[u8] = b"gone\n";

/// What the value of a cursor may take of a slot; the rest is the register's own.
const VALUE_BYTES: usize = SLOT_BYTES - 128;

/// The value of a cursor's register.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CursorValue {
    /// Whose it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// The first position that is not settled.
    pub next: Position,
    /// Commits up to here whose `acks` are in `next`.
    #[serde(deserialize_with = "bounded")]
    pub folded: u64,
    /// The reset request that `next` obeys.
    #[serde(deserialize_with = "bounded")]
    pub generation: u64,
    /// The consumer that wrote this.
    #[serde(default)]
    pub pid: Option<u32>,
    /// How often the event at `next` was handed over.
    #[serde(default)]
    pub attempt: u32,
    /// What is settled above `next`, in order.
    #[serde(default)]
    pub settled: Vec<Run>,
    /// What was handed over and is not settled, as far as `attempt` does not say it all.
    #[serde(default)]
    pub tried: Vec<Tried>,
    /// The snapshot that it began with. Written down as long as it stands in it.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
}

/// Written twice for each event: member by member, which is several times as cheap as what `flatten` makes.
impl Serialize for CursorValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'a> {
            store: &'a str,
            epoch: u32,
            next: Position,
            folded: u64,
            generation: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            pid: Option<u32>,
            attempt: u32,
            #[serde(skip_serializing_if = "<[Run]>::is_empty")]
            settled: &'a [Run],
            #[serde(skip_serializing_if = "<[Tried]>::is_empty")]
            tried: &'a [Tried],
            #[serde(skip_serializing_if = "Option::is_none")]
            snapshot: Option<SnapshotId>,
        }
        let Self { identity, next, folded, generation, pid, attempt, settled, tried, .. } = self;
        let Identity { store, epoch } = identity;
        let members = Members {
            store,
            epoch: *epoch,
            next: *next,
            folded: *folded,
            generation: *generation,
            pid: *pid,
            attempt: *attempt,
            settled,
            tried,
            snapshot: self.needs(),
        };
        members.serialize(serializer)
    }
}

impl CursorValue {
    /// A cursor before `next` that has obeyed the reset request `generation`; all acks up to `folded` are in it.
    #[must_use]
    pub fn at(identity: Identity, next: Position, folded: u64, generation: u64) -> Self {
        let (settled, tried) = (Vec::new(), Vec::new());
        let (pid, attempt, snapshot) = (None, 0, None);
        Self { identity, next, folded, generation, pid, attempt, settled, tried, snapshot }
    }

    /// The snapshot that it stands in.
    #[must_use]
    pub fn needs(&self) -> Option<SnapshotId> {
        self.snapshot.filter(|_| self.next.is_in_snapshot())
    }

    /// The newest commit whose durability this cursor vouches for.
    #[must_use]
    pub fn claims(&self) -> u64 {
        let settled =
            if self.next.idx == 0 { self.next.seq.saturating_sub(1) } else { self.next.seq };
        let above = self.settled.last().map_or(0, |run| run.1.seq);
        settled.max(self.folded).max(above)
    }

    /// How often an event was handed over.
    #[must_use]
    pub fn attempts_of(&self, position: Position) -> u32 {
        let tried = self.tried.iter().find(|tried| tried.is_of(position, false));
        let first = if position == self.next { self.attempt } else { 0 };
        tried.map_or(0, |tried| tried.attempt).max(first)
    }
}

/// What deliveries move of a cursor: its members of these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movable {
    /// As [`CursorValue::next`].
    pub next: Position,
    /// As [`CursorValue::folded`].
    pub folded: u64,
    /// As [`CursorValue::attempt`].
    pub attempt: u32,
    /// As [`CursorValue::settled`].
    pub settled: Vec<Run>,
    /// As [`CursorValue::tried`].
    pub tried: Vec<Tried>,
}

impl Movable {
    /// Exchanges them with those of a value.
    fn exchange(&mut self, value: &mut CursorValue) {
        std::mem::swap(&mut self.next, &mut value.next);
        std::mem::swap(&mut self.folded, &mut value.folded);
        std::mem::swap(&mut self.attempt, &mut value.attempt);
        std::mem::swap(&mut self.settled, &mut value.settled);
        std::mem::swap(&mut self.tried, &mut value.tried);
    }

    fn is_of(&self, value: &CursorValue) -> bool {
        let Self { next, folded, attempt, settled, tried } = self;
        (*next, *folded, *attempt) == (value.next, value.folded, value.attempt)
            && *settled == value.settled
            && *tried == value.tried
    }
}

/// A cursor, in the hands of its one consumer.
#[derive(Debug)]
pub struct Cursor {
    writer: RegisterWriter<CursorValue>,
    value: CursorValue,
}

impl Cursor {
    /// Takes a cursor over. The caller holds its lock.
    ///
    /// # Errors
    /// [`Error::NoSubscription`]; [`Error::Cursor`] when it is damaged, of another store or beyond the head.
    pub fn take_over(
        fs: &dyn Fs,
        names: &Names,
        name: &str,
        identity: &Identity,
        head: &Head,
    ) -> Result<Self> {
        let register = Register::open(fs, &names.cursor(name), Open::Write)?
            .ok_or_else(|| Error::NoSubscription { name: name.to_owned() })?;
        let (writer, value) = RegisterWriter::take_over(fs, register)?;
        let value = value.ok_or_else(|| unreadable(name))?;
        check(name, &value, identity, head)?;
        Ok(Self { writer, value })
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &CursorValue {
        &self.value
    }

    /// Moves the cursor. Visible at once, durable with the next sync.
    ///
    /// # Errors
    /// What the disk says; then the value is as before.
    pub fn write(&mut self, value: CursorValue) -> Result<()> {
        if value != self.value {
            self.writer.write(&value)?;
            self.value = value;
        }
        Ok(())
    }

    /// Moves the cursor there, as [`Cursor::write`] does. `false`: that has no room in a slot, and nothing
    /// was done.
    ///
    /// # Errors
    /// What the disk says; then the value is as before.
    pub fn put(&mut self, mut movable: Movable) -> Result<bool> {
        if movable.is_of(&self.value) {
            return Ok(true);
        }
        movable.exchange(&mut self.value);
        let written = if fits(&self.value) {
            self.writer.write(&self.value).map(|_| true)
        } else {
            Ok(false)
        };
        if !matches!(written, Ok(true)) {
            movable.exchange(&mut self.value);
        }
        written
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync(&mut self) -> Result<()> {
        self.writer.sync()
    }

    /// The next consumer could not make the cursor at `path` durable: if it is this one, a sync of what this one
    /// wrote proves nothing any more.
    pub fn doubt(&mut self, path: &Path) {
        if self.writer.path() == path {
            self.writer.doubt();
        }
    }

    /// Makes it durable without writing anything: for a cursor that may have another consumer by now.
    ///
    /// # Errors
    /// What the disk says.
    pub fn sync_as_is(&self) -> Result<()> {
        self.writer.sync_as_is()
    }
}

/// Whether a value has room in a slot.
fn fits(value: &CursorValue) -> bool {
    // Nearly always there is nothing of unknown length.
    let is_short = |tried: &Tried| tried.failures.is_empty();
    if value.settled.len() + value.tried.len() <= 4 && value.tried.iter().all(is_short) {
        return true;
    }
    serde_json::to_vec(value).is_ok_and(|text| text.len() <= VALUE_BYTES)
}

/// Whether a consumer can go on from a cursor.
///
/// # Errors
/// [`Error::Cursor`], naming both positions.
pub fn check(name: &str, value: &CursorValue, identity: &Identity, head: &Head) -> Result<()> {
    let refuse = |what: String| Err(Error::Cursor { name: name.to_owned(), what });
    if value.identity != *identity {
        return refuse(format!(
            "its cursor belongs to store {} (epoch {}), and this is store {} (epoch {})",
            value.identity.store, value.identity.epoch, identity.store, identity.epoch
        ));
    }
    if value.claims() > head.seq {
        return refuse(format!(
            "its cursor stands after {} and the journal ends at {}: the journal was restored from an older copy, \
             or is damaged",
            value.next.before(),
            head.seq
        ));
    }
    Ok(())
}

/// What to say of a cursor without a readable slot.
pub fn unreadable(name: &str) -> Error {
    Error::Cursor { name: name.to_owned(), what: "no slot of its cursor is readable".to_owned() }
}

/// The names of all subscriptions, sorted.
///
/// # Errors
/// What the disk says.
pub fn list(fs: &dyn Fs, names: &Names) -> Result<Vec<String>> {
    let folder = names.cursors();
    let mut found = Vec::new();
    for entry in fs.read_dir(&folder).context("list", &folder)? {
        if let Some(name) = names::parse_cursor(&entry.name)
            && is_there(fs, names, name)?
        {
            found.push(name.to_owned());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether a cursor lies under a name, whatever it is worth.
///
/// # Errors
/// What the disk says.
pub fn is_there(fs: &dyn Fs, names: &Names, name: &str) -> Result<bool> {
    let path = names.cursor(name);
    match fs::stat_if_there(fs, &path).context("look at", &path)? {
        Some(stat) if stat.len == GONE.len() as u64 => {
            let opened = fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)?;
            let bytes = opened.map(|file| fs::read_all(&*file)).transpose();
            Ok(bytes.context("read", &path)?.is_some_and(|bytes| bytes != GONE))
        }
        there => Ok(there.is_some()),
    }
}

/// The value of a cursor, for looking only; `None` when no slot is readable.
///
/// # Errors
/// What the disk says; [`Error::NoSubscription`].
pub fn peek(fs: &dyn Fs, names: &Names, name: &str) -> Result<Option<CursorValue>> {
    Register::open(fs, &names.cursor(name), Open::Read)?
        .ok_or_else(|| Error::NoSubscription { name: name.to_owned() })?
        .read()
}

/// The values of which a power cut leaves one. Where nobody has said what is durable, and nobody consumes
/// the subscription, it is made durable here. Empty where nothing is known: no slot is readable, or a
/// consumer has not synced yet.
///
/// # Errors
/// What the disk says; [`Error::NoSubscription`].
pub fn survivors(fs: &dyn Fs, names: &Names, name: &str) -> Result<Vec<CursorValue>> {
    let missing = || Error::NoSubscription { name: name.to_owned() };
    let open = || Register::open(fs, &names.cursor(name), Open::Write)?.ok_or_else(missing);
    let values = open()?.survivors()?.unwrap_or_default();
    if values.first().is_some_and(|first| values.iter().all(|value| value == first)) {
        return Ok(values);
    }
    let path = names.cursor_lock(name);
    let lock = open_lock(fs, names, name)?;
    if !lock.try_lock(Lock::Exclusive).context("lock", &path)? {
        return Ok(values);
    }
    let taken = RegisterWriter::take_over(fs, open()?);
    let _ = lock.unlock();
    Ok(taken?.1.into_iter().collect())
}

/// Makes the lock file of a cursor, or opens it.
///
/// # Errors
/// What the disk says.
pub fn open_lock(fs: &dyn Fs, names: &Names, name: &str) -> Result<Arc<dyn File>> {
    let path: PathBuf = names.cursor_lock(name);
    fs.open(&path, Open::Create(Mode::Private)).context("open", &path)
}

/// The process that consumes a subscription now, as far as its cursor says; `None` when nobody does.
///
/// # Errors
/// What the disk says.
pub fn consumer(fs: &dyn Fs, names: &Names, name: &str) -> Result<Option<u32>> {
    let path = names.cursor_lock(name);
    let Some(file) = fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)? else {
        return Ok(None);
    };
    // Held for a moment only; a consumer that opens just now tries again.
    if file.try_lock(Lock::Shared).context("try the lock of", &path)? {
        return Ok(None);
    }
    Ok(peek(fs, names, name)?.and_then(|value| value.pid))
}
