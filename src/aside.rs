//! Keeping aside: what nobody may lose and has no place any more goes to `recovered/`, durably.

use std::path::{Path, PathBuf};

use crate::documents::Documents;
use crate::error::{Context, Result};
use crate::fs::{self, Fs, Mode, parent};
use crate::key::Key;
use crate::names;

/// Copies whatever lies in a document's place to `recovered/`, durably, and says where; `None` when it
/// is gone.
///
/// # Errors
/// What the disk says.
pub fn set_aside(documents: &Documents, key: &Key) -> Result<Option<PathBuf>> {
    let path = documents.names().document(key);
    let opened = fs::none_if_missing(documents.fs().open(&path, fs::Open::Read));
    let Some(found) = opened.context("open", &path)? else { return Ok(None) };
    let bytes = fs::read_all(&*found).context("read", &path)?;
    let name = names::kept_prefix(key);
    keep(documents.fs(), &documents.names().recovered(), &name, &bytes).map(Some)
}

/// Moves a file that was a document from the spool to `recovered/`, durably, and says where. Whoever has it
/// open goes on writing there.
///
/// # Errors
/// What the disk says.
pub fn move_aside(documents: &Documents, key: &Key, path: &Path) -> Result<PathBuf> {
    let (fs, folder) = (documents.fs(), documents.names().recovered());
    let prefix = names::kept_prefix(key);
    let (kept, _) =
        fs.create_temp(&folder, &prefix, Mode::Private).context("make a file in", &folder)?;
    fs.rename(path, &kept).context("keep", &kept)?;
    let file = fs.open(&kept, fs::Open::Write).context("open", &kept)?;
    file.set_mode(0o600).context("set the mode of", &kept)?;
    file.sync_data().context("sync", &kept)?;
    fs.sync_dir(&folder).context("sync the folder", &folder)?;
    Ok(kept)
}

/// Keeps bytes in `recovered/` under a new name that begins with `prefix`, durably.
///
/// # Errors
/// What the disk says.
pub fn keep(fs: &dyn Fs, folder: &Path, prefix: &str, bytes: &[u8]) -> Result<PathBuf> {
    let (kept, file) =
        fs.create_temp(folder, prefix, Mode::Private).context("make a file in", folder)?;
    fs::write_all(&*file, bytes, 0).context("write", &kept)?;
    file.sync_data().context("sync", &kept)?;
    fs.sync_dir(parent(&kept)).context("sync the folder", folder)?;
    Ok(kept)
}
