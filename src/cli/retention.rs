//! `retention`: what is kept of the journal.

use std::process::ExitCode;

use docbox::{Limits, Retain, Store};

use super::args::Retention;
use super::failure::Result;
use super::output::Output;

pub fn run(store: &Store, args: Retention, out: &mut Output) -> Result<ExitCode> {
    let Retention { age, bytes, keep_all, archive, gzip, default } = args;
    let is_told = age.is_some() || bytes.is_some() || keep_all || archive.is_some() || default;
    if is_told {
        let age_s = age.map(|age| age.as_secs());
        store.retain_as(Retain { age_s, bytes, keep_all, archive, gzip })?;
    }
    let retain = store.retained()?;
    if out.is_json() {
        out.json(&retain)?;
        return Ok(ExitCode::SUCCESS);
    }
    let defaults = Limits::default();
    let age_s = retain.age_s.unwrap_or(defaults.retain_age.as_secs());
    let kept = if retain.keep_all {
        "everything".to_owned()
    } else {
        format!("{age_s} s, at most {} bytes", retain.bytes.unwrap_or(defaults.retain_bytes))
    };
    out.line(&format!("keeps: {kept}, and what subscriptions have not settled"))?;
    let compressed = if retain.gzip { ", compressed" } else { "" };
    let archive = retain.archive.map_or("none".to_owned(), |folder| folder + compressed);
    out.line(&format!("archive: {archive}"))?;
    Ok(ExitCode::SUCCESS)
}
