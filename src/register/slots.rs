//! The slots of a register: what they say is a function of their bytes.
//!
//! So whoever reads a register again keeps both. Where the bytes of a slot are the same, it says the same,
//! and only a slot that has changed is checked and parsed.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crc;
use crate::error::{Error, Result};
use crate::number::bounded;

/// Bytes of a slot: a page, so that slots tear apart from each other.
pub const SLOT_BYTES: usize = 4096;
/// Slots of a register.
pub const SLOTS: usize = 3;
/// Bytes of a register.
pub(super) const REGISTER_BYTES: usize = SLOT_BYTES * SLOTS;

/// The slots of a register, as they were when it was read or written last.
pub(super) struct Slots<T> {
    bytes: Vec<u8>,
    /// What the next read fills.
    fresh: Vec<u8>,
    /// What each slot says; `None` where it holds nothing valid, as far as was looked.
    said: [Option<Said<T>>; SLOTS],
}

/// What a slot says whose checksum is right.
#[derive(Debug)]
pub(super) struct Said<T> {
    pub(super) version: u64,
    /// The version that was synced last, as its writer knew; 0 where it names none.
    pub(super) synced: u64,
    /// `None` until somebody asks for it; where it is none then, the slot is not valid.
    pub(super) value: Option<T>,
}

impl<T: fmt::Debug> fmt::Debug for Slots<T> {
    /// What they say, without pages of padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slots").field(&self.said).finish()
    }
}

impl<T> Slots<T> {
    /// Those of a register that nobody has read yet.
    pub(super) fn unread() -> Self {
        Self {
            bytes: vec![0; REGISTER_BYTES],
            fresh: vec![0; REGISTER_BYTES],
            said: [const { None }; SLOTS],
        }
    }

    /// Takes what `read` puts into a buffer of [`REGISTER_BYTES`], of which it filled so many.
    pub(super) fn look(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<()> {
        let filled = read(&mut self.fresh)?;
        self.fresh[filled..].fill(0);
        for (slot, said) in self.said.iter_mut().enumerate() {
            let range = slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES;
            if self.fresh[range.clone()] != self.bytes[range.clone()] {
                *said = Said::of(&self.fresh[range]);
            }
        }
        std::mem::swap(&mut self.bytes, &mut self.fresh);
        Ok(())
    }

    /// What a slot holds.
    pub(super) fn bytes(&self, slot: usize) -> &[u8] {
        &self.bytes[slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES]
    }

    /// The version of a slot; 0 where it holds nothing valid.
    pub(super) fn version(&self, slot: usize) -> u64 {
        self.said[slot].as_ref().map_or(0, |said| said.version)
    }

    /// The version that a slot says was synced last; 0 where it names none.
    pub(super) fn synced(&self, slot: usize) -> u64 {
        self.said[slot].as_ref().map_or(0, |said| said.synced)
    }

    /// The slot of the highest version.
    pub(super) fn newest(&self) -> Option<usize> {
        let slot = (0..SLOTS).max_by_key(|slot| self.version(*slot))?;
        (self.version(slot) > 0).then_some(slot)
    }

    /// A slot is about to be written: until it is whole again it holds nothing.
    pub(super) fn forget(&mut self, slot: usize) {
        // No line begins so: whatever is there by now, it is looked at anew.
        self.bytes[slot * SLOT_BYTES] = 0;
        self.said[slot] = None;
    }

    /// A slot was written with these bytes, which say this.
    pub(super) fn wrote(&mut self, slot: usize, bytes: &[u8], said: Said<T>) {
        self.bytes[slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES].copy_from_slice(bytes);
        self.said[slot] = Some(said);
    }
}

impl<T: DeserializeOwned> Slots<T> {
    /// The value of a slot; where it has none, the slot is not valid and counts no more.
    pub(super) fn value(&mut self, slot: usize) -> Option<&T> {
        if self.said[slot].as_ref()?.value.is_none() {
            let value = self.parse(slot);
            self.said[slot] = self.said[slot].take().filter(|_| value.is_some());
            self.said[slot].as_mut()?.value = value;
        }
        self.said[slot].as_ref()?.value.as_ref()
    }

    /// The value of the newest slot.
    pub(super) fn into_newest(mut self) -> Option<T> {
        let slot = self.newest_with_value()?;
        self.said[slot].take()?.value
    }

    /// The value of a slot, parsed once more.
    pub(super) fn parse(&self, slot: usize) -> Option<T> {
        serde_json::from_slice(line(self.bytes(slot))).ok()
    }

    /// Finds the newest slot that has a value. No other is parsed.
    pub(super) fn newest_with_value(&mut self) -> Option<usize> {
        loop {
            let slot = self.newest()?;
            if self.value(slot).is_some() {
                return Some(slot);
            }
        }
    }

    /// Makes sure of every slot: afterwards those with a version have a value.
    pub(super) fn check_all(&mut self) {
        for slot in 0..SLOTS {
            self.value(slot);
        }
    }
}

impl<T> Said<T> {
    /// What a slot says, if its line is whole.
    fn of(slot: &[u8]) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Versions {
            #[serde(deserialize_with = "bounded")]
            version: u64,
            #[serde(default)]
            synced: u64,
        }
        if slot.last() != Some(&b'\n') {
            return None;
        }
        let line = line(slot);
        crc::check(line)?;
        let Versions { version, synced } = serde_json::from_slice(line).ok()?;
        Some(Self { version, synced, value: None })
    }
}

/// The line of a slot, without its padding.
fn line(slot: &[u8]) -> &[u8] {
    const PADDING: [u8; 64] = [b' '; 64];
    let mut line = slot.strip_suffix(b"\n").unwrap_or(slot);
    // Nine tenths of a slot are padding.
    while let Some(rest) = line.strip_suffix(&PADDING) {
        line = rest;
    }
    line.trim_ascii_end()
}

/// A slot that is being made. It is kept from one to the next, so that its padding need not be written anew.
pub(super) struct Draft {
    line: Vec<u8>,
    /// The line made last, and its padding.
    bytes: Vec<u8>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Draft").field(&String::from_utf8_lossy(&self.line)).finish()
    }
}

impl Draft {
    pub(super) fn new() -> Self {
        let mut bytes = vec![b' '; SLOT_BYTES];
        bytes[SLOT_BYTES - 1] = b'\n';
        Self { line: Vec::new(), bytes }
    }

    /// Makes the bytes of a slot: the value's own JSON object with `crc`, `version` and, where one is, the
    /// version that was synced last in front.
    pub(super) fn make<T: Serialize>(
        &mut self,
        path: &Path,
        version: u64,
        synced: u64,
        value: &T,
    ) -> Result<&[u8]> {
        let before = self.line.len();
        self.line.clear();
        if self.put_line(version, synced, value).is_none() || self.line.len() >= SLOT_BYTES {
            *self = Self::new();
            return Err(Error::Invalid(format!(
                "{}: a value of a register is an object of less than a slot",
                path.display()
            )));
        }
        crc::seal(&mut self.line);
        let end = self.line.len();
        self.bytes[..end].copy_from_slice(&self.line);
        // What is left of the line before.
        if end < before {
            self.bytes[end..before].fill(b' ');
        }
        Ok(&self.bytes)
    }

    /// The slot that was made last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `None` where the value is no object, or an empty one.
    fn put_line<T: Serialize>(&mut self, version: u64, synced: u64, value: &T) -> Option<()> {
        let line = &mut self.line;
        line.extend_from_slice(b"{\"crc\":\"00000000\",\"version\":");
        serde_json::to_writer(&mut *line, &version).ok()?;
        if synced > 0 {
            line.extend_from_slice(b",\"synced\":");
            serde_json::to_writer(&mut *line, &synced).ok()?;
        }
        let fields = line.len();
        serde_json::to_writer(&mut *line, value).ok()?;
        // An object goes on where ours begins.
        if !line[fields..].starts_with(b"{\"") {
            return None;
        }
        line[fields] = b',';
        Some(())
    }
}
