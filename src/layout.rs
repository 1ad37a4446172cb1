//! Document bytes: whatever JSON comes in, its tokens in their order, and one layout.
//!
//! The journal keeps [`compact`]; the document's file is [`pretty`] of it, a pure function, so that
//! putting a document in place again gives the same bytes.

mod scan;

use memchr::memchr2;

use crate::error::{Error, Result};
use scan::{Fault, compact_len};

pub(crate) use scan::plain;

/// How many arrays and objects can lie in each other.
pub const MAX_LEVELS: usize = 128;
/// The same of a dead letter, in which an event lies, whose data may hold a whole document.
pub(crate) const LETTER_LEVELS: usize = MAX_LEVELS + 3;

/// Checks that a text is one JSON value (RFC 8259, UTF-8), and drops the white space outside strings.
///
/// Every token and the order of all is kept exactly: a 30-digit integer, `1.0`, an escape, a repeated
/// member.
///
/// ```
/// let text = docbox::layout::compact(b"{ \"n\": 1.0,\n  \"n\": [ ] }")?;
/// assert_eq!(text, r#"{"n":1.0,"n":[]}"#);
/// # Ok::<(), docbox::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Json`] with line and column of the first byte that is not allowed: besides the grammar,
/// more than [`MAX_LEVELS`] levels, an escape that is half a surrogate pair, a byte order mark.
pub fn compact(text: &[u8]) -> Result<String> {
    compact_within(text, MAX_LEVELS)
}

/// [`compact`], with so many levels, at most [`LETTER_LEVELS`].
pub(crate) fn compact_within(text: &[u8], levels: usize) -> Result<String> {
    let (valid, is_whole) = match str::from_utf8(text) {
        Ok(valid) => (valid, true),
        Err(_) => (text.utf8_chunks().next().map_or("", |chunk| chunk.valid()), false),
    };
    let fault = match scan::compact(valid, levels) {
        Ok(compact) if is_whole => return Ok(compact),
        // A fault before the bytes that are no text is the first; one at their beginning is theirs.
        Err(fault) if is_whole || fault.at < valid.len() => fault,
        _ => Fault::new(valid.len(), "bytes that are not UTF-8; give the text in UTF-8"),
    };
    let (line, column) = line_and_column(text, fault.at);
    Err(Error::Json { line, column, what: fault.what })
}

/// The value with which a text begins, if it is as [`compact_within`] returns it; `None` for any other, right or not.
pub(crate) fn first_compact(text: &[u8], levels: usize) -> Option<&str> {
    let len = compact_len(text, levels)?;
    str::from_utf8(&text[..len]).ok()
}

/// Where byte `at` of a text stands: line and column, both from 1, the column in bytes.
pub(crate) fn line_and_column(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    (memchr::memchr_iter(b'\n', before).count() + 1, before.len() - line_start + 1)
}

/// The layout of a document's file for what [`compact`] returned: two spaces a level, `": "`, `{}` and
/// `[]` where they are empty, one final newline.
///
/// ```
/// let file = docbox::layout::pretty(r#"{"a":[1,{}]}"#);
/// assert_eq!(file, b"{\n  \"a\": [\n    1,\n    {}\n  ]\n}\n");
/// ```
#[must_use]
pub fn pretty(compact: &str) -> Vec<u8> {
    pretty_within(compact, usize::MAX).unwrap_or_default()
}

/// [`pretty`], as long as the file has no more than `max` bytes: a deep value of a few megabytes may
/// have a layout of gigabytes.
#[must_use]
pub fn pretty_within(compact: &str, max: usize) -> Option<Vec<u8>> {
    let bytes = compact.as_bytes();
    let capacity = bytes.len() + bytes.len() / 2 + 1;
    let mut page = Page { bytes, copied: 0, out: Vec::with_capacity(capacity) };
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        if page.out.len() > max {
            return None;
        }
        match byte {
            b'"' => at = after_string(bytes, at).unwrap_or(bytes.len()),
            b'{' | b'[' if matches!(bytes.get(at + 1), Some(b'}' | b']')) => at += 2,
            b'{' | b'[' => {
                at += 1;
                depth += 1;
                page.break_line(at, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                page.break_line(at, depth);
                at += 1;
            }
            b',' => {
                at += 1;
                page.break_line(at, depth);
            }
            b':' => {
                at += 1;
                page.copy(at);
                page.out.push(b' ');
            }
            _ => at += 1,
        }
    }
    page.copy(bytes.len());
    page.out.push(b'\n');
    (page.out.len() <= max).then_some(page.out)
}

struct Page<'t> {
    bytes: &'t [u8],
    /// How many of them stand in `out`: they are copied in runs, not one by one.
    copied: usize,
    out: Vec<u8>,
}

impl Page<'_> {
    fn copy(&mut self, to: usize) {
        self.out.extend_from_slice(self.bytes.get(self.copied..to).unwrap_or_default());
        self.copied = to;
    }

    fn break_line(&mut self, at: usize, depth: usize) {
        const SPACES: [u8; 2 * LETTER_LEVELS] = [b' '; 2 * LETTER_LEVELS];
        self.copy(at);
        self.out.push(b'\n');
        // Bounded, so that what no `compact` returned cannot make the page grow without end.
        self.out.extend_from_slice(&SPACES[..2 * depth.min(LETTER_LEVELS)]);
    }
}

/// Whether a text stands in a JSON string as it is: nothing in it is escaped.
pub(crate) fn is_plain(text: &str) -> bool {
    plain(text.as_bytes()) == text.len()
}

/// Where a text goes on after the string whose opening quote stands at `at`; `None` where that is not closed. Its end
/// alone is looked for, and nothing that is in it.
pub(crate) fn after_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        // Whatever is escaped, it is not the end.
        at += 2;
    }
}

#[cfg(test)]
mod tests;
