//! `reset`, `pause`, `resume`, `rename`, `remove`: telling a subscription what to do, whoever consumes it.

use std::process::ExitCode;

use docbox::{Gap, Pause, Position, Store};
use serde::Serialize;

use super::failure::Result;
use super::output::Output;
use super::start::StartArg;
use super::subscriptions::paused;
use super::time::TimeArg;

/// What became of a subscription.
#[derive(Default, Serialize)]
#[expect(clippy::option_option, reason = "absent and `null` are not the same")]
struct Told<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    /// `null` once it is resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<Option<&'a Pause>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<bool>,
}

fn say(out: &mut Output, told: &Told<'_>, rest: &str) -> Result<ExitCode> {
    if out.is_json() {
        out.json(told)?;
    } else {
        out.line(&format!("{} {rest}", told.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn reset(
    store: &Store,
    name: &str,
    to: StartArg,
    accept_gap: bool,
    out: &mut Output,
) -> Result<ExitCode> {
    let (position, gap) = if accept_gap {
        store.reset_over_gap(name, to.0)?
    } else {
        (store.reset(name, to.0)?, None)
    };
    let told = Told { name, position: Some(position), gap, ..Told::default() };
    say(out, &told, &position.to_string())
}

pub fn pause(
    store: &Store,
    name: &str,
    reason: Option<&str>,
    until: Option<TimeArg>,
    out: &mut Output,
) -> Result<ExitCode> {
    store.pause(name, reason, until.map(|until| until.0))?;
    let all = store.subscriptions()?;
    let pause = all.into_iter().find(|one| one.name == name).and_then(|one| one.paused);
    let told = Told { name, paused: Some(pause.as_ref()), ..Told::default() };
    say(out, &told, &pause.as_ref().map_or_else(|| "paused".to_owned(), paused))
}

pub fn resume(store: &Store, name: &str, out: &mut Output) -> Result<ExitCode> {
    store.resume(name)?;
    say(out, &Told { name, paused: Some(None), ..Told::default() }, "resumed")
}

pub fn rename(store: &Store, old: &str, new: &str, out: &mut Output) -> Result<ExitCode> {
    store.rename(old, new)?;
    let told = Told { name: new, renamed_from: Some(old), ..Told::default() };
    say(out, &told, &format!("was {old}"))
}

pub fn remove(store: &Store, name: &str, out: &mut Output) -> Result<ExitCode> {
    store.remove(name)?;
    say(out, &Told { name, removed: Some(true), ..Told::default() }, "removed")
}
