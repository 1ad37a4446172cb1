//! Registers: one small value each, replaced in place so that no crash leaves it without a value.
//!
//! A register is a file of three slots of 4,096 bytes. Each slot is one JSON line, padded with spaces up
//! to its newline: `{"crc":"…","version":7,"synced":5,…the value's fields…}`. The newest valid slot counts.
//! A write overwrites the oldest slot but never the one that was synced last: a kill in mid-write leaves
//! the newest, and a power cut that tears every unsynced slot leaves the synced one.
//!
//! Which one that is only its writer knows: a sync by somebody else, after one that failed, succeeds on
//! pages that are clean and lost. So each slot names it, and after each sync one more is written to say so.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crc::{self, Crc};
use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Open};
use crate::number::{self, bounded};

/// Bytes of a slot: a page, so that slots tear apart from each other.
pub const SLOT_BYTES: usize = 4096;
/// Slots of a register.
pub const SLOTS: usize = 3;
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

/// What the slots of a register hold.
struct Slots {
    bytes: Vec<u8>,
    /// 0 where a slot holds nothing valid.
    versions: [u64; SLOTS],
    /// The version that each slot says was synced last; 0 where it names none.
    synced: [u64; SLOTS],
}

impl Slots {
    fn newest(&self) -> Option<usize> {
        let slot = (0..SLOTS).max_by_key(|slot| self.versions[*slot])?;
        (self.versions[slot] > 0).then_some(slot)
    }

    fn slot(&self, slot: usize) -> &[u8] {
        &self.bytes[slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES]
    }
}

impl<T: Serialize + DeserializeOwned> Register<T> {
    /// Makes a register that holds `value`, durably. One that is there is replaced.
    ///
    /// # Errors
    /// What the disk says.
    pub fn create(fs: &dyn Fs, path: &Path, value: &T) -> Result<()> {
        let mut bytes = vec![b' '; SLOT_BYTES * SLOTS];
        for slot in 0..SLOTS {
            bytes[(slot + 1) * SLOT_BYTES - 1] = b'\n';
        }
        // That it is durable is not said: its name is not yet, and may never be.
        bytes[..SLOT_BYTES].copy_from_slice(&encode(path, 1, 0, value)?);
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
        let slots = self.slots()?;
        Ok(slots.newest().and_then(|slot| serde_json::from_slice(slots.slot(slot)).ok()))
    }

    /// The values of which a power cut leaves one: what its writer knew to be durable, and whatever was
    /// written since. `None` where no writer has said what is durable.
    ///
    /// # Errors
    /// What the disk says.
    pub fn survivors(&self) -> Result<Option<Vec<T>>> {
        let slots = self.slots()?;
        let synced = slots.newest().map_or(0, |slot| slots.synced[slot]);
        if synced == 0 || !slots.versions.contains(&synced) {
            return Ok(None);
        }
        let since = (0..SLOTS).filter(|slot| slots.versions[*slot] >= synced);
        Ok(since.map(|slot| serde_json::from_slice(slots.slot(slot)).ok()).collect())
    }

    /// The same register, under a name that is durable.
    fn made_durable(self, fs: &dyn Fs) -> Result<Self> {
        let slots = self.slots()?;
        let Some(newest) = slots.newest().filter(|slot| slots.synced[*slot] == 0) else {
            return Ok(self);
        };
        let Ok(value) = serde_json::from_slice::<T>(slots.slot(newest)) else { return Ok(self) };
        Self::create(fs, &self.path, &value)?;
        Ok(Self::open(fs, &self.path, Open::Write)?.unwrap_or(self))
    }

    fn slots(&self) -> Result<Slots> {
        let mut bytes = vec![0; SLOT_BYTES * SLOTS];
        let mut tries = 0;
        loop {
            bytes.fill(0);
            fs::read_full(&*self.file, &mut bytes, 0).context("read", &self.path)?;
            let (mut versions, mut synced) = ([0; SLOTS], [0; SLOTS]);
            for (slot, text) in bytes.chunks_exact(SLOT_BYTES).enumerate() {
                (versions[slot], synced[slot]) = version::<T>(text).unwrap_or_default();
            }
            tries += 1;
            if versions != [0; SLOTS] || tries == READ_TRIES {
                return Ok(Slots { bytes, versions, synced });
            }
            std::thread::yield_now();
        }
    }
}

/// A register, for the one who may write it.
#[derive(Debug)]
pub struct RegisterWriter<T> {
    register: Register<T>,
    versions: [u64; SLOTS],
    newest: Option<(usize, Vec<u8>)>,
    /// The slot that a power cut cannot take; never overwritten until another is synced.
    synced: Option<usize>,
    /// Whether anything was written since the last good sync.
    dirty: bool,
    /// A sync failed: the newest slot may be clean in the cache and not on the disk, so that only
    /// writing it again makes the next sync worth anything.
    suspect: bool,
}

impl<T: Serialize + DeserializeOwned> RegisterWriter<T> {
    /// For a register that is never synced (`head`).
    #[must_use]
    pub fn unsynced(register: Register<T>) -> Self {
        Self {
            register,
            versions: [0; SLOTS],
            newest: None,
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
        let slots = self.register.slots()?;
        self.versions = slots.versions;
        let Some(slot) = slots.newest() else {
            self.newest = None;
            return Ok(None);
        };
        let text = slots.slot(slot);
        self.newest = Some((slot, text.to_vec()));
        Ok(serde_json::from_slice(text).ok())
    }

    /// Writes a value. Visible at once, durable after [`RegisterWriter::sync`].
    ///
    /// # Errors
    /// What the disk says; the value before is still there.
    pub fn write(&mut self, value: &T) -> Result<()> {
        let version = self.versions.iter().max().copied().unwrap_or(0) + 1;
        if version > number::LAST {
            let path = self.register.path.display();
            return Err(Error::Invalid(format!(
                "{path}: there is no version after {}",
                number::LAST
            )));
        }
        let synced = self.synced.map_or(0, |slot| self.versions[slot]);
        let bytes = encode(&self.register.path, version, synced, value)?;
        let slot = (0..SLOTS)
            .filter(|slot| Some(*slot) != self.synced)
            .min_by_key(|slot| self.versions[*slot])
            .unwrap_or(0);
        self.dirty = true;
        // Until it is whole again the slot holds nothing.
        self.versions[slot] = 0;
        self.put(slot, &bytes)?;
        self.versions[slot] = version;
        self.newest = Some((slot, bytes));
        Ok(())
    }

    /// Makes the newest value durable.
    ///
    /// # Errors
    /// What the disk says; the value synced before is still durable.
    pub fn sync(&mut self) -> Result<()> {
        if !self.dirty {
            return Ok(());
        }
        let Some((slot, bytes)) = self.newest.clone() else { return Ok(()) };
        if self.suspect {
            self.put(slot, &bytes)?;
        }
        self.suspect = true;
        self.register.file.sync_data().context("sync", &self.register.path)?;
        self.suspect = false;
        self.synced = Some(slot);
        // The value is durable whether or not this can be said; then it is said with the next write.
        if let Ok(value) = serde_json::from_slice::<T>(&bytes) {
            let _ = self.write(&value);
        }
        self.dirty = false;
        Ok(())
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

    fn put(&self, slot: usize, bytes: &[u8]) -> Result<()> {
        let offset = (slot * SLOT_BYTES) as u64;
        fs::write_all(&*self.register.file, bytes, offset).context("write", &self.register.path)
    }
}

/// One slot: the value's own JSON object with `crc`, `version` and, where one is, the version that was
/// synced last in front.
fn encode<T: Serialize>(path: &Path, version: u64, synced: u64, value: &T) -> Result<Vec<u8>> {
    let too_large = || {
        Error::Invalid(format!(
            "{}: a value of a register is an object of less than a slot",
            path.display()
        ))
    };
    let fields = serde_json::to_string(value).map_err(|_| too_large())?;
    let fields = fields.strip_prefix('{').filter(|rest| *rest != "}").ok_or_else(too_large)?;
    let synced = if synced > 0 { format!("\"synced\":{synced},") } else { String::new() };
    let mut bytes =
        format!("{{\"crc\":\"00000000\",\"version\":{version},{synced}{fields}").into_bytes();
    crc::seal(&mut bytes);
    if bytes.len() >= SLOT_BYTES {
        return Err(too_large());
    }
    bytes.resize(SLOT_BYTES - 1, b' ');
    bytes.push(b'\n');
    Ok(bytes)
}

/// The version of a slot that is valid and holds a `T`, and the one that it says was synced last.
fn version<T: DeserializeOwned>(slot: &[u8]) -> Option<(u64, u64)> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        #[serde(deserialize_with = "bounded")]
        version: u64,
        #[serde(default)]
        synced: u64,
    }
    let (line, newline) = slot.split_at(SLOT_BYTES - 1);
    let line = line.trim_ascii_end();
    let _: Crc = crc::check(line)?;
    if newline != b"\n" {
        return None;
    }
    let Versioned { version, synced } = serde_json::from_slice(line).ok()?;
    serde_json::from_slice::<T>(line).ok()?;
    Some((version, synced))
}

#[cfg(test)]
mod tests;
