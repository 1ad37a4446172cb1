//! The program, as a child that never outlives this one.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// Where the program is.
#[derive(Clone)]
pub struct Program(pub PathBuf);

/// What a run came to.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    fn command(&self, at: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(args).arg("--store").arg(at).env_remove("DOCBOX_LOG");
        command
    }

    /// Runs it to its end.
    pub fn run(&self, at: &Path, args: &[&str], stdin: &str) -> Outcome {
        let mut command = self.command(at, args);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // What is given is smaller than a pipe, or read at once; it may end without having read it.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts it; `hear` gets each line of its stdout as soon as it is there.
    pub fn start(
        &self,
        at: &Path,
        args: &[&str],
        mut hear: impl FnMut(&str) + Send + 'static,
        mut complain: impl FnMut(&str) + Send + 'static,
    ) -> Running {
        let mut command = self.command(at, args);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let answers = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&answers);
        let stdout = read(child.stdout.take().expect("a pipe"), move |line| {
            hear(line);
            counter.fetch_add(1, Ordering::Release);
        });
        let stderr = read(child.stderr.take().expect("a pipe"), move |line| complain(line));
        let stdin = child.stdin.take();
        Running { child, stdin, answers, asked: 0, readers: vec![stdout, stderr] }
    }
}

fn read(
    pipe: impl Read + Send + 'static,
    mut hear: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        // A line that a kill has cut says nothing.
        while pipe.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
            hear(&line);
            line.clear();
        }
    })
}

/// A program that runs.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Arc<AtomicUsize>,
    asked: usize,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Gives a line; false when it is not there any more.
    pub fn give(&mut self, line: &str) -> bool {
        self.asked += 1;
        self.stdin.as_mut().is_some_and(|stdin| stdin.write_all(line.as_bytes()).is_ok())
    }

    /// Lines without an answer yet.
    pub fn waiting(&self) -> usize {
        self.asked - self.answers.load(Ordering::Acquire).min(self.asked)
    }

    /// Ends it by the end of its input, and waits for it.
    pub fn end(mut self) -> ExitStatus {
        self.stdin = None;
        let status = self.child.wait().expect("it ends");
        self.join();
        status
    }

    /// SIGTERM: a clean stop.
    pub fn stop(self) -> ExitStatus {
        let id = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child was not waited for yet, so the id is its own.
        unsafe { libc::kill(id, libc::SIGTERM) };
        self.end()
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// SIGKILL, at whatever instruction it is; nothing is left of it that could speak.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join();
    }
}
