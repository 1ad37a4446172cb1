//! The program as a child that never outlives its test, and a store in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// No wait of these tests is longer; a machine that is merely slow is well below.
pub const LIMIT: Duration = Duration::from_mins(2);

/// The program, without whatever this environment says of stores.
pub fn program(at: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docbox"));
    command.args(args).current_dir(at).env_remove("DOCBOX_STORE").env_remove("DOCBOX_LOG");
    command
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the program was killed"),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

impl Outcome {
    /// stdout of a run that must have done what it was asked to.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// stderr of a run that must have ended with this code, with nothing said on stdout.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(!self.stderr.is_empty(), "a failure says why");
        self.stderr
    }

    /// stdout as JSON, one object a line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        json(&self.stdout)
    }
}

#[track_caller]
pub fn json(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// A child that is killed and reaped when it is dropped: no test leaves a process behind.
#[derive(Debug)]
pub struct Guarded(Child);

impl Guarded {
    /// Starts a command with all three pipes.
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the program starts"))
    }

    /// SIGKILL, at whatever instruction it is.
    pub fn kill(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }
}

impl Deref for Guarded {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command, stdin: &[u8]) -> Outcome {
    run_to_end(command, stdin).into()
}

/// Runs a command that may be killed to its end.
#[track_caller]
pub fn run_to_end(command: &mut Command, stdin: &[u8]) -> Output {
    let mut child = Guarded::start(command);
    let mut pipe = child.stdin.take().expect("stdin is a pipe");
    let stdin = stdin.to_vec();
    // The program may end without having read it all.
    let feed = thread::spawn(move || drop(pipe.write_all(&stdin)));
    let stdout = whole(child.stdout.take().expect("stdout is a pipe"));
    let stderr = whole(child.stderr.take().expect("stderr is a pipe"));
    let stdout = stdout.recv_timeout(LIMIT).expect("the program ends");
    let stderr = stderr.recv_timeout(LIMIT).expect("the program ends");
    let status = child.wait().expect("the program ends");
    feed.join().expect("the feeding thread ends");
    Output { status, stdout, stderr }
}

fn whole(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, all) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        // Nobody waits any more when the test has failed.
        let _ = sender.send(bytes);
    });
    all
}

/// A store.
#[derive(Debug)]
pub struct Tavern {
    _folder: TempDir,
    pub root: PathBuf,
}

impl Tavern {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path").join("tavern");
        fs::create_dir(&root).expect("a folder");
        let tavern = Self { _folder: folder, root };
        tavern.run(&["init"]).ok();
        tavern
    }

    /// One with events 1-0 … n-0 of type `Turn`, each with a document.
    pub fn with_turns(count: usize) -> Self {
        use std::fmt::Write as _;

        let tavern = Self::new();
        let mut lines = String::new();
        for turn in 1..=count {
            writeln!(
                lines,
                r#"{{"writes":[{{"key":"turns/{turn}","doc":{turn}}}],"events":[{{"type":"Turn","subject":"turns/{turn}","data":{turn}}}]}}"#
            )
            .expect("memory");
        }
        tavern.run_with(&["commit", "--lines"], lines).ok();
        tavern
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, "")
    }

    #[track_caller]
    pub fn run_with(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> Outcome {
        run(&mut program(&self.root, args), stdin.as_ref())
    }

    /// The program, left running.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut program(&self.root, args))
    }

    pub fn home(&self) -> PathBuf {
        self.root.join(".docbox")
    }

    pub fn segment(&self) -> PathBuf {
        self.home().join("journal/0000000000000001.jsonl")
    }

    /// Where line `number` (from 1) of the journal begins and ends, its line end excluded.
    pub fn line(&self, number: usize) -> (usize, usize) {
        let bytes = fs::read(self.segment()).expect("the journal");
        let mut start = 0;
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if at + 1 == number {
                return (start, start + line.len());
            }
            start += line.len() + 1;
        }
        panic!("the journal has no line {number}")
    }

    /// Changes one byte in the middle of a line of the journal; where the line begins.
    pub fn damage_line(&self, number: usize) -> usize {
        let (start, end) = self.line(number);
        let mut bytes = fs::read(self.segment()).expect("the journal");
        bytes[usize::midpoint(start, end)] ^= 1;
        fs::write(self.segment(), bytes).expect("the journal");
        start
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    child: Guarded,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = Guarded::start(command);
        let stdin = child.stdin.take();
        let stdout = lines_of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = lines_of(child.stderr.take().expect("stderr is a pipe"));
        Self { child, stdin, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn give(&mut self, text: &str) {
        self.stdin.as_mut().expect("stdin is open").write_all(text.as_bytes()).expect("it reads");
    }

    /// The next line on stdout.
    #[track_caller]
    pub fn line(&self) -> String {
        self.stdout.recv_timeout(LIMIT).expect("a line on stdout")
    }

    /// Waits until it says something on stderr.
    #[track_caller]
    pub fn says(&self, what: &str) {
        while !self.stderr.recv_timeout(LIMIT).expect(what).contains(what) {}
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// SIGKILL, at whatever instruction it is.
    pub fn kill(mut self) {
        self.child.kill();
    }

    /// How it ended, with what it still said.
    pub fn end(mut self) -> Outcome {
        self.stdin = None;
        self.end_with_stdin_open()
    }

    /// How it ended of itself.
    pub fn end_with_stdin_open(mut self) -> Outcome {
        let rest = |lines: &Receiver<String>| {
            let mut all = String::new();
            loop {
                match lines.recv_timeout(LIMIT) {
                    Ok(line) => all = all + &line + "\n",
                    Err(RecvTimeoutError::Disconnected) => return all,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end: {all}"),
                }
            }
        };
        let (stdout, stderr) = (rest(&self.stdout), rest(&self.stderr));
        let status = self.child.wait().expect("it ends");
        Outcome { code: status.code().expect("it was killed"), stdout, stderr }
    }
}

/// Sends a signal to a child that was not waited for yet, so that its pid is still its own.
#[cfg(unix)]
pub fn signal(child: &Child, name: &str) {
    let text = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &text]).status();
    assert!(status.expect("kill").success());
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
