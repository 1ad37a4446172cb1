//! What waits in the spool to be used again, as far as this process knows.
//!
//! As long as files that were displaced just now may not serve other documents, more of them wait than are needed in
//! the long run: to remove each and make another would cost more than the commit does.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::disposal::Disposal;
use crate::error::{Context, Result};
use crate::fs::{self, Folder, Kind, Nameless};
use crate::names::Displaced;
use crate::spool::Used;

/// The most files that wait to be used again, but for those that came just now.
pub const SPOOL_FILES: usize = 4096;
/// The most files that wait, whenever they came.
pub const MOST_SPOOL_FILES: usize = 65536;
/// The most bytes that they have.
pub const SPOOL_BYTES: u64 = 64 << 20;
/// Of those that nobody needs any more so many are removed with each that comes.
const WITH_EACH: usize = 2;
/// And so many when nobody commits, or the disk is full.
const AT_LEISURE: usize = 256;

/// Files, in the order in which they came.
#[derive(Debug)]
pub struct Shelf {
    /// How old a file must be before it serves another document.
    age: Duration,
    files: HashMap<Displaced, Waiting>,
    order: BTreeMap<u64, Displaced>,
    next: u64,
    bytes: u64,
    /// Whether what others left was looked for.
    is_listed: bool,
    /// The last commit that this process made.
    as_of: u64,
    /// Whether others have made commits since it was listed.
    is_stale: bool,
    disposal: Disposal,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    len: u64,
    since: Instant,
}

impl Shelf {
    /// Nothing is known yet.
    pub fn new(age: Duration) -> Self {
        Self {
            age,
            files: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
            bytes: 0,
            is_listed: false,
            as_of: 0,
            is_stale: false,
            disposal: Disposal::default(),
        }
    }

    /// A file waits from now on. Where there are too many the oldest go.
    pub fn take_in(&mut self, folder: &Folder, id: Displaced, len: u64) {
        self.put(id, len, Instant::now());
        self.trim(folder, WITH_EACH);
    }

    fn put(&mut self, id: Displaced, len: u64, since: Instant) {
        self.remove(id);
        self.order.insert(self.next, id);
        self.files.insert(id, Waiting { number: self.next, len, since });
        self.next += 1;
        self.bytes += len;
    }

    /// It waits no more.
    pub fn remove(&mut self, id: Displaced) {
        if let Some(gone) = self.files.remove(&id) {
            self.order.remove(&gone.number);
            self.bytes -= gone.len;
        }
    }

    /// Whether it waits, or might: others may have left it there.
    pub fn may_hold(&self, id: Displaced) -> bool {
        !self.is_listed || self.files.contains_key(&id)
    }

    /// How long a file was when it came, if it waits.
    pub fn len_of(&self, id: Displaced) -> Option<u64> {
        self.files.get(&id).map(|file| file.len)
    }

    /// The commit before the next one of this process.
    pub fn before(&mut self, seq: u64) {
        self.is_stale |= seq != self.as_of;
    }

    /// The last commit of this process.
    pub fn after(&mut self, seq: u64) {
        self.as_of = seq;
    }

    /// It is listed anew when next needed, where others may have changed it.
    pub fn forget_if_stale(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.is_listed = false;
        }
    }

    /// Whether more wait than are needed in the long run, if that is known.
    pub fn has_surplus(&self) -> Option<bool> {
        self.is_listed.then_some(self.files.len() > SPOOL_FILES)
    }

    /// Removes some of those that nobody needs any more; where it is not known what there is, looks first.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove_surplus(&mut self, folder: &Folder, used: &Used) -> Result<()> {
        self.list(folder, used)?;
        self.trim(folder, AT_LEISURE);
        Ok(())
    }

    /// Removes some of those that wait beyond [`SPOOL_FILES`], whenever they came: the disk is full. Whether there
    /// were any, so that there is more room now.
    pub fn give_up(&mut self, folder: &Folder) -> bool {
        let mut is_freed = false;
        for _ in 0..AT_LEISURE {
            let oldest = self.oldest().filter(|_| self.files.len() > SPOOL_FILES);
            let Some((id, _)) = oldest else { break };
            // Let go of at once.
            is_freed |= self.unlink(folder, id).is_ok();
        }
        is_freed
    }

    /// The file that waits for longest, if that is long enough. It waits no more.
    ///
    /// # Errors
    /// What the disk says.
    pub fn take_older(&mut self, folder: &Folder, used: &Used) -> Result<Option<Displaced>> {
        if self.list(folder, used)? {
            self.trim(folder, WITH_EACH);
        }
        let oldest = self.oldest().filter(|(_, waited)| *waited >= self.age);
        let Some((id, _)) = oldest else { return Ok(None) };
        self.remove(id);
        Ok(Some(id))
    }

    /// The file that waits for longest, and how long.
    fn oldest(&self) -> Option<(Displaced, Duration)> {
        let id = self.order.values().next()?;
        Some((*id, self.files.get(id)?.since.elapsed()))
    }

    /// Takes in what lies there, whoever left it, unless that is known; whether it was not. How long it has been
    /// there, its last change tells: to be renamed is one. Of the future is as of now.
    fn list(&mut self, folder: &Folder, used: &Used) -> Result<bool> {
        if self.is_listed {
            return Ok(false);
        }
        let (now, now_ns) = (Instant::now(), Timestamp::now().as_nanosecond());
        let mut found = Vec::new();
        for entry in folder.read_dir().context("list", folder.path())? {
            let id = entry.name.to_str().and_then(Displaced::named);
            let Some(id) = id.filter(|_| entry.kind == Kind::File) else { continue };
            if used.files().contains(&id) {
                continue;
            }
            let name = id.name();
            let stat = fs::none_if_missing(folder.stat(&name));
            let stat = stat.context_in("look at", folder.path(), &name)?;
            found.extend(stat.map(|stat| (stat.changed_ns, id, stat.len)));
        }
        found.sort_unstable();
        self.files.clear();
        self.order.clear();
        self.bytes = 0;
        self.is_listed = true;
        for (changed_ns, id, len) in found {
            let age =
                u64::try_from(now_ns - changed_ns).map_or(Duration::ZERO, Duration::from_nanos);
            self.put(id, len, now.checked_sub(age).unwrap_or(now));
        }
        Ok(true)
    }

    /// Removes the oldest, as long as there are too many; and at most so many that have waited so long that all
    /// documents that are written just now can do without them. What cannot be removed is found again.
    fn trim(&mut self, folder: &Folder, mut surplus: usize) {
        while let Some((id, waited)) = self.oldest() {
            let are_too_many = self.files.len() > MOST_SPOOL_FILES || self.bytes > SPOOL_BYTES;
            if !are_too_many {
                if self.files.len() <= SPOOL_FILES || waited < self.age * 2 || surplus == 0 {
                    return;
                }
                surplus -= 1;
            }
            if let Ok(Some(nameless)) = self.unlink(folder, id) {
                self.disposal.take(nameless);
            }
        }
    }

    fn unlink(&mut self, folder: &Folder, id: Displaced) -> io::Result<Option<Nameless>> {
        self.remove(id);
        folder.unlink(&id.name())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::fs::{Fs, OsFs};
    use crate::key::Key;
    use crate::sync::tests::alone;

    #[test]
    fn no_more_files_wait_than_may_however_lately_they_came() {
        // Its locks are those that are tried in schedules.
        alone(|| {
            let fs: Arc<dyn Fs> = Arc::new(OsFs);
            // Nothing lies there: what cannot be removed is found again.
            let folder = Folder::by_path(&fs, PathBuf::from("/nowhere/of/docbox"));
            let mut shelf = Shelf::new(Duration::from_hours(1));
            for number in 0..=MOST_SPOOL_FILES {
                let key = Key::new(format!("many/{number}")).unwrap();
                shelf.take_in(&folder, Displaced::by(&key), 1);
            }
            assert_eq!(shelf.files.len(), MOST_SPOOL_FILES);
            let oldest = Displaced::by(&Key::new("many/0").unwrap());
            assert_eq!(shelf.len_of(oldest), None, "the oldest went");
        });
    }
}
