//! Making a store: it appears whole or not at all.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::error::{Context, Error, Result};
use crate::fs::{self, File, Fs, Kind, Lock, Mode, Open};
use crate::head::{Applied, Head};
use crate::identity::Identity;
use crate::names::Names;
use crate::record::microseconds;
use crate::register::Register;
use crate::retain::Retain;

/// The format that this version reads and writes.
pub const FORMAT: u32 = 1;

/// How often making a store begins anew because others make it at the same moment.
const TRIES: usize = 16;

const README: &str = "\
This folder belongs to docbox. The folder around it is a document store: each *.json file in it is a
document, which any program may read. In here are the journal of all changes and events (journal/,
one JSON object a line), how far each subscriber is (cursors/), and what was kept aside (recovered/).
Please do not change or remove anything in here while a program uses the store.
To look: docbox status; docbox events; docbox verify.
";

/// The file `store.json`: what makes a folder a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFile {
    /// The format of everything in `.docbox`.
    pub format: u32,
    /// Which store, and which of its lives.
    #[serde(flatten)]
    pub identity: Identity,
    /// When it was made.
    #[serde(with = "microseconds")]
    pub created: Timestamp,
    /// What is kept of the journal, once it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Retain>,
    /// What a newer docbox wrote.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// Replaces `store.json`, durably.
///
/// # Errors
/// What the disk says.
pub fn write(fs: &dyn Fs, names: &Names, store: &StoreFile) -> Result<()> {
    let path = names.store_json();
    let mut text = serde_json::to_vec_pretty(store)
        .map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))?;
    text.push(b'\n');
    fs::replace_durably(fs, &path, &text)
}

/// Reads `store.json`; `None` when there is no store.
///
/// # Errors
/// [`Error::Unusable`] for another format, [`Error::Corrupt`] for what is none.
pub fn read(fs: &dyn Fs, names: &Names) -> Result<Option<StoreFile>> {
    #[derive(Deserialize)]
    struct AnyFormat {
        format: u64,
    }
    let path = names.store_json();
    let Some(file) = fs::none_if_missing(fs.open(&path, Open::Read)).context("open", &path)? else {
        return Ok(None);
    };
    let bytes = fs::read_all(&*file).context("read", &path)?;
    let corrupt = |error: serde_json::Error| Error::Corrupt {
        path: path.clone(),
        offset: 0,
        seq: None,
        what: format!(
            "it does not say which store this is ({error}); restore this one file from a backup"
        ),
    };
    let AnyFormat { format } = serde_json::from_slice(&bytes).map_err(corrupt)?;
    if format != u64::from(FORMAT) {
        return Err(Error::unusable(
            names.root(),
            format!(
                "the store has format {format} and this docbox reads format {FORMAT}; use a newer docbox"
            ),
        ));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(corrupt)
}

/// Makes a store in `names.root()`, which must be there. What others begin at the same moment is theirs:
/// the first to finish wins.
///
/// # Errors
/// What the disk says; then there is no store.
pub fn create(fs: &dyn Fs, names: &Names) -> Result<()> {
    for _ in 1..TRIES {
        match try_to_create(fs, names) {
            // Somebody who makes it at the same moment took our unfinished folder for a dead one's.
            Err(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && read(fs, names)?.is_none() => {}
            other => return other,
        }
    }
    try_to_create(fs, names)
}

fn try_to_create(fs: &dyn Fs, names: &Names) -> Result<()> {
    clear_leftovers(fs, names.root())?;
    // The folder itself may be new, and its maker dead.
    let above = fs::parent(names.root());
    match fs.sync_dir(above) {
        // Who may not read it has not made the folder in it either.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        synced => synced.context("sync the folder", above)?,
    }
    let (beside, _lock) = begin(fs, names.root())?;
    let built = build(fs, &beside).and_then(|()| {
        fs.rename(&beside.home(), &names.home()).context("put in place", &names.home())
    });
    if let Err(error) = built {
        // What cannot be removed now is removed by the next one.
        let _ = clear(fs, &beside);
        // Somebody else was faster: then there is a store.
        return if read(fs, names)?.is_some() { Ok(()) } else { Err(error) };
    }
    sync_name(fs, names)
}

/// Makes the name of a store durable that holds nothing yet.
///
/// # Errors
/// What the disk says.
pub fn sync_name(fs: &dyn Fs, names: &Names) -> Result<()> {
    let synced = fs.sync_dir(names.root()).context("sync the folder", names.root());
    if synced.is_err() {
        // The name may be clean now and lost. Made anew, the next sync is worth something.
        let away = Names::building(names.root(), &Uuid::now_v7().simple().to_string()).home();
        let _ = fs.rename(&names.home(), &away);
        let _ = fs.rename(&away, &names.home());
    }
    synced
}

/// A folder beside, whose lock says that somebody is at work in it.
fn begin(fs: &dyn Fs, root: &Path) -> Result<(Names, Arc<dyn File>)> {
    let names = Names::building(root, &Uuid::now_v7().simple().to_string());
    fs.create_dir(&names.home(), Mode::Private).context("make the folder", &names.home())?;
    let path = names.commit_lock();
    let lock = fs.open(&path, Open::CreateNew(Mode::Private)).context("make", &path)?;
    let is_ours = lock.try_lock(Lock::Exclusive).context("lock", &path)?;
    let (held, there) = (lock.stat(), fs::stat_if_there(fs, &path));
    let (held, there) = (held.context("look at", &path)?, there.context("look at", &path)?);
    if !is_ours || there.is_none_or(|there| !there.same_file(&held)) {
        // Cleared before it was locked.
        return Err(io::Error::from(io::ErrorKind::NotFound)).context("lock", &path);
    }
    // Before anything else is in the folder: no power cut leaves it filled and without its lock.
    fs.sync_dir(&names.home()).context("sync the folder", &names.home())?;
    Ok((names, lock))
}

/// Everything that a store holds, durably.
fn build(fs: &dyn Fs, names: &Names) -> Result<()> {
    // Each commit syncs the journal, and changes the spool.
    fs.keep_folders_apart(&names.home());
    for folder in [names.cursors(), names.journal(), names.dead(), names.spool(), names.recovered()]
    {
        fs.create_dir(&folder, Mode::Private).context("make the folder", &folder)?;
    }
    for lock in [names.open_lock(), names.checkpoint_lock()] {
        fs.open(&lock, Open::CreateNew(Mode::Private)).context("make", &lock)?;
    }
    let identity = Identity { store: Uuid::now_v7().to_string(), epoch: 1 };
    let now = Timestamp::now();
    let created = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let store = StoreFile {
        format: FORMAT,
        identity: identity.clone(),
        created,
        retain: None,
        rest: BTreeMap::new(),
    };
    fs::replace_durably(fs, &names.readme(), README.as_bytes())?;
    fs::replace_durably(fs, &names.gitignore(), b"*\n")?;
    let head = Head::empty(identity);
    Register::create(fs, &names.head(), &head)?;
    Register::create(fs, &names.applied(), &Applied::up_to(&head))?;
    write(fs, names, &store)?;
    fs.sync_dir(&names.home()).context("sync the folder", &names.home())
}

/// Removes what a cut creation left beside, but not what somebody is building now.
fn clear_leftovers(fs: &dyn Fs, root: &Path) -> Result<()> {
    for entry in fs.read_dir(root).context("list", root)? {
        let leftover = Names::left_over(root, &entry.name).filter(|_| entry.kind == Kind::Dir);
        let Some(leftover) = leftover else { continue };
        let lock = leftover.commit_lock();
        let file = fs::none_if_missing(fs.open(&lock, Open::Write)).context("open", &lock)?;
        // What cannot be removed now is removed by the next one.
        match &file {
            Some(file) if file.try_lock(Lock::Exclusive).context("lock", &lock)? => {
                let _ = clear(fs, &leftover);
            }
            Some(_) => {}
            // Its maker died, or is about to make the lock: nothing but an empty folder is removed.
            None => drop(fs.remove_dir(&leftover.home())),
        }
    }
    Ok(())
}

/// Removes an unfinished store whose lock is held; the lock last, so that whoever finds it without one
/// finds it empty, even if this is cut, by a power cut too.
fn clear(fs: &dyn Fs, unfinished: &Names) -> Result<()> {
    let (home, lock) = (unfinished.home(), unfinished.commit_lock());
    for entry in fs.read_dir(&home).context("list", &home)? {
        let path = home.join(&entry.name);
        if entry.kind == Kind::Dir {
            remove_tree(fs, &path)?;
        } else if path != lock {
            fs::none_if_missing(fs.remove_file(&path)).context("remove", &path)?;
        }
    }
    fs.sync_dir(&home).context("sync the folder", &home)?;
    fs::none_if_missing(fs.remove_file(&lock)).context("remove", &lock)?;
    fs::none_if_missing(fs.remove_dir(&home)).context("remove", &home).map(drop)
}

fn remove_tree(fs: &dyn Fs, folder: &Path) -> Result<()> {
    let entries = fs::none_if_missing(fs.read_dir(folder)).context("list", folder)?;
    for entry in entries.unwrap_or_default() {
        let path: PathBuf = folder.join(&entry.name);
        if entry.kind == Kind::Dir {
            remove_tree(fs, &path)?;
        } else {
            fs::none_if_missing(fs.remove_file(&path)).context("remove", &path)?;
        }
    }
    fs::none_if_missing(fs.remove_dir(folder)).context("remove", folder).map(|_| ())
}
