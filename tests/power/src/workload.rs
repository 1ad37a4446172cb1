//! What happens before the power goes: writers and consumers that come, go and are killed, and some rest.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dice::Dice;
use crate::disk::Disk;
use crate::history::{Ack, Delivered, Given, SUBSCRIPTIONS, Shared};
use crate::is_interrupted;
use crate::program::{Program, Running};
use crate::stirrer::Stirrer;

const WRITERS: usize = 3;
/// So many transactions of each writer wait for their answer.
const IN_FLIGHT: usize = 8;
/// Longer than `applied` waits for a pause.
const REST: Duration = Duration::from_secs(7);

/// Files of the user's own, which nobody may touch.
pub const OWN: [(&str, &str); 3] =
    [("README.md", "mine\n"), ("notes/plan.txt", "all of it\n"), (".git/HEAD", "ref: main\n")];

pub fn lay_out(root: &Path) {
    for (name, text) in OWN {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

pub struct Workload<'a> {
    pub program: &'a Program,
    pub root: &'a Path,
    pub disk: &'a Disk,
    pub history: &'a Shared,
    pub dice: &'a mut Dice,
}

impl Workload<'_> {
    /// Works for so long; then all are killed. The store is made here.
    pub fn run(mut self, length: Duration) -> Result<(), String> {
        let made = self.program.run(self.root, &["init"], "");
        if !made.status.success() {
            return Err(format!("init: {}", made.stderr));
        }
        self.history.lock().made = self.disk.position();
        let _stirrer = Stirrer::start(self.root, self.dice.next());
        let mut consumers: Vec<Running> =
            (0..SUBSCRIPTIONS.len()).map(|which| self.consumer(which)).collect();
        let mut writers: Vec<Running> = (0..WRITERS).map(|_| self.writer()).collect();
        let begun = Instant::now();
        let rest_at = length.mul_f32(0.5);
        let mut has_rested = false;
        let mut next_event = Instant::now();
        while begun.elapsed() < length && !is_interrupted() {
            for writer in &mut writers {
                self.feed(writer);
            }
            thread::sleep(Duration::from_millis(self.dice.next() % 6));
            if Instant::now() >= next_event {
                self.disturb(&mut writers, &mut consumers);
                next_event = Instant::now() + Duration::from_millis(200 + self.dice.next() % 1000);
            }
            if !has_rested && begun.elapsed() > rest_at {
                thread::sleep(REST.min(length));
                has_rested = true;
            }
        }
        Ok(())
    }

    fn writer(&mut self) -> Running {
        let (disk, history) = (self.disk.clone(), self.history.clone());
        let errors = self.history.clone();
        self.program.start(
            self.root,
            &["commit", "--lines"],
            move |line| {
                let answer: Value = serde_json::from_str(line).unwrap_or_default();
                // The position after the answer is there, never before.
                let at = disk.position();
                let mut history = history.lock();
                let (Some(seq), Some(number)) = (answer["seq"].as_u64(), answer["ref"].as_u64())
                else {
                    history.wrong.push(format!("a writer answers: {line}"));
                    return;
                };
                let number = usize::try_from(number).expect("a number of ours");
                history.acks.push(Ack { seq, at });
                history.number(seq, number);
            },
            move |line| errors.lock().said.push(line.to_owned()),
        )
    }

    /// The first prints what it gets; the second runs a command for each event, and so lags behind.
    fn consumer(&mut self, which: usize) -> Running {
        let (disk, history) = (self.disk.clone(), self.history.clone());
        let print =
            ["subscribe", SUBSCRIPTIONS[which], "--from", "beginning", "--follow", "--wait"];
        let exec = [&print[..], &["--exec", "cat"]].concat();
        self.program.start(
            self.root,
            if which == 0 { &print } else { &exec },
            move |line| {
                let event: Value = serde_json::from_str(line).unwrap_or_default();
                let at = disk.position();
                let mut history = history.lock();
                let (Some((seq, idx)), Some(number)) =
                    (position_of(&event), event["data"].as_u64())
                else {
                    history.wrong.push(format!("a consumer prints: {line}"));
                    return;
                };
                history.delivered.push(Delivered { subscription: which, seq, idx, at });
                history.number(seq, usize::try_from(number).expect("a number of ours"));
            },
            |_| {},
        )
    }

    fn feed(&mut self, writer: &mut Running) {
        while writer.waiting() < IN_FLIGHT {
            let mut lines = String::new();
            for _ in 0..=self.dice.roll(3) {
                let mut history = self.history.lock();
                let number = history.given.len();
                let given = Given::roll(number, self.dice);
                lines = given.line(number);
                history.given.push(given);
                drop(history);
                if !writer.give(&lines) {
                    return;
                }
            }
            if lines.is_empty() || self.dice.once_in(3) {
                return;
            }
        }
    }

    /// One of them ends or is killed, and another takes its place.
    fn disturb(&mut self, writers: &mut [Running], consumers: &mut [Running]) {
        let which = self.dice.roll(WRITERS);
        match self.dice.roll(6) {
            0 | 1 => {
                // Assigned first to the new one: the old is killed when it is dropped.
                writers[which] = self.writer();
            }
            2 => {
                let old = std::mem::replace(&mut writers[which], self.writer());
                self.ends_well("a writer", old.end().success());
            }
            3 => {
                let which = which % SUBSCRIPTIONS.len();
                consumers[which] = self.consumer(which);
            }
            4 => {
                let which = which % SUBSCRIPTIONS.len();
                let new = self.consumer(which);
                let old = std::mem::replace(&mut consumers[which], new);
                let status = old.stop();
                // One that has hardly begun does not listen yet.
                let is_well = status.success() || status.signal() == Some(libc::SIGTERM);
                self.ends_well("a consumer", is_well);
            }
            _ => {
                let found = self.program.run(self.root, &["verify"], "");
                if !found.status.success() {
                    self.wrong(format!("verify in use: {}{}", found.stdout, found.stderr));
                }
            }
        }
    }

    fn ends_well(&self, who: &str, is_well: bool) {
        if !is_well {
            self.wrong(format!("{who} did not end well"));
        }
    }

    fn wrong(&self, what: String) {
        self.history.lock().wrong.push(what);
    }
}

/// `seq` and `idx` of an event as it is printed.
pub fn position_of(event: &Value) -> Option<(u64, u64)> {
    let (seq, idx) = event["sequence"].as_str()?.split_once('-')?;
    Some((seq.parse().ok()?, idx.parse().ok()?))
}
