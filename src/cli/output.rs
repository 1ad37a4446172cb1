//! stdout for data, stderr for people.

use std::borrow::Cow;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};

use docbox::escaped;
use serde::Serialize;

use super::failure::{Failure, Result};

/// stdout.
#[derive(Debug)]
pub struct Output {
    json: bool,
    is_terminal: bool,
    out: BufWriter<Stdout>,
}

impl Output {
    pub fn new(json: bool) -> Self {
        let stdout = io::stdout();
        Self { json, is_terminal: stdout.is_terminal(), out: BufWriter::new(stdout) }
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at it: then there are tables, and nothing that a terminal would obey.
    pub fn is_for_people(&self) -> bool {
        self.is_terminal && !self.json
    }

    /// One line, with everything escaped that a terminal would obey or hide. Wherever it goes: what passes
    /// through a pipe or a file is looked at later, and one line shall stay one. `--json` has it exactly.
    pub fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{}", escaped(text)).map_err(failed)
    }

    /// One line of cells with tabs between them.
    pub fn cells(&mut self, cells: &[String]) -> Result<()> {
        let cells: Vec<_> = cells.iter().map(|cell| escaped(cell)).collect();
        writeln!(self.out, "{}", cells.join("\t")).map_err(failed)
    }

    /// One JSON object, on a line of its own. On a terminal what it would obey or hide is written as JSON's
    /// own escapes, which says the same.
    pub fn json<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|error| {
            Failure::Broken(format!("could not write JSON: {error}; report this"))
        })?;
        let text = if self.is_terminal { escaped_json(&text) } else { text };
        writeln!(self.out, "{text}").map_err(failed)
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(failed)
    }

    /// Whatever was written is out when this returns.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(failed)
    }
}

/// Such characters stand within strings only, and none of them needs two escapes.
fn escaped_json(text: &str) -> String {
    use std::fmt::Write as _;

    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        let mut utf8 = [0; 4];
        match escaped(char.encode_utf8(&mut utf8)) {
            // Written into memory, which does not fail.
            Cow::Owned(_) => drop(write!(shown, "\\u{:04x}", u32::from(char))),
            Cow::Borrowed(same) => shown += same,
        }
    }
    shown
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::PipeClosed;
    }
    Failure::Broken(format!(
        "could not write to standard output: {error}; see where it leads, and try again"
    ))
}

/// Tells a person something, on stderr. Nobody there to hear it is no failure.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "docbox: {}", escaped(text));
}

/// Tells several lines as they are, but nothing that a terminal would obey.
pub fn say_lines(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(stderr, "{}", escaped(line));
    }
}
