//! Registers: one small value each, replaced in place so that no crash leaves it without a value.
//!
//! A register is a file of three slots of 4,096 bytes. Each slot is one JSON line, padded with spaces up
//! to its newline: `{"crc":"…","version":7,"synced":5,…the value's fields…}`. The newest valid slot counts.
//! A write overwrites the oldest slot but never the one that was synced last: a kill in mid-write leaves
//! the newest, and a power cut that tears every unsynced slot leaves the synced one.
//!
//! Which one that is only its writer knows: a sync by somebody else, after one that failed, succeeds on
//! pages that are clean and lost. So each slot names it, and after each sync one more is written to say so.

mod slots;

pub use slots::{SLOT_BYTES, SLOTS};

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::slots::{Draft, Said, Slots};
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Open};
use crate::number;

/// The version of a register that was just made.
pub const FIRST_VERSION: u64 = 1;
/// How often a read that finds no valid slot looks again: it may have crossed a writer.
const READ_TRIES: usize = 5;

/// A register, for reading.
#[derive(Debug)]
pub struct Register<T> {
    file: Arc<dyn File>,
    path: PathBuf,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Register<T> {
    fn clone(&self) -> Self {
        Self { file: Arc::clone(&self.file), path: self.path.clone(), value: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Register<T> {
    /// Makes a register that holds `value`, durably. One that is there is replaced.
    ///
    /// # Errors
    /// What the disk says.
    pub fn create(fs: &dyn Fs, path: &Path, value: &T) -> Result<()> {
        // That it is durable is not said: its name is not yet, and may never be.
        let mut bytes = Draft::new().make(path, FIRST_VERSION, 0, value)?.to_vec();
        for slot in 1..SLOTS {
            bytes.resize((slot + 1) * SLOT_BYTES - 1, b' ');
            bytes.push(b'\n');
        }
        fs::replace_durably(fs, path, &bytes)
    }

    /// Opens a register; `None` when there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(fs: &dyn Fs, path: &Path, how: Open) -> Result<Option<Self>> {
        let file = fs::none_if_missing(fs.open(path, how)).context("open", path)?;
        Ok(file.map(|file| Self { file, path: path.to_owned(), value: PhantomData }))
    }

    /// The newest value; `None` when no slot is readable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read(&self) -> Result<Option<T>> {
        let mut slots = Slots::unread();
        self.look(&mut slots)?;
        Ok(slots.into_newest())
    }

    /// The same register, for one who reads it again and again.
    #[must_use]
    pub fn reader(self) -> RegisterReader<T> {
        RegisterReader { register: self, slots: Slots::unread() }
    }

    /// The values of which a power cut leaves one: what its writer knew to be durable, and whatever was
    /// written since. `None` where no writer has said what is durable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn survivors(&self) -> Result<Option<Vec<T>>> {
        let slots = self.slots()?;
        let synced = slots.newest().map_or(0, |slot| slots.synced(slot));
        if synced == 0 || (0..SLOTS).all(|slot| slots.version(slot) != synced) {
            return Ok(None);
        }
        let since = (0..SLOTS).filter(|slot| slots.version(*slot) >= synced);
        Ok(since.map(|slot| slots.parse(slot)).collect())
    }

    /// The same register, under a name that is durable.
    fn made_durable(self, fs: &dyn Fs) -> Result<Self> {
        let slots = self.slots()?;
        let Some(newest) = slots.newest().filter(|slot| slots.synced(*slot) == 0) else {
            return Ok(self);
        };
        let Some(value) = slots.parse(newest) else { return Ok(self) };
        Self::create(fs, &self.path, &value)?;
        Ok(Self::open(fs, &self.path, Open::Write)?.unwrap_or(self))
    }

    /// All slots, every one of them checked.
    fn slots(&self) -> Result<Slots<T>> {
        let mut slots = Slots::unread();
        self.look(&mut slots)?;
        slots.check_all();
        Ok(slots)
    }

    fn put(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let offset = (slot * SLOT_BYTES) as u64;
        fs::write_all(&*self.file, bytes, offset).context("write", &self.path)
    }

    /// Reads the slots again; of the newest it is made sure that it has a value.
    fn look(&self, slots: &mut Slots<T>) -> Result<()> {
        let mut tries = 0;
        loop {
            slots.look(|bytes| fs::read_full(&*self.file, bytes, 0).context("read", &self.path))?;
            tries += 1;
            if slots.newest_with_value().is_some() || tries == READ_TRIES {
                return Ok(());
            }
            std::thread::yield_now();
        }
    }
}

/// A register, for one who reads it again and again. The file is read each time, and what has changed in
/// it is checked and parsed; of what has not, the answer is the same.
#[derive(Debug)]
pub struct RegisterReader<T> {
    register: Register<T>,
    slots: Slots<T>,
}

impl<T: Serialize + DeserializeOwned> RegisterReader<T> {
    /// The newest value as of now and its version; `None` when no slot is readable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read(&mut self) -> Result<Option<(u64, &T)>> {
        self.register.look(&mut self.slots)?;
        let Some(slot) = self.slots.newest() else { return Ok(None) };
        let version = self.slots.version(slot);
        Ok(self.slots.value(slot).map(|value| (version, value)))
    }
}

/// A register, for the one who may write it.
#[derive(Debug)]
pub struct RegisterWriter<T> {
    register: Register<T>,
    slots: Slots<T>,
    draft: Draft,
    /// What the draft says, where that is to be written yet.
    ready: Option<Said<T>>,
    /// The slot that a power cut cannot take; never overwritten until another is synced.
    synced: Option<usize>,
    /// Whether anything was written since the last good sync.
    dirty: bool,
    /// A sync failed: the newest slot may be clean in the cache and not on the disk, so that only
    /// writing it again makes the next sync worth anything.
    suspect: bool,
}

impl<T: Clone + PartialEq + Serialize + DeserializeOwned> RegisterWriter<T> {
    /// For a register that is never synced (`head`).
    #[must_use]
    pub fn unsynced(register: Register<T>) -> Self {
        Self {
            register,
            slots: Slots::unread(),
            draft: Draft::new(),
            ready: None,
            synced: None,
            dirty: false,
            suspect: false,
        }
    }

    /// Takes a register over from whoever wrote it before: which slot was synced last is not known, so
    /// the newest is written again and synced first. Where nobody has said of any that it was synced, its
    /// maker may have failed to make its name durable, and only a new name makes that sure: it is made anew.
    /// Returns its value, `None` when no slot is readable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn take_over(fs: &dyn Fs, register: Register<T>) -> Result<(Self, Option<T>)> {
        let mut writer = Self::unsynced(register.made_durable(fs)?);
        let value = writer.refresh()?;
        if value.is_some() {
            writer.dirty = true;
            writer.suspect = true;
            writer.sync()?;
        }
        Ok((writer, value))
    }

    /// Reads what others may have written in the meantime.
    ///
    /// # Errors
    /// What the disk says.
    pub fn refresh(&mut self) -> Result<Option<T>> {
        self.register.look(&mut self.slots)?;
        self.slots.check_all();
        let newest = self.slots.newest();
        Ok(newest.and_then(|slot| self.slots.value(slot).cloned()))
    }

    /// The same of a register that nobody syncs: each writer takes the oldest slot. So nobody has written where that
    /// one begins as it did, and nothing else is read.
    ///
    /// # Errors
    /// What the disk says.
    pub fn refresh_unsynced(&mut self) -> Result<Option<T>> {
        if let Some(newest) = self.slots.newest()
            && self.begins_as_it_did(self.oldest())?
        {
            return Ok(self.slots.value(newest).cloned());
        }
        self.refresh()
    }

    /// Whether a slot has the checksum and version that it had when it was read or written last.
    fn begins_as_it_did(&self, slot: usize) -> Result<bool> {
        let mut bytes = [0; 64];
        let offset = (slot * SLOT_BYTES) as u64;
        let filled = fs::read_full(&*self.register.file, &mut bytes, offset)
            .context("read", &self.register.path)?;
        Ok(filled == bytes.len() && self.slots.bytes(slot).starts_with(&bytes))
    }

    /// The slot that is written next.
    fn oldest(&self) -> usize {
        (0..SLOTS)
            .filter(|slot| Some(*slot) != self.synced)
            .min_by_key(|slot| self.slots.version(*slot))
            .unwrap_or(0)
    }

    /// Makes the bytes of a value that is about to be written, for who has the time now and not then.
    ///
    /// # Errors
    /// As [`RegisterWriter::write`].
    pub fn make_ready(&mut self, value: &T) -> Result<()> {
        let said = self.next(value)?;
        self.ready = Some(said);
        Ok(())
    }

    /// Writes a value; the version that it has now. Visible at once, durable after [`RegisterWriter::sync`].
    ///
    /// # Errors
    /// What the disk says; the value before is still there.
    pub fn write(&mut self, value: &T) -> Result<u64> {
        let versions = self.versions();
        let is_next = |said: &Said<T>| {
            (said.version, said.synced) == versions && said.value.as_ref() == Some(value)
        };
        let said = match self.ready.take().filter(is_next) {
            Some(said) => said,
            None => self.next(value)?,
        };
        let slot = self.oldest();
        let (version, bytes) = (said.version, self.draft.bytes());
        self.dirty = true;
        self.slots.forget(slot);
        self.register.put(slot, bytes)?;
        self.slots.wrote(slot, bytes, said);
        Ok(version)
    }

    /// The version of what is written next, and the one that was synced last.
    fn versions(&self) -> (u64, u64) {
        let version = self.slots.newest().map_or(0, |slot| self.slots.version(slot)) + 1;
        (version, self.synced.map_or(0, |slot| self.slots.version(slot)))
    }

    /// Makes the draft of what is written next.
    fn next(&mut self, value: &T) -> Result<Said<T>> {
        // Whatever was ready is no more what the draft says.
        self.ready = None;
        let (version, synced) = self.versions();
        if version > number::LAST {
            let path = self.register.path.display();
            return Err(Error::Invalid(format!(
                "{path}: there is no version after {}",
                number::LAST
            )));
        }
        self.draft.make(&self.register.path, version, synced, value)?;
        Ok(Said { version, synced, value: Some(value.clone()) })
    }

    /// Makes the newest value durable.
    ///
    /// # Errors
    /// What the disk says; the value synced before is still durable.
    pub fn sync(&mut self) -> Result<()> {
        if !self.dirty {
            return Ok(());
        }
        let Some(slot) = self.slots.newest() else { return Ok(()) };
        if self.suspect {
            self.register.put(slot, self.slots.bytes(slot))?;
        }
        self.suspect = true;
        self.register.file.sync_data().context("sync", &self.register.path)?;
        self.suspect = false;
        self.synced = Some(slot);
        // The value is durable whether or not this can be said; then it is said with the next write.
        if let Some(value) = self.slots.parse(slot) {
            let _ = self.write(&value);
        }
        self.dirty = false;
        Ok(())
    }

    /// A sync of the same file by somebody else failed: what is not durable yet may be clean and lost, so that
    /// no sync by this writer proves anything until it has written again.
    pub fn doubt(&mut self) {
        self.suspect = true;
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.register.path
    }

    /// Syncs what stands in the file, whoever wrote it, and writes nothing.
    ///
    /// # Errors
    /// What the disk says; and that an earlier sync failed, for then this one would prove nothing.
    pub fn sync_as_is(&self) -> Result<()> {
        if self.dirty {
            if self.suspect {
                let failed = std::io::Error::other("an earlier sync failed");
                return Err(failed).context("sync", &self.register.path);
            }
            self.register.file.sync_data().context("sync", &self.register.path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
