//! The changes of directory entries that are not durable yet.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::mem;
use std::sync::Arc;

/// The number of a file or folder.
pub type Inode = u64;
/// A name in a folder.
pub type Name = Arc<OsStr>;
/// What a folder holds.
pub type Entries = BTreeMap<Name, Inode>;

/// One entry changed.
#[derive(Clone, Debug)]
pub struct Edit {
    pub folder: Inode,
    pub name: Name,
    pub leads_to: Option<Inode>,
    /// Which rename this is one half of.
    pub rename: Option<Rename>,
    /// Whether the next sync of the folder writes it; not so once a sync has failed.
    pub dirty: bool,
}

/// A rename; its two halves are two edits. Of an exchange each of the two edits is half of the rename of
/// both inodes: one comes to the name that the other leaves.
#[derive(Clone, Copy, Debug)]
pub struct Rename {
    /// Later renames have higher numbers.
    pub id: u64,
    pub inode: Inode,
    /// With which other inode it was exchanged.
    pub other: Option<Inode>,
    /// The halves survive together: a folder has one name.
    pub whole: bool,
}

impl Rename {
    /// What it moves.
    pub fn inodes(&self) -> impl Iterator<Item = Inode> + use<> {
        [Some(self.inode), self.other].into_iter().flatten()
    }
}

/// All edits of a disk, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Edits(Arc<Vec<Edit>>);

impl Edits {
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.0.iter()
    }

    pub fn push(&mut self, edit: Edit) {
        Arc::make_mut(&mut self.0).push(edit);
    }

    /// Takes out what is durable once `folder` is synced, in order; whoever calls applies it.
    pub fn sync(&mut self, folder: Inode) -> Vec<Edit> {
        let synced = |edit: &Edit| edit.folder == folder && edit.dirty;
        if !self.iter().any(synced) {
            return Vec::new();
        }
        let reached = self.reached(synced);
        let durable = |edit: &Edit| {
            synced(edit) || edit.rename.is_some_and(|rename| forced(&reached, rename))
        };
        // What is older than a durable edit of the same entry is history.
        let mut newest = BTreeMap::<(Inode, Name), usize>::new();
        for (index, edit) in self.iter().enumerate().filter(|(_, edit)| durable(edit)) {
            newest.insert((edit.folder, edit.name.clone()), index);
        }
        let mut taken = Vec::new();
        let mut left = Vec::new();
        for (index, edit) in Arc::unwrap_or_clone(mem::take(&mut self.0)).into_iter().enumerate() {
            match newest.get(&(edit.folder, edit.name.clone())) {
                Some(newest) if index == *newest => taken.push(edit),
                Some(newest) if index < *newest => {}
                _ => left.push(edit),
            }
        }
        self.0 = Arc::new(left);
        taken
    }

    /// The renames of one inode persist in order: a durable half makes durable all of those before. Of
    /// each inode, up to which rename. (An exchange hands it on to the other inode, so it is asked again
    /// until nothing is new.)
    fn reached(&self, synced: impl Fn(&Edit) -> bool) -> BTreeMap<Inode, u64> {
        let mut reached = BTreeMap::<Inode, u64>::new();
        loop {
            let mut is_new = false;
            for edit in self.iter() {
                let Some(rename) = edit.rename else { continue };
                if synced(edit) || forced(&reached, rename) {
                    for inode in rename.inodes() {
                        let id = reached.entry(inode).or_default();
                        is_new |= rename.id > *id;
                        *id = rename.id.max(*id);
                    }
                }
            }
            if !is_new {
                return reached;
            }
        }
    }

    /// What waits for a sync of `folder` waits for it no more, and is not durable.
    pub fn fail_sync(&mut self, folder: Inode) {
        for edit in Arc::make_mut(&mut self.0) {
            if edit.folder == folder {
                edit.dirty = false;
            }
        }
    }
}

/// Whether a rename is durable because one that came after it is.
fn forced(reached: &BTreeMap<Inode, u64>, rename: Rename) -> bool {
    rename
        .inodes()
        .filter_map(|inode| reached.get(&inode))
        .any(|id| rename.id < *id || (rename.id == *id && rename.whole))
}
