//! The bytes of a file at one moment, in pages that are shared until they are written.

use std::sync::Arc;

/// The unit of sharing, in bytes.
pub const PAGE: usize = 4096;

/// One page; `None` is a page of zeros.
pub type Page = Option<Arc<[u8; PAGE]>>;

static ZEROS: [u8; PAGE] = [0; PAGE];

/// The bytes of a page.
pub fn bytes(page: &Page) -> &[u8; PAGE] {
    page.as_deref().unwrap_or(&ZEROS)
}

/// A length and that many bytes. What the last page has past the length is zero.
#[derive(Clone, Debug, Default)]
pub struct Image {
    len: usize,
    pages: Vec<Page>,
}

impl Image {
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many pages there are, pages past the length included.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    pub fn page(&self, index: usize) -> Page {
        self.pages.get(index).cloned().flatten()
    }

    /// Puts a page in place; the length stays.
    pub fn put_page(&mut self, index: usize, page: Page) {
        if index >= self.pages.len() {
            self.pages.resize(index + 1, None);
        }
        self.pages[index] = page;
    }

    /// Cuts or extends; what comes to it is zeros.
    pub fn resize(&mut self, len: usize) {
        self.len = len;
        self.pages.resize(len.div_ceil(PAGE), None);
        let rest = len % PAGE;
        if rest != 0
            && let Some(Some(last)) = self.pages.last_mut()
            && last[rest..].iter().any(|byte| *byte != 0)
        {
            Arc::make_mut(last)[rest..].fill(0);
        }
    }

    /// Reads as far as the length goes; how many bytes it got.
    pub fn read(&self, buf: &mut [u8], offset: usize) -> usize {
        let count = buf.len().min(self.len.saturating_sub(offset));
        let mut done = 0;
        while done < count {
            let at = (offset + done) % PAGE;
            let step = (PAGE - at).min(count - done);
            let page = self.pages.get((offset + done) / PAGE);
            buf[done..done + step].copy_from_slice(&page.map_or(&ZEROS, bytes)[at..at + step]);
            done += step;
        }
        count
    }

    /// Changes bytes that are there.
    pub fn patch(&mut self, offset: usize, new: &[u8]) {
        assert!(offset + new.len() <= self.len, "only bytes that are there can be changed");
        for (at, byte) in (offset..).zip(new) {
            let page = self.pages[at / PAGE].get_or_insert_with(|| Arc::new(ZEROS));
            Arc::make_mut(page)[at % PAGE] = *byte;
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = vec![0; self.len];
        self.read(&mut all, 0);
        all
    }
}
