//! Reading the lines of a file one after the other, a piece of it at a time.

use std::io;
use std::sync::Arc;

use memchr::memchr;

use crate::fs::{self, File};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The lines of a file up to some byte of it.
#[derive(Debug)]
pub struct Lines {
    file: Arc<dyn File>,
    /// Where they end in the file.
    end: u64,
    /// Bytes of the file, of which those from `at` on were not given yet, and those from `read_to` on not read.
    buffer: Vec<u8>,
    at: usize,
    read_to: u64,
}

impl Lines {
    /// The lines of a file before byte `end`.
    #[must_use]
    pub fn new(file: Arc<dyn File>, end: u64) -> Self {
        Self { file, end, buffer: Vec::new(), at: 0, read_to: 0 }
    }

    /// The next line, without its newline; `None` at the end. What is there of a last one without a newline is
    /// given as a line.
    ///
    /// # Errors
    /// What the disk says.
    pub fn line(&mut self) -> io::Result<Option<&[u8]>> {
        let mut looked_at = self.at;
        loop {
            if let Some(len) = memchr(b'\n', &self.buffer[looked_at..]) {
                let line = self.at..looked_at + len;
                self.at = line.end + 1;
                return Ok(Some(&self.buffer[line]));
            }
            looked_at = self.buffer.len();
            if self.fill(&mut looked_at)? {
                continue;
            }
            let line = self.at..self.buffer.len();
            self.at = line.end;
            return Ok((!line.is_empty()).then(|| &self.buffer[line]));
        }
    }

    /// Reads on; whether there was anything more.
    fn fill(&mut self, looked_at: &mut usize) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        *looked_at -= self.at;
        self.at = 0;
        let left = usize::try_from(self.end.saturating_sub(self.read_to)).unwrap_or(usize::MAX);
        let filled = self.buffer.len();
        // A long line is read in ever larger pieces.
        self.buffer.resize(filled + left.min(CHUNK_BYTES.max(filled)), 0);
        let read = fs::read_full(&*self.file, &mut self.buffer[filled..], self.read_to);
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        let read = read?;
        self.read_to += read as u64;
        Ok(read > 0)
    }
}
