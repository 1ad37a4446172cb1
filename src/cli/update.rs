//! `update`: read, filter through a command, commit if unchanged, again on conflict.

use std::io::Read;
use std::process::{ExitCode, Stdio};

use docbox::{Error, Key, Revision, Store, Transaction};

use super::args::Update;
use super::documents::{missing, print};
use super::failure::{Failure, Result};
use super::input::MAX_BYTES;
use super::output::Output;
use super::shell;

pub fn run(store: &Store, update: &Update, out: &mut Output) -> Result<ExitCode> {
    let key = Key::new(&update.key)?;
    loop {
        let old = store.get_bytes(&key)?.ok_or_else(|| missing(&key))?;
        let revision = Revision::of(&old);
        let new = filter(&update.exec, old)?;
        let transaction = Transaction::new().put_json_if(&key, revision, new)?;
        match store.commit(update.announce.add_to(transaction, &key)?) {
            Err(Error::Conflict { found: None, .. }) => return Err(missing(&key)),
            Err(Error::Conflict { .. }) => {}
            result => return print(out, &key, result),
        }
    }
}

/// What the command makes of a document.
fn filter(text: &str, input: Vec<u8>) -> Result<Vec<u8>> {
    let mut child = shell::spawn(shell::command(text).stdout(Stdio::piped()), input)?;
    let mut output = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(MAX_BYTES as u64).read_to_end(&mut output),
        None => Ok(0),
    };
    let status = child.wait().and_then(|status| read.map(|_| status)).map_err(|error| {
        Failure::Broken(format!(
            "could not hear what the command said: {error}; nothing was written"
        ))
    })?;
    if !status.success() {
        return Err(Failure::No(format!(
            "the command ended with {}; nothing was written: mend it and try again",
            shell::ended(status)
        )));
    }
    Ok(output)
}
