//! stdout for data, stderr for people.

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

    /// One line; on a terminal with everything escaped that it would obey.
    pub fn line(&mut self, text: &str) -> Result<()> {
        let written = if self.is_terminal {
            writeln!(self.out, "{}", escaped(text))
        } else {
            writeln!(self.out, "{text}")
        };
        written.map_err(failed)
    }

    /// One JSON object, on a line of its own.
    pub fn json<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|error| {
            Failure::Broken(format!("could not write JSON: {error}; report this"))
        })?;
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
