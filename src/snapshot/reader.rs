//! Reading a snapshot for the subscription whose cursor stands in it.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::lines::Lines;
use super::{End, Item, SnapshotId, check, decode};
use crate::error::{Context, Error, Result};
use crate::event::RecordedEvent;
use crate::fs::{self, File, Fs, Open};
use crate::identity::Identity;
use crate::names::Names;
use crate::position::Position;

/// More than the last line takes.
const END_BYTES: u64 = 4096;

/// Gives one item after the other. Nothing of a file is given whose end is not what it must be.
#[derive(Debug)]
pub struct Items {
    /// The subscription.
    name: String,
    path: PathBuf,
    end: End<'static>,
    lines: Lines,
    /// The item that comes next.
    next: u32,
}

impl Items {
    /// The items of a snapshot, from the one of this number on.
    ///
    /// # Errors
    /// [`Error::Cursor`] where it is missing, cut, damaged, or another store's; what the disk says.
    pub fn open(
        fs: &dyn Fs,
        names: &Names,
        identity: &Identity,
        name: &str,
        (id, from): (SnapshotId, u32),
    ) -> Result<Self> {
        let path = names.snapshot(id.seq, id.number);
        let broken = |what: &str| broken(name, format!("its snapshot {} {what}", path.display()));
        let opened = fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)?;
        let file = opened.ok_or_else(|| broken("is missing"))?;
        let len = file.stat().context("look at", &path)?.len;
        let (end, begins) = match last_line(&*file, len).context("read", &path)? {
            Ok(found) => found,
            Err(what) => {
                let line = count(&file, len).context("read", &path)?;
                return Err(broken(&format!("is cut or damaged in line {line}, its last: {what}")));
            }
        };
        if *end.store != identity.store || end.epoch != identity.epoch || end.seq != id.seq {
            return Err(broken(&format!(
                "is of store {} (epoch {}) at commit {}, and this is store {} (epoch {}) at commit {}",
                end.store, end.epoch, end.seq, identity.store, identity.epoch, id.seq
            )));
        }
        let mut items =
            Self { name: name.to_owned(), path, end, lines: Lines::new(file, begins), next: 0 };
        while items.next < from.min(items.end.items) {
            items.pass(|_, line| check(line))?;
        }
        Ok(items)
    }

    /// How many items the snapshot has.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.end.items
    }

    /// When it was taken.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.end.time
    }

    /// The position of the item that comes next; after the last, of the next commit.
    #[must_use]
    pub fn position(&self) -> Position {
        if self.next < self.end.items {
            Position::of_item(self.end.seq, self.next)
        } else {
            Position::new(self.end.seq + 1, 0)
        }
    }

    /// The next item, as an event if its subject is wanted; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Cursor`], which names the line that is damaged; what the disk says.
    #[expect(clippy::option_option, reason = "the end and what is not wanted are not the same")]
    pub fn take(
        &mut self,
        wants: impl FnOnce(&str) -> bool,
    ) -> Result<Option<Option<RecordedEvent>>> {
        if self.next >= self.end.items {
            return Ok(None);
        }
        let number = self.next;
        self.pass(|end, line| {
            let item: Item<'_> = decode(line)?;
            if item.number != number {
                return Err(format!(
                    "the line is item {}, and {number} must stand there",
                    item.number
                ));
            }
            wants(&item.key).then(|| item.event(end)).transpose()
        })
        .map(Some)
    }

    /// The subject of the next item; `None` after the last.
    ///
    /// # Errors
    /// As [`Items::take`].
    pub fn subject(&mut self) -> Result<Option<String>> {
        let mut subject = None;
        self.take(|key| {
            subject = Some(key.to_owned());
            false
        })?;
        Ok(subject)
    }

    /// Looks at the next line and goes past it.
    fn pass<R>(&mut self, look: impl FnOnce(&End<'_>, &[u8]) -> Result<R, String>) -> Result<R> {
        let line = self.lines.line().context("read", &self.path)?;
        let seen = match line {
            Some(line) => look(&self.end, line),
            None => Err("there is none".to_owned()),
        };
        let seen = seen.map_err(|what| {
            let (path, line) = (self.path.display(), u64::from(self.next) + 1);
            broken(&self.name, format!("its snapshot {path} is damaged in line {line}: {what}"))
        })?;
        self.next += 1;
        Ok(seen)
    }
}

fn broken(name: &str, what: String) -> Error {
    Error::Cursor { name: name.to_owned(), what }
}

/// The cursor of a subscription stands in a snapshot, and does not say in which.
#[must_use]
pub fn unknown(name: &str, next: Position) -> Error {
    let before = next.before();
    broken(name, format!("its cursor stands after {before}, in a snapshot that it does not name"))
}

/// The last line, and where it begins; what is wrong with it otherwise.
fn last_line(file: &dyn File, len: u64) -> std::io::Result<Result<(End<'static>, u64), String>> {
    let from = len.saturating_sub(END_BYTES);
    let mut bytes = vec![0; usize::try_from(len - from).unwrap_or(0)];
    let filled = fs::read_full(file, &mut bytes, from)?;
    bytes.truncate(filled);
    let Some((b'\n', text)) = bytes.split_last() else {
        return Ok(Err("it has no newline".to_owned()));
    };
    let begins = memchr::memrchr(b'\n', text).map_or(0, |before| before + 1);
    Ok(decode::<End<'_>>(&text[begins..]).map(|end| {
        let End { crc, items, seq, time, store, epoch } = end;
        let store = store.into_owned().into();
        (End { crc, items, seq, time, store, epoch }, from + begins as u64)
    }))
}

/// How many lines a file has.
fn count(file: &Arc<dyn File>, len: u64) -> std::io::Result<u64> {
    let (mut lines, mut count) = (Lines::new(Arc::clone(file), len), 0);
    while lines.line()?.is_some() {
        count += 1;
    }
    Ok(count)
}
