//! Writing the journal: segments made, filled ahead, revoked by name and sealed.
//!
//! All of it under `commit.lock`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::segment::{Place, has_lines_at};
use crate::error::{Context, Error, Result, is_about_room};
use crate::fs::{self, File, FileId, Fs, Mode, Open};
use crate::head::Head;
use crate::names::Names;
use crate::record;

/// How the journal is cut up.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A new segment is begun before a batch that would make the active one larger.
    pub segment_bytes: u64,
    /// The active segment is filled ahead in steps of this.
    pub fill_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, fill_bytes: 1 << 20 }
    }
}

/// The writing end of the journal.
///
/// What may begin a segment ([`Writer::make_room`], [`Writer::revoke`], [`Writer::begin_behind`]) is asked for
/// through [`Locked`](crate::lock::Locked), which writes `head` again before: others look for a segment only then.
#[derive(Debug)]
pub struct Writer {
    fs: Arc<dyn Fs>,
    names: Names,
    sizes: Sizes,
    active: Option<Active>,
}

/// Why a batch is not durable.
#[derive(Debug)]
pub enum Failed {
    /// Nothing of it was written: it will never appear.
    Untouched(Error),
    /// It may be there, or a part of it: [`Writer::revoke`] it.
    Unknown(Error),
}

/// The segment that is written to. Remembered only once it holds lines: as long as it holds none, another
/// process may replace it.
#[derive(Debug)]
struct Active {
    first: u64,
    file: Arc<dyn File>,
    id: FileId,
    path: PathBuf,
    /// It is filled up to here.
    filled: u64,
}

impl Writer {
    /// A writer that has not looked at the journal yet.
    #[must_use]
    pub fn new(fs: Arc<dyn Fs>, names: Names, sizes: Sizes) -> Self {
        Self { fs, names, sizes, active: None }
    }

    /// Whether anything but fill stands at a place, as far as its first bytes tell.
    ///
    /// # Errors
    /// What the disk says.
    pub fn has_lines_at(&self, place: Place) -> Result<bool> {
        match &self.active {
            Some(active) if active.first == place.segment => {
                has_lines_at(&*active.file, place.offset).context("read", &active.path)
            }
            _ => place.has_lines(&*self.fs, &self.names),
        }
    }

    /// Whether there is room for a batch of `len` bytes at a place, in the segment that is open.
    #[must_use]
    pub fn has_room(&self, place: Place, len: u64) -> bool {
        let end = place.offset + len;
        self.active.as_ref().is_some_and(|active| {
            active.first == place.segment
                && place.offset > 0
                && end <= active.filled
                && !self.needs_segment(place, len)
        })
    }

    /// Whether a batch of `len` bytes is too long for what is left of the segment of a place.
    #[must_use]
    pub fn needs_segment(&self, place: Place, len: u64) -> bool {
        place.offset > 0 && place.offset + len > self.sizes.segment_bytes
    }

    /// Makes sure that a batch of `len` bytes behind the head, at `place`, overwrites fill that is durable.
    /// Whatever needs space happens here, with nothing to undo. The place where there is room: a new
    /// segment's, if this one is full.
    ///
    /// # Errors
    /// What the disk says; the journal is as it was.
    pub fn make_room(&mut self, head: &Head, place: Place, len: u64) -> Result<Place> {
        if place.offset == 0 {
            self.make(place.segment, len)?;
        } else if self.needs_segment(place, len) {
            return self.begin(head, len);
        }
        self.fill(place, len)?;
        Ok(place)
    }

    /// Writes a batch at the place that `make_room` found. It is to be synced next, or taken back; the disk begins to
    /// take it meanwhile.
    ///
    /// # Errors
    /// What the disk says, and what it may have left of the batch.
    pub fn write(&mut self, place: Place, batch: &[u8]) -> Result<(), Failed> {
        let Active { file, path, .. } = self.enter(place).map_err(Failed::Untouched)?;
        let failed = match fs::write_all(&**file, batch, place.offset) {
            Ok(()) => {
                file.begin_sync(place.offset, batch.len() as u64);
                return Ok(());
            }
            // A filesystem that never overwrites in place (btrfs) needs room even for what is filled.
            Err(error) if is_about_room(&error) && is_fill(&**file, place.offset, batch.len()) => {
                Err(error).context("write", path).map_err(Failed::Untouched)
            }
            Err(error) => Err(error).context("write", path).map_err(Failed::Unknown),
        };
        self.active = None;
        failed
    }

    /// Syncs the batch that was written. Once this has returned it is durable.
    ///
    /// # Errors
    /// What the disk says; what it has of the batch is not known.
    pub fn sync(&mut self, place: Place) -> Result<(), Failed> {
        let Active { file, path, .. } = self.enter(place).map_err(Failed::Unknown)?;
        let synced = file.sync_data().context("sync", path).map_err(Failed::Unknown);
        if synced.is_err() {
            self.active = None;
        }
        synced
    }

    /// Takes the batch back that was written and not synced, since `error` came between: newlines over it. Why it
    /// failed, and what the disk may have of it.
    pub fn take_back(&mut self, place: Place, len: usize, error: Error) -> Failed {
        let end = place.offset + len as u64;
        let cleared = self.enter(place).and_then(|Active { file, path, .. }| {
            let cleared = write_newlines(&**file, place.offset, end);
            cleared.and_then(|()| file.sync_data()).context("clear", path)
        });
        match cleared {
            Ok(()) => Failed::Untouched(error),
            Err(second) => {
                tracing::warn!(%second, "what was written of a batch cannot be taken back");
                self.active = None;
                Failed::Unknown(error)
            }
        }
    }

    /// Makes a batch whose write or sync failed void, by a new segment that is named by its first
    /// commit. Once this has returned it will never appear. Does nothing and says `false` when the
    /// failed batch is the first of its segment: then the name is taken.
    ///
    /// # Errors
    /// What the disk says; then nobody knows whether the batch will appear.
    pub fn revoke(&mut self, head: &Head, failed: Place) -> Result<bool> {
        if failed.segment == head.seq + 1 {
            return Ok(false);
        }
        self.begin_behind(head)?;
        Ok(true)
    }

    /// Writes lines that were found behind the head again, newlines over everything else up to the end
    /// of the fill, and syncs: after a kill they may stand in the page cache only, and a sync of clean
    /// pages proves nothing.
    ///
    /// # Errors
    /// What the disk says.
    pub fn rewrite(&mut self, place: Place, lines: &[u8]) -> Result<()> {
        let Active { file, filled, path, .. } = self.open(place)?;
        fs::write_all(&*file, lines, place.offset).context("write", &path)?;
        let cleared = place.offset + lines.len() as u64;
        write_newlines(&*file, cleared, filled).context("write", &path)?;
        file.sync_data().context("sync", &path)?;
        // The segment's own name may be as new as its lines.
        let folder = self.names.journal();
        self.fs.sync_dir(&folder).context("sync the folder", &folder)
    }

    /// Begins a segment behind `head` though there is room in the active one, unless the head stands in one
    /// without lines already. Once this has returned it is durable, and nothing before it is needed to go on.
    ///
    /// # Errors
    /// What the disk says; the journal is as it was.
    pub fn begin_behind(&mut self, head: &Head) -> Result<Place> {
        let first = head.seq + 1;
        // The head stands in one without lines only once that is durable.
        if head.segment < first {
            self.begin(head, 0)?;
        }
        // Another process may replace it.
        self.active = None;
        Ok(Place { segment: first, offset: 0 })
    }

    /// Begins a new segment behind `head`, and cuts the old one to its length.
    fn begin(&mut self, head: &Head, len: u64) -> Result<Place> {
        let first = head.seq + 1;
        self.make(first, len)?;
        self.seal(head);
        Ok(Place { segment: first, offset: 0 })
    }

    /// Makes a segment without lines, filled for a batch of `len` bytes, and durable.
    ///
    /// One that is there without lines is replaced: whoever made it may have died before its name was
    /// durable, and where a sync of the folder has failed only a new name makes the next sync worth
    /// anything. The name itself never goes away, for it may revoke what the segment before holds.
    fn make(&mut self, first: u64, len: u64) -> Result<()> {
        self.active = None;
        let folder = self.names.journal();
        let (temp, file) = self
            .fs
            .create_temp(&folder, fs::HALF_MADE, Mode::Private)
            .context("make a file in", &folder)?;
        let filled = self.fill_until(len);
        let path = self.names.segment(first);
        let made = write_newlines(&*file, 0, filled)
            .and_then(|()| file.sync_data())
            .context("fill", &temp)
            .and_then(|()| self.fs.rename(&temp, &path).context("put in place", &path));
        if let Err(error) = made {
            // If it cannot be removed now, the next recovery does it.
            let _ = self.fs.remove_file(&temp);
            return Err(error);
        }
        self.fs.sync_dir(&folder).context("sync the folder", &folder)?;
        let id = file.stat().context("look at", &path)?.id();
        self.active = Some(Active { first, file, id, path, filled });
        Ok(())
    }

    /// Cuts the segment of the head to its length. Housekeeping: its successor's name has made void
    /// whatever follows, so it does no harm when this fails.
    fn seal(&self, head: &Head) {
        let path = self.names.segment(head.segment);
        let cut = self
            .fs
            .open(&path, Open::Write)
            .and_then(|file| file.set_len(head.offset))
            .context("cut to its length", &path);
        if let Err(error) = cut {
            tracing::warn!(%error, "a sealed segment keeps its fill");
        }
    }

    /// The segment of a place, open for writing.
    fn enter(&mut self, place: Place) -> Result<&mut Active> {
        let known = self.active.take().filter(|active| active.first == place.segment);
        let active = match known {
            Some(active) => active,
            None => self.open(place)?,
        };
        Ok(self.active.insert(active))
    }

    fn open(&self, place: Place) -> Result<Active> {
        let path = self.names.segment(place.segment);
        let file = self.fs.open(&path, Open::Write).context("open", &path)?;
        let stat = file.stat().context("look at", &path)?;
        Ok(Active { first: place.segment, file, id: stat.id(), path, filled: stat.len })
    }

    /// Refuses where the segment that is open has no name any more, or its name is another file's: what is
    /// acknowledged into it is lost.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn check_is_there(&self) -> Result<()> {
        let Some(active) = &self.active else { return Ok(()) };
        let path = &active.path;
        let there = fs::none_if_missing(self.fs.file_id(path)).context("look at", path)?;
        if there == Some(active.id) {
            return Ok(());
        }
        let what = format!(
            "{} was removed or replaced while the store was open; restore it if it is gone, \
             and open the store anew",
            path.display()
        );
        Err(Error::unusable(self.names.root(), what))
    }

    fn fill_until(&self, needed: u64) -> u64 {
        needed.max(1).next_multiple_of(self.sizes.fill_bytes)
    }

    /// Fills the segment of a place for a batch of `len` bytes, durably, where it is not yet.
    fn fill(&mut self, place: Place, len: u64) -> Result<()> {
        let until = self.fill_until(place.offset + len);
        let active = self.enter(place)?;
        if active.filled >= place.offset + len {
            return Ok(());
        }
        // Another process may have filled it further.
        active.filled = active.file.stat().context("look at", &active.path)?.len;
        if active.filled >= place.offset + len {
            return Ok(());
        }
        let filled = write_newlines(&*active.file, active.filled, until)
            .and_then(|()| active.file.sync_data());
        if filled.is_err() {
            // Gives the space back. If even that fails, the fill is there and counted next time.
            let _ = active.file.set_len(active.filled);
        }
        filled.context("fill", &active.path)?;
        active.filled = until;
        Ok(())
    }
}

/// Whether nothing but fill is read in a range. Before any sync of what was written there, no more than
/// what is read can get to the disk.
fn is_fill(file: &dyn File, offset: u64, len: usize) -> bool {
    let mut bytes = vec![0; len];
    fs::read_full(file, &mut bytes, offset).is_ok_and(|read| record::is_fill(&bytes[..read]))
}

fn write_newlines(file: &dyn File, mut from: u64, until: u64) -> io::Result<()> {
    static NEWLINES: [u8; 64 << 10] = [b'\n'; 64 << 10];
    while from < until {
        let len = usize::try_from(until - from).unwrap_or(usize::MAX).min(NEWLINES.len());
        fs::write_all(file, &NEWLINES[..len], from)?;
        from += len as u64;
    }
    Ok(())
}
