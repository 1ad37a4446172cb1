//! What a disk holds: pages in memory, shared by the copies of it until one of them is written to.

use std::collections::HashMap;
use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub const PAGE_BYTES: usize = 4096;

#[derive(Clone, Default)]
pub struct Pages(HashMap<u64, Arc<[u8; PAGE_BYTES]>>);

impl Pages {
    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        each_page(offset, length, |page, within, range| {
            if let Some(held) = self.0.get(&page) {
                let until = within + range.len();
                bytes[range].copy_from_slice(&held[within..until]);
            }
        });
        bytes
    }

    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        each_page(offset, bytes.len(), |page, within, range| {
            let held = self.0.entry(page).or_insert_with(|| Arc::new([0; PAGE_BYTES]));
            let until = within + range.len();
            Arc::make_mut(held)[within..until].copy_from_slice(&bytes[range]);
        });
    }

    /// Keeps it as a sparse file.
    pub fn save(&self, path: &Path, length: u64) -> Result<()> {
        let file = File::create(path)?;
        file.set_len(length)?;
        for (page, bytes) in &self.0 {
            file.write_all_at(&bytes[..], page * PAGE_BYTES as u64)?;
        }
        Ok(())
    }
}

/// Calls with the number of each page, where in it the range begins, and which bytes of the range it has.
fn each_page(
    offset: u64,
    length: usize,
    mut visit: impl FnMut(u64, usize, std::ops::Range<usize>),
) {
    let mut done = 0;
    while done < length {
        let at = offset + done as u64;
        let within = usize::try_from(at % PAGE_BYTES as u64).expect("below a page");
        let count = (PAGE_BYTES - within).min(length - done);
        visit(at / PAGE_BYTES as u64, within, done..done + count);
        done += count;
    }
}
