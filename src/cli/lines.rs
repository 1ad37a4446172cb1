//! `commit --lines`: one transaction a line, each committed without waiting for the next.
//!
//! One thread reads; this one takes whatever whole lines are there, commits them with one sync, and
//! answers each.

use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

use docbox::{Commit, Error, Store, Transaction};

use super::answer;
use super::failure::{Failure, Result, code_of};
use super::input::{MAX_BYTES, Source};
use super::output::{Output, say};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that may wait: what is read ahead is bounded.
const CHUNKS: usize = 16;
/// No more is gathered for one group than this.
const GROUP_BYTES: usize = 8 << 20;
/// Nor more lines, so that answers come soon.
const GROUP_LINES: usize = 1024;

pub fn run(store: &Store, source: &Source, out: &mut Output) -> Result<ExitCode> {
    let mut intake = Intake::start(source)?;
    let mut tally = Tally::default();
    while let Some(group) = intake.next_group()? {
        commit_group(store, group, out, &mut tally)?;
    }
    let Tally { lines, invalid, conflicts } = tally;
    if invalid + conflicts > 0 {
        say(&format!(
            "{} of {lines} transactions were refused; the answers on stdout say which, and why",
            invalid + conflicts
        ));
    }
    Ok(ExitCode::from(match (invalid, conflicts) {
        (0, 0) => 0,
        (0, _) => 1,
        _ => 2,
    }))
}

/// What was answered so far.
#[derive(Default)]
struct Tally {
    lines: u64,
    invalid: u64,
    conflicts: u64,
}

/// One line of the input.
struct Line {
    number: usize,
    text: Vec<u8>,
}

fn commit_group(
    store: &Store,
    group: Vec<Line>,
    out: &mut Output,
    tally: &mut Tally,
) -> Result<()> {
    let mut transactions = Vec::new();
    let mut parsed = Vec::new();
    for Line { number, text } in group {
        let refusal = match Transaction::from_json(&text) {
            Ok((transaction, reference)) => {
                transactions.push(transaction);
                Ok(reference)
            }
            Err(Error::Json { column, what, .. }) => {
                Err(Error::Json { line: number, column, what })
            }
            Err(error) => Err(error),
        };
        parsed.push((number, refusal));
    }
    let mut results = store.commit_all(transactions).into_iter();
    let mut failed = None;
    for (number, parsed) in parsed {
        let (reference, result) = match parsed {
            Ok(reference) => match results.next() {
                Some(result) => (reference, result),
                None => continue,
            },
            Err(error) => (None, Err(error)),
        };
        tally.lines += 1;
        if let Some(error) = answer_line(out, number, reference.as_deref(), result, tally)? {
            failed.get_or_insert(error);
        }
    }
    // The rest of the group is answered too, because it may be committed.
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Answers one line; the error if the store failed.
fn answer_line(
    out: &mut Output,
    number: usize,
    reference: Option<&str>,
    result: docbox::Result<Commit>,
    tally: &mut Tally,
) -> Result<Option<Error>> {
    let error = match result {
        Ok(commit) => {
            answer::committed(out, &commit, reference)?;
            return Ok(None);
        }
        Err(error) => error,
    };
    answer::refused(out, &error, Some(number), reference)?;
    match code_of(&error) {
        1 => tally.conflicts += 1,
        2 => tally.invalid += 1,
        _ => return Ok(Some(error)),
    }
    Ok(None)
}

/// What was read, and not yet taken.
struct Intake {
    source: Source,
    chunks: Receiver<io::Result<Vec<u8>>>,
    buffer: Vec<u8>,
    /// Where the last whole line in the buffer ends.
    whole: usize,
    has_ended: bool,
    /// Lines taken so far.
    lines: usize,
}

impl Intake {
    fn start(source: &Source) -> Result<Self> {
        let mut reader = source.open()?;
        let (sender, chunks) = sync_channel(CHUNKS);
        let read = move || loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = match reader.read(&mut chunk) {
                Ok(0) => return,
                Ok(len) => {
                    chunk.truncate(len);
                    Ok(chunk)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = read.is_err();
            if sender.send(read).is_err() || is_last {
                return;
            }
        };
        thread::Builder::new().name("docbox-read".into()).spawn(read).map_err(|error| {
            Failure::Broken(format!("could not start a thread: {error}; try again later"))
        })?;
        let source = source.clone();
        Ok(Self { source, chunks, buffer: Vec::new(), whole: 0, has_ended: false, lines: 0 })
    }

    /// The lines that are there, as far as one group goes; waits only while there is none. `None` at the
    /// end.
    fn next_group(&mut self) -> Result<Option<Vec<Line>>> {
        loop {
            while !self.has_ended && self.whole < GROUP_BYTES {
                match self.chunks.try_recv() {
                    Ok(chunk) => self.add(chunk)?,
                    Err(TryRecvError::Disconnected) => self.end(),
                    Err(TryRecvError::Empty) => break,
                }
            }
            let group = self.take();
            if !group.is_empty() {
                return Ok(Some(group));
            }
            if self.has_ended && self.buffer.is_empty() {
                return Ok(None);
            }
            // Blank lines may have been all there was to take.
            if self.whole == 0 && !self.has_ended {
                match self.chunks.recv() {
                    Ok(chunk) => self.add(chunk)?,
                    Err(_) => self.end(),
                }
            }
        }
    }

    fn add(&mut self, chunk: io::Result<Vec<u8>>) -> Result<()> {
        let chunk = chunk.map_err(|error| self.source.failed(&error))?;
        if let Some(end) = memchr::memrchr(b'\n', &chunk) {
            self.whole = self.buffer.len() + end + 1;
        }
        self.buffer.extend_from_slice(&chunk);
        if self.buffer.len() - self.whole > MAX_BYTES {
            return Err(Failure::Wrong(format!(
                "line {} has more than {} MiB; a commit has at most 64 MiB: split it, and go on from this line",
                self.lines + 1 + memchr::memchr_iter(b'\n', &self.buffer).count(),
                MAX_BYTES >> 20
            )));
        }
        Ok(())
    }

    /// A last line may have no line end.
    fn end(&mut self) {
        self.has_ended = true;
        self.whole = self.buffer.len();
    }

    /// Takes whole lines, blank ones left out.
    fn take(&mut self) -> Vec<Line> {
        let mut group = Vec::new();
        let mut at = 0;
        while at < self.whole && group.len() < GROUP_LINES && at < GROUP_BYTES {
            let rest = &self.buffer[at..self.whole];
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            self.lines += 1;
            if !rest[..len].trim_ascii().is_empty() {
                group.push(Line { number: self.lines, text: rest[..len].to_vec() });
            }
            at = (at + len + 1).min(self.whole);
        }
        self.buffer.drain(..at);
        self.whole -= at;
        group
    }
}
