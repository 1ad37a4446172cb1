//! Verify: reads everything and says what is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::core::Core;
use crate::cursor::{self, CursorValue};
use crate::definition::Definition;
use crate::documents::Found;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::journal::{Expected, Line, Place, Segments, Stop, scan};
use crate::key::Key;
use crate::record::Record;
use crate::recovery::roll_forward;
use crate::revision::Revision;
use crate::roster;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// A document differs from what was committed: edited or removed outside.
    Drift,
    /// Something that docbox wrote cannot be read any more.
    Damage,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which file.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Drift => "drift",
            Severity::Damage => "damage",
        };
        write!(f, "{severity}: {}: {}", self.path.display(), self.what)
    }
}

/// What was read, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is not as it should be, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// Commits that were read.
    pub commits: u64,
    /// Events that were read.
    pub events: u64,
    /// Documents in the folder.
    pub documents: u64,
    /// Subscriptions.
    pub subscriptions: u64,
}

impl Report {
    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether there is neither damage nor drift.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.worst().is_none_or(|worst| worst == Severity::Note)
    }

    fn find(&mut self, severity: Severity, path: PathBuf, what: impl Into<String>) {
        self.findings.push(Finding { severity, path, what: what.into() });
    }
}

/// The last revision of each document in the journal; `None` for a deletion.
type Committed = BTreeMap<Key, Option<Revision>>;

struct Verify<'a> {
    core: &'a Core,
    report: Report,
    committed: Committed,
    /// The newest commit that was read.
    seq: u64,
}

/// Reads the whole store. `progress` hears of each commit and each document.
///
/// # Errors
/// What the disk says. Damage is in the report.
pub fn verify(core: &Core, progress: &mut dyn FnMut(u64)) -> Result<Report> {
    let mut verify =
        Verify { core, report: Report::default(), committed: Committed::new(), seq: 0 };
    let head = match core.head() {
        Ok(head) => Some(head),
        Err(Error::Corrupt { path, what, .. }) => {
            verify.report.find(Severity::Damage, path, what);
            None
        }
        Err(error) => return Err(error),
    };
    verify.registers()?;
    verify.journal(head.as_ref(), progress)?;
    verify.cursors(head.as_ref())?;
    verify.documents(progress)?;
    Ok(verify.report)
}

impl Verify<'_> {
    fn registers(&mut self) -> Result<()> {
        let path = self.core.names.applied();
        let applied = self.core.applied()?;
        // Read after `applied`, which never passes it.
        let head = self.core.head().ok();
        match applied {
            None => self.report.find(
                Severity::Damage,
                path,
                "no slot of this register is readable, or it belongs to another store; \
                 the next recovery makes it anew",
            ),
            Some(applied) if head.as_ref().is_some_and(|head| applied.seq > head.seq) => {
                self.report.find(
                    Severity::Damage,
                    path,
                    format!(
                        "it says that commit {} is durable, which is beyond the head",
                        applied.seq
                    ),
                );
            }
            Some(_) => {}
        }
        if let Some(head) = head
            && head.identity != self.core.identity
        {
            self.report.find(
                Severity::Damage,
                self.core.names.head(),
                format!("it belongs to store {}", head.identity.store),
            );
        }
        Ok(())
    }

    fn journal(&mut self, head: Option<&Head>, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let segments = Segments::list(&*self.core.fs, &self.core.names)?;
        let Some(mut first) = segments.oldest() else {
            if let Some(head) = head.filter(|head| head.seq > 0) {
                let what = format!("there is no segment, and the head is at {}", head.seq);
                self.report.find(Severity::Damage, self.core.names.journal(), what);
            }
            return Ok(());
        };
        let mut head_line = None;
        loop {
            let prev = (first == 1).then_some(crate::crc::Crc::NONE);
            let start = Place { segment: first, offset: 0 };
            let expected = Expected { seq: first, prev };
            let core = self.core;
            // What was before it is dropped, and nothing need have come since.
            self.seq = self.seq.max(first - 1);
            let found = scan(&*core.fs, &core.names, start, expected, &mut |record, line| {
                if head.is_some_and(|head| head.seq == line.seq) {
                    head_line = Some(line);
                }
                self.commit(record)?;
                progress(line.len);
                Ok(())
            })?;
            let now = Segments::list(&*core.fs, &core.names)?;
            if let Some(oldest) = now.oldest().filter(|oldest| *oldest > found.end.segment) {
                // Retention dropped what was being read: no damage, but what was read before it is old.
                self.committed.clear();
                first = oldest;
                continue;
            }
            self.stopped(head, found.end, found.expected.seq, found.stop);
            match segments.after(found.end.segment) {
                Some(next) => first = next,
                None => break,
            }
        }
        self.head_line(head, head_line, segments.oldest());
        Ok(())
    }

    /// What it means that reading stopped here.
    fn stopped(&mut self, head: Option<&Head>, end: Place, seq: u64, stop: Stop) {
        let path = self.core.names.segment(end.segment);
        let place = format!("byte {}, commit {seq}", end.offset);
        let is_covered = head.is_some_and(|head| head.seq >= seq);
        match stop {
            Stop::Unreadable { what, had_been_durable } if had_been_durable || is_covered => {
                self.report.find(
                    Severity::Damage,
                    path,
                    format!("{place}: {what}; it had been durable; restore the file from a backup"),
                );
            }
            Stop::Blank if is_covered => self.report.find(
                Severity::Damage,
                path,
                format!("{place}: the journal ends here, before the head; restore the file from a backup"),
            ),
            // Behind the head: somebody writes just now, or the next commit clears it.
            Stop::Unreadable { .. } | Stop::Blank => {}
        }
    }

    fn head_line(&mut self, head: Option<&Head>, line: Option<Line>, oldest: Option<u64>) {
        let Some(head) = head.filter(|head| oldest.is_some_and(|oldest| head.seq >= oldest)) else {
            return;
        };
        if line.is_some_and(|line| line.crc != head.crc) {
            self.report.find(
                Severity::Damage,
                self.core.names.head(),
                format!("it names another line than the journal has as commit {}", head.seq),
            );
        }
    }

    fn commit(&mut self, record: &Record<'_>) -> Result<()> {
        self.report.commits += 1;
        self.report.events += record.events.len() as u64;
        self.seq = record.seq;
        for write in &record.writes {
            self.committed.insert(Key::from_journal(&write.key)?, write.rev);
        }
        Ok(())
    }

    fn cursors(&mut self, head: Option<&Head>) -> Result<()> {
        let core = self.core;
        for name in roster::list(&*core.fs, &core.names)? {
            let value = match cursor::peek(&*core.fs, &core.names, &name) {
                // Removed, or renamed, a moment ago.
                Err(Error::NoSubscription { .. }) => continue,
                value => value?,
            };
            self.report.subscriptions += 1;
            let path = core.names.cursor(&name);
            if let Some(value) = &value {
                self.snapshot(&name, value)?;
            }
            let checked = match (value, head) {
                (None, _) => Err(cursor::unreadable(&name)),
                (Some(value), Some(_)) => {
                    // The head of now: the cursor may have moved since the head was read.
                    cursor::check(&name, &value, &core.identity, &core.head()?)
                }
                (Some(_), None) => Ok(()),
            };
            if let Err(error) = checked {
                self.report.find(Severity::Damage, path, error.to_string());
            }
            if let Err(error) = Definition::read(&*core.fs, &core.names, &name) {
                let path = core.names.cursor_definition(&name);
                self.report.find(Severity::Damage, path, error.to_string());
            }
        }
        Ok(())
    }

    /// The snapshot that a cursor stands in, from there on.
    fn snapshot(&mut self, name: &str, value: &CursorValue) -> Result<()> {
        let read = || -> Result<()> {
            let Some(mut items) = self.core.items(name, value.next, value.snapshot)? else {
                return Ok(());
            };
            while items.subject()?.is_some() {}
            Ok(())
        };
        match read() {
            Err(error @ Error::Cursor { .. }) => {
                // Its consumer may have passed it meanwhile, and then it is gone.
                let now = cursor::peek(&*self.core.fs, &self.core.names, name).ok().flatten();
                if now.is_some_and(|now| now.needs() == value.needs()) {
                    let path = self.core.names.cursor(name);
                    self.report.find(Severity::Damage, path, error.to_string());
                }
                Ok(())
            }
            read => read,
        }
    }

    fn documents(&mut self, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let core = self.core;
        let listing = core.documents.list("")?;
        self.report.documents = listing.keys.len() as u64;
        let mut differing = Vec::new();
        for (key, committed) in &self.committed {
            if core.documents.read(key)?.as_ref().map(Found::revision) != *committed {
                differing.push(key.clone());
            }
            progress(0);
        }
        // Commits made since the journal was read explain a difference; under the lock nobody is in the
        // middle of one.
        let mut locked = if core.read_only { None } else { core.lock.take().ok() };
        if let Some(locked) = &mut locked
            && self.report.worst() != Some(Severity::Damage)
            && locked.check_sound().is_ok()
            && let Err(error) = roll_forward(core, locked)
        {
            // A writer died since the store was opened, and its commit is half in place.
            self.report.find(Severity::Damage, core.names.journal(), error.to_string());
        }
        self.catch_up()?;
        for key in differing {
            let found = core.documents.read(&key)?.as_ref().map(Found::revision);
            // Of one whose last commit was dropped meanwhile nothing is known.
            let Some(committed) = self.committed.get(&key).copied() else { continue };
            let what = match (committed, found) {
                (committed, found) if committed == found => continue,
                (Some(committed), Some(found)) => {
                    format!("edited outside: it is {found}, and {committed} was committed")
                }
                (Some(committed), None) => {
                    format!("removed outside: {committed} was committed, and the file is gone")
                }
                (None, _) => {
                    "made outside: the document was deleted, and a file is there".to_owned()
                }
            };
            self.report.find(Severity::Drift, core.names.document(&key), what);
        }
        drop(locked);
        for key in listing.keys {
            if !self.committed.contains_key(&key) && core.documents.read(&key)?.is_some() {
                let what = "never committed, as far as the journal is kept";
                self.report.find(Severity::Note, core.names.document(&key), what);
            }
        }
        for stray in listing.strays {
            let what = "a stray: its name is no key's name, so it is no document";
            self.report.find(Severity::Note, core.names.root().join(stray), what);
        }
        Ok(())
    }

    /// Reads what was committed meanwhile.
    fn catch_up(&mut self) -> Result<()> {
        let Ok(head) = self.core.head() else { return Ok(()) };
        if self.report.worst() == Some(Severity::Damage) {
            return Ok(());
        }
        let mut from = self.seq + 1;
        loop {
            match self.read_on(from, &head) {
                // Dropped before it was read: what was read before it is old.
                Err(Error::Compacted { oldest, .. }) if oldest.seq >= from => {
                    self.committed.clear();
                    from = oldest.seq + 1;
                }
                other => return other,
            }
        }
    }

    fn read_on(&mut self, from: u64, head: &Head) -> Result<()> {
        let mut reader = self.core.reader(from);
        while let Some(record) = reader.read(head)? {
            for write in &record.writes {
                self.committed.insert(Key::from_journal(&write.key)?, write.rev);
            }
        }
        Ok(())
    }
}
