//! The floor of who puts documents in place: the floor, and beside it the system calls alone that put a reused file in
//! the place of each document: open it, look at it, write it; after the sync exchange the names, look at what was put
//! and at what was displaced, close it. No JSON is looked at, nothing is hashed, and nobody is kept out of a file.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, statat, syncfs,
};
use rustix::io::pwrite;

use super::floor::Floor;
use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::{DOCUMENT_BYTES, Order};

/// Folders that are entered once.
pub struct Files {
    floor: Arc<Floor>,
    documents: OwnedFd,
    spool: OwnedFd,
    /// Names by keys.
    names: HashMap<String, String>,
}

impl Files {
    /// With the documents of these keys, and a file to be used again for each.
    pub fn new(folder: &Path, keys: impl Iterator<Item = String>) -> Result<Arc<Self>> {
        let (documents, spool) = (folder.join("documents"), folder.join("spool"));
        let names = keys.map(|key| {
            let name = format!("{}.json", key.replace('/', "-"));
            (key, name)
        });
        let names: HashMap<String, String> = names.collect();
        for folder in [&documents, &spool] {
            fs::create_dir_all(folder)?;
            for name in names.values() {
                fs::write(folder.join(name), [b'x'; DOCUMENT_BYTES])?;
            }
        }
        let enter = |folder: &Path| -> Result<OwnedFd> { Ok(File::open(folder)?.into()) };
        let floor = Floor::new(folder)?;
        Ok(Arc::new(Self { floor, documents: enter(&documents)?, spool: enter(&spool)?, names }))
    }
}

impl Peer for Files {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        let lines = Arc::clone(&self.floor).writer()?;
        Ok(Box::new(Places { files: self, lines }))
    }

    /// Not charged, for a floor; but nobody else's turn is to pay for it.
    fn settle(&self) -> Result<()> {
        Ok(syncfs(&self.documents)?)
    }
}

struct Places {
    files: Arc<Files>,
    lines: Box<dyn Writer>,
}

impl Writer for Places {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        let Files { documents, spool, names, .. } = &*self.files;
        let mut written = Vec::with_capacity(orders.len());
        // Of a document that is written twice the last version only.
        let mut last: HashMap<&str, &Order> = HashMap::with_capacity(orders.len());
        last.extend(orders.iter().map(|order| (order.key.as_str(), order)));
        for (key, order) in last {
            let name = names.get(key).ok_or("a document that was not made")?;
            let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = openat(spool, name, flags, Mode::empty())?;
            fstat(&file)?;
            pwrite(&file, &order.document, 0)?;
            written.push((name, file));
        }
        self.lines.commit(orders)?;
        for (name, file) in written {
            renameat_with(spool, name, documents, name, RenameFlags::EXCHANGE)?;
            fstat(&file)?;
            statat(spool, name, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }
}
