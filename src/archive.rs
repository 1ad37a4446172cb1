//! The archive: where segments go that are dropped from the journal. One is there, durably, before it goes
//! from the journal.

use std::path::{Path, PathBuf};

use crate::core::Core;
use crate::error::{Context, Error, Result};
use crate::fs::{self, Mode, Open};
use crate::names;
use crate::policy::Archive;
use crate::record::events::decode_events;
use crate::record::sight::{NoEvents, UpTo};

/// Puts a segment into the archive, durably; what is there under its name is replaced. `next` is the first commit
/// of the segment after it.
///
/// # Errors
/// What the disk says; then the segment must stay where it is.
pub fn keep(core: &Core, archive: &Archive, first: u64, next: u64) -> Result<PathBuf> {
    let path = core.names.segment(first);
    let file = core.fs.open(&path, Open::Read).context("open", &path)?;
    let bytes = fs::read_all(&*file).context("read", &path)?;
    // What is damaged is kept as it is.
    let lines = commits(&bytes, first, next).unwrap_or(&bytes);
    let folder = folder(core, archive)?;
    let name = names::archived(first, archive.gzip);
    let kept = folder.join(name);
    if archive.gzip {
        fs::replace_durably(&*core.fs, &kept, &compressed(lines, &kept)?)?;
    } else {
        fs::replace_durably(&*core.fs, &kept, lines)?;
    }
    Ok(kept)
}

/// The folder of this store in the archive, made if missing.
fn folder(core: &Core, archive: &Archive) -> Result<PathBuf> {
    let given = core.names.root().join(&archive.folder);
    let found = fs::none_if_missing(core.fs.canonical(&given)).context("find", &given)?;
    let Some(found) = found else {
        return Err(Error::Io {
            doing: "find the archive",
            path: given,
            source: std::io::ErrorKind::NotFound.into(),
        });
    };
    let folder = found.join(names::archive_of(&core.identity.store, core.identity.epoch));
    make(core, &folder)?;
    Ok(folder)
}

fn make(core: &Core, folder: &Path) -> Result<()> {
    match core.fs.create_dir(folder, Mode::Private) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.context("make the folder", folder)?,
    }
    // Also where it was there: its maker may have died.
    let synced = core.fs.sync_dir(fs::parent(folder));
    if synced.is_err() {
        // Its name may be clean now and lost. Made anew, the next sync is worth something; one that holds
        // anything was durable before.
        let _ = core.fs.remove_dir(folder);
    }
    synced.context("sync the folder", fs::parent(folder))
}

/// The lines of the commits from `first` on and before `next`: what follows them in the file is fill, or void.
/// `None` where one of them cannot be read.
fn commits(bytes: &[u8], first: u64, next: u64) -> Option<&[u8]> {
    let mut end = 0;
    for seq in first..next {
        let len = bytes.get(end..)?.iter().position(|byte| *byte == b'\n')?;
        let line = decode_events(&bytes[end..end + len], &NoEvents(UpTo::Events)).ok()?;
        if line.seq != seq {
            return None;
        }
        end += len + 1;
    }
    Some(&bytes[..end])
}

#[cfg(feature = "gzip")]
fn compressed(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).context("compress", path)
}

#[cfg(not(feature = "gzip"))]
fn compressed(_bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    Err(Error::Invalid(format!(
        "{} cannot be compressed: this docbox was built without the feature `gzip`; build it with that, or tell \
         the store not to compress",
        path.display()
    )))
}
