//! Commands of the user's own, run by the shell.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use super::failure::{Failure, Result};

/// A command for the shell, with something to read on its stdin. It inherits no lock: every file of the
/// store is closed when it starts.
pub fn command(text: &str) -> Command {
    let mut command = if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.arg("/C");
        command
    } else {
        let mut command = Command::new("sh");
        command.arg("-c");
        command
    };
    command.arg(text).stdin(Stdio::piped());
    command
}

/// Makes it the first of a group of its own, so that [`kill_all`] ends whatever it started.
pub fn apart(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(not(unix))]
    let _ = command;
}

/// Ends a command of a group of its own, and whatever it started.
pub fn kill_all(child: &mut Child) {
    #[cfg(unix)]
    {
        let group = format!("kill -KILL -{}", child.id());
        let _ = Command::new("sh").arg("-c").arg(group).stderr(Stdio::null()).status();
    }
    // It may have ended by now.
    let _ = child.kill();
}

/// Starts it with `input` on its stdin.
pub fn spawn(command: &mut Command, input: Vec<u8>) -> Result<Child> {
    let cannot = |error: std::io::Error| {
        Failure::Broken(format!("could not run the shell: {error}; is `sh` in the PATH?"))
    };
    let mut child = command.spawn().map_err(cannot)?;
    if let Some(mut stdin) = child.stdin.take() {
        // On a thread of its own, because the command may print before it has read everything; and not
        // waited for, because it need not read at all. Then the pipe breaks, which is its business.
        let feed = move || drop(stdin.write_all(&input));
        if let Err(error) = thread::Builder::new().name("docbox-feed".into()).spawn(feed) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::Broken(format!(
                "could not start a thread: {error}; try again later"
            )));
        }
    }
    Ok(child)
}

/// How it ended, in words.
pub fn ended(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit status {code}"))
}
