//! By what two states after a power cut are told apart.

use super::edits::{Entries, Inode};
use super::image::{Image, bytes};

/// Of all that a power cut may change: entries, lengths and bytes that were not durable.
#[derive(Debug, Default)]
pub struct Checksum(u64);

impl Checksum {
    fn add(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    pub fn add_entries(&mut self, folder: Inode, entries: &Entries) {
        self.add(folder);
        for (name, inode) in entries {
            self.add(u64::from(crc32fast::hash(name.as_encoded_bytes())));
            self.add(*inode);
        }
    }

    pub fn add_image<'a>(
        &mut self,
        inode: Inode,
        image: &Image,
        pages: impl Iterator<Item = &'a usize>,
    ) {
        self.add(inode);
        self.add(image.len() as u64);
        for index in pages {
            self.add(*index as u64);
            self.add(u64::from(crc32fast::hash(bytes(&image.page(*index)))));
        }
    }

    pub fn value(&self) -> u64 {
        self.0
    }
}
