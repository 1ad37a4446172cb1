//! The run: the writer is fed, what all processes say is entered in the books, and some are killed.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use docbox::Store;
use jiff::Timestamp;
use serde::Deserialize;

use crate::cli::failure::{Failure, Result};

use super::announced::Delivered;
use super::day::Day;
use super::process::{Heard, Process, Program, What, Who};
use super::progress::Progress;
use super::tally::Tally;
use super::wanted::SUBSCRIPTIONS;

/// Lines on their way to the writer at most.
const MAX_UNANSWERED: u64 = 32;
/// Their bytes at most, beyond a single line: a pipe takes them without waiting for the writer to read.
const MAX_UNANSWERED_BYTES: usize = 48 * 1_024;
/// The pause before a line that did not come at once on the day.
const PAUSE: Duration = Duration::from_millis(8);
/// Nothing heard for so long: something hangs.
const MAX_SILENCE: Duration = Duration::from_secs(30);
/// How often a silent wait looks whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// All that takes part.
pub struct Stage<'a> {
    program: &'a Program,
    root: &'a Path,
    day: &'a Day,
    stopping: &'a AtomicBool,
    is_fast: bool,
    heard: Receiver<Heard>,
    teller: Sender<Heard>,
    writer: Process,
    consumers: Vec<Process>,
    /// One for each of [`SUBSCRIPTIONS`].
    pub tallies: Vec<Tally>,
    /// The newest line handed to the writer.
    sent: u64,
    /// The newest commit that the writer has acknowledged, or that was found after it was killed.
    acked: u64,
    /// Commits that were acknowledged and not there after a kill.
    pub lost_commits: u64,
    /// The commits that were there, though the writer was killed before it had answered.
    pub unanswered: Vec<RangeInclusive<u64>>,
    pub progress: Progress,
}

/// What the writer prints for a line.
#[derive(Deserialize)]
struct Answer {
    seq: Option<u64>,
    message: Option<String>,
}

impl<'a> Stage<'a> {
    /// Starts the writer and all consumers.
    pub fn open(
        program: &'a Program,
        root: &'a Path,
        day: &'a Day,
        stopping: &'a AtomicBool,
        is_fast: bool,
    ) -> Result<Self> {
        let (teller, heard) = channel();
        let mut consumers = Vec::new();
        for index in 0..SUBSCRIPTIONS.len() {
            consumers.push(start_consumer(program, index, &teller)?);
        }
        let writer = start_writer(program, &teller)?;
        let tallies = SUBSCRIPTIONS.iter().map(|wanted| Tally::new(wanted.wants, &day.events));
        Ok(Self {
            tallies: tallies.collect(),
            progress: Progress::new(day.len()),
            program,
            root,
            day,
            stopping,
            is_fast,
            heard,
            teller,
            writer,
            consumers,
            sent: 0,
            acked: 0,
            lost_commits: 0,
            unanswered: Vec::new(),
        })
    }

    /// Hands the writer the lines up to `seq`, at the pace of the day.
    pub fn feed(&mut self, seq: u64) -> Result<()> {
        while self.sent < seq {
            if !self.is_fast && !self.day.is_at_once(self.sent + 1) {
                self.hear_for(PAUSE)?;
            }
            self.hear_until("the writer's answers", Self::may_send)?;
            self.send_next()?;
        }
        Ok(())
    }

    /// Kills the writer while it has lines that it has not answered, and starts it again.
    pub fn kill_writer(&mut self, between: impl Fn(&Path) -> docbox::Result<()>) -> Result<()> {
        self.rush()?;
        let acked = self.acked;
        self.hear_until("an answer of the writer", |stage| stage.acked > acked)?;
        // At any instant of a commit, not always just after one.
        self.hear_for(Duration::from_micros(
            Timestamp::now().as_microsecond().unsigned_abs() % 4_000,
        ))?;
        if self.acked == self.sent {
            self.rush()?;
        }
        self.writer.kill().map_err(|error| process_failed("kill", "the writer", &error))?;
        self.hear_until("the end of the writer", |stage| stage.writer.has_ended)?;
        between(self.root)?;
        let acked = self.acked;
        let head = self.head()?;
        self.lost_commits += acked.saturating_sub(head);
        if head > acked {
            self.unanswered.push(acked + 1..=head);
        }
        self.progress.say(&format!(
            "writer killed (SIGKILL) after commit {acked}, lines on their way: {}, of them committed: {}; started again",
            self.sent - acked,
            head.saturating_sub(acked),
        ));
        (self.acked, self.sent) = (head, head);
        self.writer = start_writer(self.program, &self.teller)?;
        Ok(())
    }

    /// Kills a consumer and starts it again.
    pub fn kill_consumer(&mut self, index: usize) -> Result<()> {
        let delivered = self.tallies[index].delivered();
        self.end_consumer(index)?;
        self.tallies[index].start_again();
        self.consumers[index] = start_consumer(self.program, index, &self.teller)?;
        self.progress.say(&format!(
            "{} killed (SIGKILL) after {delivered} events, commit {}; started again",
            SUBSCRIPTIONS[index].name, self.acked
        ));
        Ok(())
    }

    /// Lets everything come to its end: all commits answered, all events delivered and settled.
    pub fn finish(&mut self) -> Result<()> {
        let all = self.day.len();
        self.hear_until("the writer's last answers", |stage| stage.acked >= all)?;
        self.writer.close();
        self.hear_until("the end of the writer", |stage| stage.writer.has_ended)?;
        let status = self.writer.wait();
        let status = status.map_err(|error| process_failed("wait for", "the writer", &error))?;
        if !status.success() {
            return Err(Failure::No(format!("the writer ended with {status}")));
        }
        self.hear_until("the last deliveries", |stage| {
            stage.tallies.iter().all(Tally::is_complete)
        })?;
        let since = Instant::now();
        while !self.is_settled()? {
            if since.elapsed() > MAX_SILENCE {
                return Err(Failure::No(
                    "everything was delivered, but the cursors do not reach the head; see `docbox subscriptions`"
                        .to_owned(),
                ));
            }
            self.hear_for(TICK)?;
        }
        (0..self.consumers.len()).try_for_each(|index| self.end_consumer(index))
    }

    /// What is still missing, for the message when something hangs.
    pub fn missing(&self) -> String {
        let delivered = SUBSCRIPTIONS.iter().zip(&self.tallies);
        let each: Vec<String> = delivered
            .map(|(wanted, tally)| {
                format!("{} {} of {}", wanted.name, tally.delivered(), tally.wanted())
            })
            .collect();
        format!("{} of {} commits; delivered: {}", self.acked, self.day.len(), each.join(", "))
    }

    fn end_consumer(&mut self, index: usize) -> Result<()> {
        let name = SUBSCRIPTIONS[index].name;
        self.consumers[index].kill().map_err(|error| process_failed("kill", name, &error))?;
        self.hear_until("the end of a consumer", |stage| stage.consumers[index].has_ended)
    }

    /// The newest commit, after whatever the killed writer left was rolled forward.
    fn head(&self) -> Result<u64> {
        let store = Store::options().create(false).open(self.root)?;
        let head = store.status()?.head;
        store.close()?;
        Ok(head)
    }

    fn is_settled(&self) -> Result<bool> {
        let store = Store::options().create(false).open_read_only(self.root)?;
        let subscriptions = store.subscriptions()?;
        Ok(subscriptions.len() == SUBSCRIPTIONS.len()
            && subscriptions.iter().all(|subscription| subscription.lag_events == 0))
    }

    /// Whether the next line may follow those that are on their way.
    fn may_send(&self) -> bool {
        let lines = (self.acked + 1..=self.sent + 1).filter_map(|seq| self.day.line(seq));
        let bytes: usize = lines.map(|line| line.len() + 1).sum();
        let is_next_alone = self.sent == self.acked;
        is_next_alone || (self.sent - self.acked < MAX_UNANSWERED && bytes <= MAX_UNANSWERED_BYTES)
    }

    /// Sends as much as may be on its way.
    fn rush(&mut self) -> Result<()> {
        while self.may_send() && self.sent < self.day.len() {
            self.send_next()?;
        }
        Ok(())
    }

    fn send_next(&mut self) -> Result<()> {
        let Some(line) = self.day.line(self.sent + 1) else { return Ok(()) };
        self.writer.give(line).map_err(|error| process_failed("write to", "the writer", &error))?;
        self.sent += 1;
        Ok(())
    }

    fn hear_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while self.hear(until.saturating_duration_since(Instant::now()).min(TICK))?
            || Instant::now() < until
        {}
        Ok(())
    }

    fn hear_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let mut last = Instant::now();
        while !is_so(self) {
            if self.hear(TICK)? {
                last = Instant::now();
            } else if last.elapsed() > MAX_SILENCE {
                let silence_s = MAX_SILENCE.as_secs();
                let missing = self.missing();
                return Err(Failure::No(format!(
                    "nothing was heard for {silence_s} s while waiting for {what} ({missing})"
                )));
            }
        }
        Ok(())
    }

    /// Takes in one thing that was said; `false` when nobody said anything.
    fn hear(&mut self, longest: Duration) -> Result<bool> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Failure::No("stopped before the end".to_owned()));
        }
        match self.heard.recv_timeout(longest) {
            Ok(heard) => self.take_in(heard).map(|()| true),
            // The stage holds a sender itself, so the channel never closes.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(false),
        }
    }

    fn take_in(&mut self, Heard { who, at, what }: Heard) -> Result<()> {
        match (what, who) {
            (What::Line(line), Who::Writer) => self.take_answer(&line)?,
            (What::Line(line), Who::Consumer(index)) => {
                let delivered = Delivered::read(&line).ok_or_else(|| {
                    Failure::No(format!("{} printed what is no event: {line}", name(who)))
                })?;
                self.tallies[index].enter(delivered, at, self.acked);
            }
            (What::Warning(text), who) => self.progress.say(&format!("{}: {text}", name(who))),
            (What::Ended, who) => self.take_end(who)?,
        }
        let delivered = SUBSCRIPTIONS.iter().zip(&self.tallies);
        let delivered: Vec<_> =
            delivered.map(|(wanted, tally)| (wanted.name, tally.delivered())).collect();
        self.progress.show(self.acked, &delivered);
        Ok(())
    }

    fn take_answer(&mut self, line: &str) -> Result<()> {
        let answer: Option<Answer> = serde_json::from_str(line).ok();
        match answer {
            Some(Answer { seq: Some(seq), .. }) if seq == self.acked + 1 => {
                self.acked = seq;
                Ok(())
            }
            Some(Answer { message: Some(message), .. }) => {
                let seq = self.acked + 1;
                Err(Failure::No(format!("the writer refused line {seq} of the day: {message}")))
            }
            _ => {
                let seq = self.acked + 1;
                Err(Failure::No(format!(
                    "the writer was to answer with commit {seq}, and said {line}"
                )))
            }
        }
    }

    fn take_end(&mut self, who: Who) -> Result<()> {
        let process = match who {
            Who::Writer => &mut self.writer,
            Who::Consumer(index) => &mut self.consumers[index],
        };
        process.has_ended = true;
        if process.is_ending {
            return Ok(());
        }
        let status =
            process.wait().map_err(|error| process_failed("wait for", name(who), &error))?;
        Err(Failure::No(format!("{} ended by itself with {status}", name(who))))
    }
}

fn start_writer(program: &Program, teller: &Sender<Heard>) -> docbox::Result<Process> {
    program.start(Who::Writer, &["commit", "--lines"], teller)
}

fn start_consumer(
    program: &Program,
    index: usize,
    teller: &Sender<Heard>,
) -> docbox::Result<Process> {
    let wanted = &SUBSCRIPTIONS[index];
    let mut arguments = vec!["subscribe", wanted.name, "--from", "beginning", "--follow", "--json"];
    for glob in wanted.globs {
        arguments.extend(["--type", glob]);
    }
    program.start(Who::Consumer(index), &arguments, teller)
}

/// The system did not let us deal with a process.
fn process_failed(doing: &str, whom: &str, error: &io::Error) -> Failure {
    Failure::Broken(format!("could not {doing} {whom}: {error}"))
}

fn name(who: Who) -> &'static str {
    match who {
        Who::Writer => "writer",
        Who::Consumer(index) => SUBSCRIPTIONS[index].name,
    }
}
