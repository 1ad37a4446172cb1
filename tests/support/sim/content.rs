//! What a file holds: in the page cache, on the medium, and what lies between the two.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::image::{Image, PAGE, Page, bytes};

/// The unit that survives a power cut or not, in bytes.
pub const CELL: usize = 512;

/// Of a page that is written over and over without a sync, not all versions are kept.
const VERSIONS_MAX: usize = 32;

/// A set of the cells of one page, a bit each.
pub type Cells = u8;

/// Whether `cell` is one of `cells`.
pub fn holds(cells: Cells, cell: usize) -> bool {
    cells & (1 << cell) != 0
}

/// The bytes and the length of a file, cached and durable.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub cached: Image,
    pub durable: Image,
    /// Per page: what the page cache has and the medium may not have.
    pub unsynced: BTreeMap<usize, Unsynced>,
    /// The lengths since the durable one, oldest first; empty when the length is durable.
    pub lengths: Vec<usize>,
    /// Whether the next sync writes the length.
    length_dirty: bool,
}

/// The unsynced versions of one page.
#[derive(Clone, Debug, Default)]
pub struct Unsynced {
    /// Oldest first.
    pub versions: Vec<Version>,
    /// The cells that the next sync writes. A cell that has versions and is not dirty is one whose sync
    /// failed.
    dirty: Cells,
}

/// A page as one write left it.
#[derive(Clone, Debug)]
pub struct Version {
    pub page: Page,
    /// The cells that this write touched; of the others this version says nothing.
    pub cells: Cells,
    /// Written, and not the zeros that a cut leaves: only what is written can be torn.
    pub written: bool,
}

impl Unsynced {
    /// All cells that are not durable.
    pub fn cells(&self) -> Cells {
        self.versions.iter().fold(0, |cells, version| cells | version.cells)
    }

    fn push(&mut self, version: Version) {
        self.dirty |= version.cells;
        self.versions.push(version);
        if self.versions.len() > VERSIONS_MAX {
            // The oldest that newer ones cover: no cell may lose its newest version.
            let covered = |index: &usize| {
                let (older, newer) = self.versions.split_at(index + 1);
                newer.iter().fold(older[*index].cells, |left, version| left & !version.cells) == 0
            };
            if let Some(index) = (0..self.versions.len() - 1).find(covered) {
                self.versions.remove(index);
            }
        }
    }

    /// The dirty cells are durable; whether others remain.
    fn settle(&mut self) -> bool {
        for version in &mut self.versions {
            version.cells &= !self.dirty;
        }
        self.dirty = 0;
        self.versions.retain(|version| version.cells != 0);
        !self.versions.is_empty()
    }
}

impl Content {
    pub fn is_durable(&self) -> bool {
        self.unsynced.is_empty() && self.lengths.is_empty()
    }

    pub fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        let mut last: Page = None;
        let mut at = offset;
        while at < end {
            let stop = end.min((at / PAGE + 1) * PAGE);
            let (index, from, to) = (at / PAGE, at % PAGE, at % PAGE + (stop - at));
            let new = &data[at - offset..stop - offset];
            // A long fill repeats itself: its pages are one page.
            let repeated = to - from == PAGE && last.as_ref().is_some_and(|last| last[..] == *new);
            if !repeated {
                let mut page = *bytes(&self.cached.page(index));
                page[from..to].copy_from_slice(new);
                last = Some(Arc::new(page));
            }
            self.change(index, last.clone(), from, to, true);
            at = stop;
        }
        if end > self.durable.len() {
            self.length_dirty = true;
        }
        if end > self.cached.len() {
            self.cached.resize(end);
            self.lengths.push(end);
            self.forget_lengths();
        }
    }

    pub fn set_len(&mut self, len: usize) {
        if len == self.cached.len() {
            return;
        }
        if len < self.cached.len() {
            self.clear_from(len);
        }
        self.cached.resize(len);
        self.lengths.push(len);
        self.length_dirty = true;
        self.forget_lengths();
    }

    /// What a cut leaves reads as zeros should the file grow again.
    fn clear_from(&mut self, len: usize) {
        for index in len / PAGE..self.cached.pages() {
            let old = self.cached.page(index);
            if old.is_some() {
                let from = if index == len / PAGE { len % PAGE } else { 0 };
                let mut page = *bytes(&old);
                page[from..].fill(0);
                let page = if from == 0 { None } else { Some(Arc::new(page)) };
                self.change(index, page, from, PAGE, false);
            }
        }
    }

    fn change(&mut self, index: usize, page: Page, from: usize, to: usize, written: bool) {
        let cells = (from / CELL..to.div_ceil(CELL)).fold(0, |cells, cell| cells | (1 << cell));
        let version = Version { page: page.clone(), cells, written };
        self.unsynced.entry(index).or_default().push(version);
        self.cached.put_page(index, page);
    }

    fn forget_lengths(&mut self) {
        if self.lengths.len() > VERSIONS_MAX {
            self.lengths.remove(0);
        }
    }

    /// What is dirty becomes durable.
    pub fn sync(&mut self) {
        let Self { cached, durable, unsynced, .. } = self;
        let cut = if self.length_dirty { cached.pages() } else { usize::MAX };
        unsynced.retain(|index, unsynced| {
            if *index >= cut {
                return false;
            }
            if unsynced.dirty != 0 {
                let page = merged(&durable.page(*index), cached.page(*index), unsynced);
                durable.put_page(*index, page);
            }
            unsynced.settle()
        });
        if self.length_dirty {
            durable.resize(cached.len());
            self.lengths.clear();
            self.length_dirty = false;
        }
    }

    /// What is dirty becomes clean, and is not durable.
    pub fn fail_sync(&mut self) {
        for unsynced in self.unsynced.values_mut() {
            unsynced.dirty = 0;
        }
        self.length_dirty = false;
    }

    /// All is durable, what a failed sync left too.
    pub fn settle(&mut self) {
        *self = Self::at_rest(self.cached.clone());
    }

    /// The medium itself changes under everybody.
    pub fn damage(&mut self, offset: usize, new: &[u8]) {
        assert!(self.is_durable(), "only what is durable can be damaged at rest");
        self.cached.patch(offset, new);
        self.durable = self.cached.clone();
    }

    /// Cached and durable alike.
    pub fn at_rest(image: Image) -> Self {
        Self { cached: image.clone(), durable: image, ..Self::default() }
    }
}

/// The durable page once the dirty cells are written.
fn merged(durable: &Page, cached: Page, unsynced: &Unsynced) -> Page {
    if unsynced.cells() & !unsynced.dirty == 0 {
        // The cells that were not written are the same in both.
        return cached;
    }
    let mut page = *bytes(durable);
    for cell in (0..PAGE / CELL).filter(|cell| holds(unsynced.dirty, *cell)) {
        let range = cell * CELL..(cell + 1) * CELL;
        page[range.clone()].copy_from_slice(&bytes(&cached)[range]);
    }
    Some(Arc::new(page))
}
