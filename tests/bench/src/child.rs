//! Parts that need a process of their own: this very program, started again.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::rows::{memory, open, processes, wake};

/// A child that answers in lines of JSON.
pub struct Other {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
}

impl Other {
    /// Starts it, and waits until it is ready.
    pub fn start(verb: &str, folder: &Path, words: &[String]) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["child", verb])
            .arg(folder)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let says = process.stdout.take().ok_or("no stdout")?;
        let hears = process.stdin.take().ok_or("no stdin")?;
        let mut other = Self { process, says: BufReader::new(says).lines(), hears };
        other.answer::<String>()?;
        Ok(other)
    }

    /// Lets it go on.
    pub fn go(&mut self) -> Result<()> {
        Ok(self.hears.write_all(b"go\n")?)
    }

    pub fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.says.next().ok_or("a child has ended early")??;
        Ok(serde_json::from_str(&line)?)
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Tells it that there is no more to do.
    pub fn end(self) -> Result<()> {
        let Self { mut process, hears, .. } = self;
        drop(hears);
        if process.wait()?.success() { Ok(()) } else { Err("a child has failed".into()) }
    }
}

/// Says something to the parent.
pub fn say(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

/// Waits for the parent's word; `false` when it has no more to say.
pub fn hear() -> Result<bool> {
    Ok(std::io::stdin().lock().read_line(&mut String::new())? > 0)
}

/// The child's side.
pub fn run(words: &[String]) -> Result<()> {
    let [verb, folder, rest @ ..] = words else {
        return Err("a child needs a verb and a folder".into());
    };
    let folder = Path::new(folder);
    let number = |at: usize| -> Result<usize> { Ok(rest.get(at).ok_or("too few words")?.parse()?) };
    match verb.as_str() {
        "commit" => processes::child(folder, number(0)?, Duration::from_millis(number(1)? as u64)),
        "listen" => wake::child(folder, number(0)?),
        "crash" => open::child(folder, number(0)?),
        "live" => memory::child(folder, number(0)?),
        other => Err(format!("no such child: {other}").into()),
    }
}
