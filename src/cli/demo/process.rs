//! A process of the demo: this very program, run with a public verb, its output read line by line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use docbox::{Error, Result};
use jiff::Timestamp;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Writer,
    /// One of the subscriptions.
    Consumer(usize),
}

/// What was heard of a process.
pub struct Heard {
    pub who: Who,
    /// When the line was read.
    pub at: Timestamp,
    pub what: What,
}

/// A line of its output, a line of its warnings, or the end of its output.
pub enum What {
    Line(String),
    Warning(String),
    Ended,
}

/// How this program is run on the demo's store.
pub struct Program {
    path: PathBuf,
    store: PathBuf,
}

impl Program {
    /// The program that runs now.
    pub fn this(store: &Path) -> Result<Self> {
        let path = std::env::current_exe().map_err(|source| Error::Io {
            doing: "find the path of",
            path: "docbox".into(),
            source,
        })?;
        Ok(Self { path, store: store.to_owned() })
    }

    /// `docbox --store DIR …`.
    pub fn verb(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.arg("--store").arg(&self.store).args(arguments).stdin(Stdio::null());
        // A group of its own: Ctrl-C reaches the demo, which then ends its processes itself.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    /// Runs a verb to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<std::process::Output> {
        self.verb(arguments).output().map_err(|source| self.failed("run", source))
    }

    /// Starts a process whose output goes to `heard`.
    pub fn start(&self, who: Who, arguments: &[&str], heard: &Sender<Heard>) -> Result<Process> {
        let mut command = self.verb(arguments);
        if who == Who::Writer {
            command.stdin(Stdio::piped());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.failed("start", source))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Held from here on, so that the child ends with the demo whatever comes.
        let process = Process { child, stdin, is_ending: false, has_ended: false };
        let tell = |what: fn(String) -> What| {
            let heard = heard.clone();
            move |line| heard.send(Heard { who, at: Timestamp::now(), what: what(line) }).is_ok()
        };
        if let Some(stderr) = stderr {
            let tell = tell(What::Warning);
            thread::spawn(move || listen(stderr, tell));
        }
        if let Some(stdout) = stdout {
            let (tell, heard) = (tell(What::Line), heard.clone());
            thread::spawn(move || {
                listen(stdout, tell);
                // Nobody listens any more when the demo itself has ended.
                let _ = heard.send(Heard { who, at: Timestamp::now(), what: What::Ended });
            });
        }
        Ok(process)
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Io { doing, path: self.path.clone(), source }
    }
}

/// Passes on each whole line. What a killed process left of its last line counts for nothing: it was
/// not handed over, as it was not acknowledged.
fn listen(from: impl Read, tell: impl Fn(String) -> bool) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if line.pop() != Some(b'\n') || !tell(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
        line.clear();
    }
}

/// A child that ends with the demo.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Whether it was killed, or told that there is no more to come.
    pub is_ending: bool,
    /// Whether the end of its output was heard.
    pub has_ended: bool,
}

impl Process {
    /// Hands it a line.
    pub fn give(&mut self, line: &str) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        stdin.write_all(format!("{line}\n").as_bytes())
    }

    /// Tells it that there is no more to come.
    pub fn close(&mut self) {
        self.stdin = None;
        self.is_ending = true;
    }

    /// SIGKILL; it is gone when this returns.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.close();
        self.child.kill()?;
        self.child.wait()
    }

    /// Waits for its end, which is near: its output has ended.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for a child that is gone already, which is what is wanted.
        let _ = self.kill();
    }
}
