//! `commit`: one transaction as JSON.

use std::process::ExitCode;

use docbox::{Error, Store, Transaction};

use super::answer;
use super::failure::{Result, code_of};
use super::input::Source;
use super::output::Output;

pub fn run(store: &Store, source: &Source, out: &mut Output) -> Result<ExitCode> {
    let text = source.read()?;
    let (transaction, reference) = match Transaction::from_json(&text) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(out, error, None),
    };
    drop(text);
    match store.commit(transaction) {
        Ok(commit) => answer::committed(out, &commit, reference.as_deref())?,
        Err(error) => return refuse(out, error, reference.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

/// For programs on stdout, for people on stderr. What the store or the disk failed in is no refusal.
fn refuse(out: &mut Output, error: Error, reference: Option<&str>) -> Result<ExitCode> {
    if code_of(&error) < 3 {
        answer::refused(out, &error, None, reference)?;
    }
    Err(error.into())
}
