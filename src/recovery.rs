//! Recovery: the first to open a store brings it to where its journal says.
//!
//! And roll forward, the part of it that any committer does for one that died between journal and head.
//! Both are idempotent and may be cut at any point.

use crate::core::Core;
use crate::crc::Crc;
use crate::creation;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Lock, Mode, Open};
use crate::head::{Applied, Head};
use crate::journal::{Expected, Line, Place, Scan, Segments, read_line, scan};
use crate::leftovers;
use crate::lock::Locked;
use crate::record::Record;
use crate::redo::{Redo, Same};
use crate::register::{Register, RegisterWriter};
use crate::removal::remove_what_came_back;
use crate::sync::PoisonError;
use crate::tail::{claims, clear_torn_tail};

/// Joins those who have the store open; whoever finds nobody there recovers first.
///
/// Everybody gets in under `commit.lock`, so that whoever finds `open.lock` held knows that its holders
/// got in the same way, and that the store is recovered.
///
/// # Errors
/// What recovery finds and cannot mend.
pub fn join(core: &Core) -> Result<()> {
    let mut locked = core.lock.take()?;
    check_locks(core)?;
    let path = core.names.open_lock();
    let open = || core.fs.open(&path, Open::Create(Mode::Private)).context("open", &path);
    let take = |lock| -> Result<_> {
        // A fresh descriptor each time: a refused upgrade would lose the lock that is held.
        let file = open()?;
        Ok(file.try_lock(lock).context("lock", &path)?.then_some(file))
    };
    if let Some(alone) = take(Lock::Exclusive)? {
        recover(core, &mut locked)?;
        drop(alone);
    } else {
        let head = locked.head()?;
        check_last_line(core, &head)?;
        roll_forward(core, &mut locked)?;
    }
    let shared = take(Lock::Shared)?.ok_or_else(|| {
        Error::unusable(
            core.names.root(),
            "another program holds `.docbox/open.lock`; end it and try again",
        )
    })?;
    *core.open_lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(shared);
    Ok(())
}

/// Refuses a filesystem whose locks do not exclude. The caller holds `commit.lock`, so that a second
/// descriptor must not get it.
fn check_locks(core: &Core) -> Result<()> {
    let path = core.names.commit_lock();
    let second = core.fs.open(&path, Open::Write).context("open", &path)?;
    if second.try_lock(Lock::Exclusive).context("try the lock of", &path)? {
        return Err(Error::unusable(
            core.names.root(),
            "this filesystem lets two holders have one lock, so that no two programs could share the store; \
             put the store on a local filesystem",
        ));
    }
    Ok(())
}

/// Brings the store to where its journal says. The caller is alone with it.
fn recover(core: &Core, locked: &mut Locked<'_>) -> Result<()> {
    let span = tracing::debug_span!("recover", root = %core.names.root().display());
    let _entered = span.enter();
    if Segments::list(&*core.fs, &core.names)?.newest().is_none() {
        // Whoever made the store may have died before its name was durable. Later the root is synced by
        // checkpoints alone: names of documents are in it, and a sync of them that fails has to be noted.
        creation::sync_name(&*core.fs, &core.names)?;
    }
    make_missing_folders(core)?;
    remove_what_came_back(core)?;
    leftovers::clear_leftovers(&core.documents)?;
    let head = locked.find_head()?.filter(|head| head.identity == core.identity);
    // A last line that is not there in an intact cache: a journal that was restored. Then all is read.
    if let Some(head) = &head
        && is_cache_intact(core, head)?
        && check_last_line(core, head).is_ok()
    {
        if head.moved {
            // Whoever was here last may not know that rule: what is begun behind it is looked for once.
            locked.write_head(head)?;
        }
        let head = roll_forward(core, locked)?;
        if core.applied()?.is_none() {
            mend_applied(core, None, &head)?;
        }
        return Ok(());
    }
    redo_all(core, locked, head.as_ref())
}

/// Some backups leave out empty folders.
fn make_missing_folders(core: &Core) -> Result<()> {
    let names = &core.names;
    for folder in [names.spool(), names.recovered(), names.dead(), names.cursors()] {
        if fs::stat_if_there(&*core.fs, &folder).context("look at", &folder)?.is_none() {
            core.fs.create_dir(&folder, Mode::Private).context("make the folder", &folder)?;
        }
    }
    Ok(())
}

/// Whether the page cache that wrote `head` still stands, so that nothing written was lost.
pub fn is_cache_intact(core: &Core, head: &Head) -> Result<bool> {
    let path = core.names.head();
    let now = core.fs.incarnation(&path).context("look at", &path)?;
    Ok(head.token.is_some() && head.token == now)
}

/// A writer goes on from the last line, so it looks at it first.
fn check_last_line(core: &Core, head: &Head) -> Result<()> {
    if head.seq == 0 || head.offset == 0 {
        return Ok(());
    }
    let path = core.names.segment(head.segment);
    let place = Place { segment: head.segment, offset: head.last };
    let expected = Expected { seq: head.seq, prev: None };
    let len = head.offset.saturating_sub(head.last);
    let crc = read_line(&*core.fs, &path, place, len, expected)?;
    if crc == head.crc { Ok(()) } else { Err(another_line(core, place, head.seq)) }
}

/// A line that is valid and not the one that a register names.
fn another_line(core: &Core, place: Place, seq: u64) -> Error {
    Error::Corrupt {
        path: core.names.segment(place.segment),
        offset: place.offset,
        seq: Some(seq),
        what: "the line is another one than the registers name; restore the file from a backup"
            .into(),
    }
}

/// Everything from `applied` on, once more. The journal is the truth.
fn redo_all(core: &Core, locked: &mut Locked<'_>, head: Option<&Head>) -> Result<()> {
    sync_what_was_copied(core, head);
    leftovers::clear_spool(&core.documents)?;
    let applied = core.applied()?;
    let segments = Segments::list(&*core.fs, &core.names)?;
    let (start, expected) = start_of_redo(&segments, applied.as_ref());
    let from = applied.as_ref().map_or(0, |applied| applied.seq);
    let mut redo = Redo::default();
    let mut head_line = None;
    let mut visit = |record: &Record<'_>, line: Line| {
        if record.seq > from {
            redo.add(record, &core.names.segment(line.place.segment), line.place.offset)?;
        }
        let named = [
            head.map(|head| (head.seq, head.crc)),
            applied.as_ref().and_then(|applied| Some((applied.seq, applied.crc?))),
        ];
        if named.iter().flatten().any(|(seq, crc)| *seq == line.seq && *crc != line.crc) {
            return Err(another_line(core, line.place, line.seq));
        }
        if head.is_some_and(|head| head.seq == line.seq) {
            head_line = Some(line);
        }
        Ok(())
    };
    let mut found = scan(&*core.fs, &core.names, start, expected, &mut visit)?;
    // It ends before the line that `applied` names. What the next line has to continue is further back.
    if found.last.is_none()
        && expected.prev.is_none()
        && let Some(segment) = segments.before(start.segment)
    {
        let (start, expected) = beginning_of(segment);
        found = scan(&*core.fs, &core.names, start, expected, &mut visit)?;
    }
    let claims = claims(core, head, applied.as_ref())?;
    clear_torn_tail(core, &found, claims)?;
    // Lines past the head that was found, or all of the last segment where there is none to trust.
    let durable = head_line
        .map(|line| Place { segment: line.place.segment, offset: line.place.offset + line.len })
        .filter(|place| place.segment == found.end.segment)
        .unwrap_or(Place { segment: found.end.segment, offset: 0 });
    if segments.newest().is_some() {
        write_again(core, locked, durable, found.end)?;
    }
    redo.apply(&core.documents, Same::Leave)?;
    let mut head = head_at(core, &found, applied.as_ref(), head);
    if locked.find_head()?.is_none() {
        locked.make_head(&head)?;
    }
    head.token = token(core)?;
    locked.write_head(&head)?;
    mend_applied(core, applied.as_ref(), &head)?;
    tracing::info!(
        seq = head.seq,
        from,
        documents = redo.keys().count(),
        "recovered from the journal"
    );
    Ok(())
}

/// A store that was copied here may be in the page cache only, and `applied` speaks of the disk that it
/// came from. Where the system cannot be asked, it is as durable as whoever copied it made it.
fn sync_what_was_copied(core: &Core, head: Option<&Head>) {
    // One that was just made was synced by its maker.
    if head.is_some_and(|head| head.seq == 0 && head.token.is_none()) {
        return;
    }
    let root = core.names.root();
    if let Err(error) = core.fs.sync_filesystem(root) {
        tracing::warn!(
            root = %root.display(),
            %error,
            "what was copied here, or restored, could not be made durable"
        );
    }
}

/// Where the redo begins, and what stands there.
pub fn start_of_redo(segments: &Segments, applied: Option<&Applied>) -> (Place, Expected) {
    let oldest = segments.oldest().unwrap_or(1);
    let next = applied.map_or(oldest, |applied| applied.seq + 1);
    let (start, expected) = beginning_of(segments.holding(next).unwrap_or(oldest));
    match applied {
        Some(applied) if applied.seq > 0 && start.segment == applied.seq + 1 => {
            (start, Expected { prev: applied.crc, ..expected })
        }
        _ => (start, expected),
    }
}

/// The first line of a segment. What it continues is known of the very first only.
fn beginning_of(segment: u64) -> (Place, Expected) {
    let prev = (segment == 1).then_some(Crc::NONE);
    (Place { segment, offset: 0 }, Expected { seq: segment, prev })
}

/// The head of a journal that was scanned to its end. Where it holds no line, the registers know the last one.
fn head_at(core: &Core, found: &Scan, applied: Option<&Applied>, before: Option<&Head>) -> Head {
    let mut head = Head::empty(core.identity.clone());
    head.seq = found.expected.seq - 1;
    head.segment = found.end.segment;
    head.offset = found.end.offset;
    head.last = found.end.offset;
    if let Some(line) = found.last {
        head.crc = line.crc;
        head.time = line.time;
        if line.place.segment == head.segment {
            head.last = line.place.offset;
        }
    } else if let Some(applied) = applied
        && applied.seq == head.seq
    {
        head.crc = applied.crc.unwrap_or(Crc::NONE);
        head.time = applied.time;
    } else if let Some(before) = before
        && before.seq == head.seq
    {
        head.crc = before.crc;
        head.time = before.time;
    }
    head
}

/// By which the next recovery knows this page cache again.
fn token(core: &Core) -> Result<Option<String>> {
    let path = core.names.head();
    core.fs.incarnation(&path).context("look at", &path)
}

/// `applied` is never ahead of the journal, and always readable.
fn mend_applied(core: &Core, applied: Option<&Applied>, head: &Head) -> Result<()> {
    let path = core.names.applied();
    match applied {
        Some(applied) if applied.seq <= head.seq => return Ok(()),
        Some(applied) => tracing::warn!(
            applied = applied.seq,
            journal = head.seq,
            "the journal is older than `applied`: was it copied in use, or restored? Both go on from the journal"
        ),
        None => {}
    }
    // Everything that the journal still holds was put in place a moment ago, and nothing is synced.
    let oldest = Segments::list(&*core.fs, &core.names)?.oldest().unwrap_or(1);
    let mut value = Applied::up_to(&Head::empty(core.identity.clone()));
    value.seq = (oldest - 1).min(head.seq);
    match Register::open(&*core.fs, &path, Open::Write)? {
        Some(register) => {
            let mut writer = RegisterWriter::unsynced(register);
            writer.refresh()?;
            writer.write(&value)?;
            writer.sync()
        }
        None => Register::create(&*core.fs, &path, &value),
    }
}

/// Writes the lines in `from..end` again and clears what follows them, durably.
fn write_again(core: &Core, locked: &mut Locked<'_>, from: Place, end: Place) -> Result<()> {
    let path = core.names.segment(from.segment);
    let file = core.fs.open(&path, Open::Read).context("open", &path)?;
    let len = usize::try_from(end.offset - from.offset).unwrap_or(usize::MAX);
    let mut lines = vec![0; len];
    let filled = fs::read_full(&*file, &mut lines, from.offset).context("read", &path)?;
    lines.truncate(filled);
    // A last line that was cut at its very end gets its newline back.
    lines.resize(len, b'\n');
    locked.journal().rewrite(from, &lines)
}

/// Looks behind the head, and finishes what a dead writer left there: durable, in place, head moved.
/// Returns the head.
///
/// # Errors
/// [`Error::Blocked`] when a durable commit cannot be put in place, [`Error::Corrupt`].
pub fn roll_forward(core: &Core, locked: &mut Locked<'_>) -> Result<Head> {
    find_end(core, locked).map(|(head, _)| head)
}

/// The head, and the place behind it, once nothing stands there: what a dead writer left is finished as
/// [`roll_forward`] does it.
///
/// # Errors
/// As [`roll_forward`].
pub fn find_end(core: &Core, locked: &mut Locked<'_>) -> Result<(Head, Place)> {
    let head = locked.head()?;
    if head.identity != core.identity {
        return Err(Error::Corrupt {
            path: core.names.head(),
            offset: 0,
            seq: None,
            what: "this register belongs to another store; restore the folder `.docbox` as a whole"
                .into(),
        });
    }
    let place = locked.place_after(&head)?;
    if !locked.journal().has_lines_at(place)? {
        return Ok((head, place));
    }
    let head = finish(core, locked, head, place)?;
    let place = Place::after(&*core.fs, &core.names, &head)?;
    Ok((head, place))
}

/// Makes durable and puts in place what stands behind the head, and moves it. The new head.
fn finish(core: &Core, locked: &mut Locked<'_>, head: Head, place: Place) -> Result<Head> {
    core.lock.check_home()?;
    let mut redo = Redo::default();
    let expected = Expected { seq: head.seq + 1, prev: Some(head.crc) };
    let mut redriven = head.redriven;
    let found = scan(&*core.fs, &core.names, place, expected, &mut |record, line: Line| {
        // Perhaps letters are to be delivered again: their consumers look.
        if record.writes.iter().any(|write| write.key.starts_with(crate::names::HOME)) {
            redriven = record.seq;
        }
        redo.add(record, &core.names.segment(line.place.segment), line.place.offset)
    })?;
    let claims = claims(core, Some(&head), core.applied()?.as_ref())?;
    clear_torn_tail(core, &found, claims)?;
    write_again(core, locked, place, found.end)?;
    let Some(last) = found.last else { return Ok(head) };
    redo.apply(&core.documents, Same::Leave)?;
    tracing::info!(
        from = head.seq + 1,
        to = last.seq,
        "rolled forward what a writer left behind the head"
    );
    let head = Head {
        seq: last.seq,
        segment: last.place.segment,
        last: last.place.offset,
        offset: last.place.offset + last.len,
        crc: last.crc,
        time: last.time,
        token: token(core)?,
        redriven,
        ..head
    };
    locked.write_head(&head)?;
    core.bell.ring();
    Ok(head)
}
