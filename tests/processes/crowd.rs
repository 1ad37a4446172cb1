//! Many processes whose lines come in at one place, in the order in which they are heard.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Guarded, program, signal};

/// Which process: counted up in the order of their starts.
pub type Id = usize;

/// Processes of the program on one store.
pub struct Crowd {
    root: PathBuf,
    alive: BTreeMap<Id, Member>,
    /// Those of which more can still be heard.
    heard: BTreeSet<Id>,
    started: Id,
    /// Those that killed themselves.
    died: Vec<Id>,
    /// Those that said half a line: only who was killed may.
    cut: Vec<Id>,
    /// Everything on stderr, for the message of a test that fails.
    errors: String,
    sender: Sender<(Id, Said)>,
    said: Receiver<(Id, Said)>,
}

struct Member {
    child: Guarded,
    stdin: Option<ChildStdin>,
}

enum Said {
    Out(String),
    Err(String),
    /// stdout was closed: that was all.
    End,
}

impl Crowd {
    pub fn new(root: &Path) -> Self {
        let (sender, said) = channel();
        Self {
            root: root.to_owned(),
            alive: BTreeMap::new(),
            heard: BTreeSet::new(),
            started: 0,
            died: Vec::new(),
            cut: Vec::new(),
            errors: String::new(),
            sender,
            said,
        }
    }

    pub fn start(&mut self, args: &[&str]) -> Id {
        let mut command = program(&self.root, args);
        self.start_command(&mut command)
    }

    pub fn start_command(&mut self, command: &mut Command) -> Id {
        let id = self.started;
        self.started += 1;
        let mut child = Guarded::start(command);
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        pass_on(stdout, id, Said::Out, Some(Said::End), self.sender.clone());
        pass_on(stderr, id, Said::Err, None, self.sender.clone());
        let stdin = child.stdin.take();
        self.alive.insert(id, Member { child, stdin });
        self.heard.insert(id);
        id
    }

    /// What is given must fit into a pipe beside what was not answered yet.
    pub fn give(&mut self, id: Id, text: &str) {
        let stdin = self.member(id).stdin.as_mut().expect("stdin is open");
        // That it has ended is heard from its stdout, and there it is judged.
        let _ = stdin.write_all(text.as_bytes());
    }

    /// SIGSTOP: it stays where it is, with all its locks.
    pub fn stop(&mut self, id: Id) {
        self.signal(id, Signal::STOP);
    }

    /// SIGCONT.
    pub fn wake(&mut self, id: Id) {
        self.signal(id, Signal::CONT);
    }

    fn signal(&mut self, id: Id, signal: Signal) {
        // Not waited for yet, so that its pid is still its own.
        let pid = Pid::from_child(&self.member(id).child);
        kill_process(pid, signal).expect("it is a child");
    }

    /// Those that killed themselves since this was asked last.
    pub fn died(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.died)
    }

    /// SIGKILL, at whatever instruction it is. What it has said until then is still to be heard.
    pub fn kill(&mut self, id: Id) {
        self.member(id).child.kill();
        self.alive.remove(&id);
    }

    /// The end of its input.
    pub fn end_input(&mut self, id: Id) {
        self.member(id).stdin = None;
    }

    pub fn terminate(&mut self, id: Id) {
        signal(&self.member(id).child, "TERM");
    }

    fn member(&mut self, id: Id) -> &mut Member {
        self.alive.get_mut(&id).expect("it is alive")
    }

    /// Whether all that the killed ever said was heard.
    pub fn has_heard_the_dead(&self) -> bool {
        self.heard.iter().all(|id| self.alive.contains_key(id))
    }

    /// The next line of JSON on any stdout; `None` when nothing is said until then. What a killed process
    /// left of its last line counts for nothing.
    pub fn next(&mut self, until: Instant) -> Option<(Id, Value)> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok((id, Said::Out(line))) => match serde_json::from_str(&line) {
                    Ok(value) => return Some((id, value)),
                    // Else it is what the test runner says of itself.
                    Err(error) if line.starts_with('{') => {
                        let why = error.to_string();
                        self.errors.extend([&*id.to_string(), ": ", &why, ": ", &line, "\n"]);
                        self.cut.push(id);
                    }
                    Err(_) => {}
                },
                Ok((id, Said::Err(line))) => {
                    self.errors.extend([&*id.to_string(), ": ", &line, "\n"]);
                }
                Ok((id, Said::End)) => {
                    self.heard.remove(&id);
                    if let Some(mut member) = self.alive.remove(&id) {
                        let status = member.child.wait().expect("it has ended");
                        if status.signal() == Some(9) {
                            self.died.push(id);
                            return None;
                        }
                        assert!(status.success(), "process {id}: {status}; {}", self.errors);
                        let is_cut = self.cut.contains(&id);
                        assert!(!is_cut, "process {id} said half a line; {}", self.errors);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => unreachable!("a sender is in the crowd"),
            }
        }
    }

    /// Whether a process goes on.
    pub fn is_alive(&self, id: Id) -> bool {
        self.alive.contains_key(&id)
    }

    pub fn errors(&self) -> &str {
        &self.errors
    }
}

fn pass_on(
    pipe: impl Read + Send + 'static,
    id: Id,
    as_said: impl Fn(String) -> Said + Send + 'static,
    at_end: Option<Said>,
    sender: Sender<(Id, Said)>,
) {
    thread::spawn(move || {
        let lines = BufReader::new(pipe).lines().map_while(Result::ok).map(as_said);
        for said in lines.chain(at_end) {
            if sender.send((id, said)).is_err() {
                return;
            }
        }
    });
}
