//! `put`, `get`, `rm`, `ls`: documents one by one.

use std::process::ExitCode;

use docbox::{Commit, Error, Key, Revision, Store, Transaction, layout};
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer;
use super::args::{Put, Rm};
use super::failure::{Failure, Result};
use super::input::Source;
use super::output::Output;

pub fn put(store: &Store, put: &Put, out: &mut Output) -> Result<ExitCode> {
    let key = Key::new(&put.key)?;
    let expected: Option<Revision> = put.if_revision.as_deref().map(str::parse).transpose()?;
    let text = Source::new(put.file.as_deref()).read()?;
    let transaction = match expected {
        Some(revision) => Transaction::new().put_json_if(&key, revision, text)?,
        None if put.if_absent => Transaction::new().put_json_new(&key, text)?,
        None => Transaction::new().put_json(&key, text)?,
    };
    let result = store.commit(put.announce.add_to(transaction, &key)?);
    print(out, &key, result)
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a Key,
    revision: Revision,
    value: &'a RawValue,
}

pub fn get(store: &Store, key: &str, out: &mut Output) -> Result<ExitCode> {
    let key = Key::new(key)?;
    let bytes = store.get_bytes(&key)?.ok_or_else(|| missing(&key))?;
    if !out.is_json() {
        out.bytes(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let unreadable = |what: String| {
        // Not what was given is wrong, but what lies in the folder.
        Failure::Broken(format!(
            "the file of `{key}` is no JSON ({what}); mend it, or write it anew with `docbox put`"
        ))
    };
    let text = layout::compact(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    out.json(&Shown { key: &key, revision: Revision::of(&bytes), value })?;
    Ok(ExitCode::SUCCESS)
}

pub fn rm(store: &Store, rm: &Rm, out: &mut Output) -> Result<ExitCode> {
    let key = Key::new(&rm.key)?;
    let expected: Option<Revision> = rm.if_revision.as_deref().map(str::parse).transpose()?;
    loop {
        let revision = match expected {
            Some(revision) => revision,
            None => Revision::of(&store.get_bytes(&key)?.ok_or_else(|| missing(&key))?),
        };
        let transaction = Transaction::new().remove_if(&key, revision)?;
        match store.commit(rm.announce.add_to(transaction, &key)?) {
            // Written by somebody else since the look: look again.
            Err(Error::Conflict { .. }) if expected.is_none() => {}
            result => return print(out, &key, result),
        }
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    key: &'a Key,
}

pub fn ls(store: &Store, prefix: &str, out: &mut Output) -> Result<ExitCode> {
    for key in store.list(prefix)? {
        if out.is_json() {
            out.json(&Listed { key: &key })?;
        } else {
            out.line(key.as_str())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what became of a commit of one document: its seq, and the document's new revision (`-` when
/// it was deleted).
pub fn print(out: &mut Output, key: &Key, result: docbox::Result<Commit>) -> Result<ExitCode> {
    match result {
        Ok(commit) if out.is_json() => answer::committed(out, &commit, None)?,
        Ok(commit) => {
            let revision = commit
                .revision(key.as_str())
                .map_or_else(|| "-".into(), |revision| revision.to_string());
            out.line(&format!("{} {revision}", commit.seq()))?;
            out.flush()?;
        }
        Err(error) => {
            if out.is_json() && super::failure::code_of(&error) < 3 {
                answer::refused(out, &error, None, None)?;
            }
            return Err(error.into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What to say when there is no such document.
pub fn missing(key: &Key) -> Failure {
    Failure::No(format!("there is no document `{key}`; `docbox ls` lists those that are there"))
}
