//! `wait` and `drain`: until subscriptions are settled, whoever consumes them.

use std::process::ExitCode;
use std::time::Duration;

use docbox::{Position, Store};
use serde::Serialize;

use super::failure::{Failure, Result};
use super::output::Output;

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    position: Option<Position>,
    settled: bool,
}

pub fn wait(
    store: &Store,
    name: &str,
    position: &str,
    timeout: Option<Duration>,
    out: &mut Output,
) -> Result<ExitCode> {
    let target = position.parse()?;
    let settled = store.wait_for(name, target, timeout.unwrap_or(Duration::MAX))?;
    say(store, &[name.to_owned()], &[settled], out)?;
    end(settled, &format!("subscription `{name}` has not settled {target} in time"))
}

pub fn drain(
    store: &Store,
    names: &[String],
    timeout: Option<Duration>,
    out: &mut Output,
) -> Result<ExitCode> {
    let all = store.drain(names, timeout.unwrap_or(Duration::MAX))?;
    let lags = store.subscriptions()?;
    let settled = |name: &String| {
        all || lags
            .iter()
            .any(|one| one.name == *name && one.lag_events == 0 && one.error.is_none())
    };
    let settled: Vec<bool> = names.iter().map(settled).collect();
    say(store, names, &settled, out)?;
    let late = names.iter().zip(&settled).filter(|(_, settled)| !**settled);
    let late: Vec<&str> = late.map(|(name, _)| name.as_str()).collect();
    end(all, &format!("not settled in time: {}", late.join(", ")))
}

fn say(store: &Store, names: &[String], settled: &[bool], out: &mut Output) -> Result<()> {
    let all = store.subscriptions()?;
    for (name, settled) in names.iter().zip(settled) {
        let one = all.iter().find(|one| one.name == *name);
        let position = one.and_then(|one| one.position);
        if out.is_json() {
            out.json(&Answer { name, position, settled: *settled })?;
        } else {
            let place = position.map_or_else(|| "-".to_owned(), |position| position.to_string());
            out.line(&format!("{name} {place}"))?;
        }
    }
    Ok(())
}

fn end(settled: bool, late: &str) -> Result<ExitCode> {
    if settled {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::No(format!(
        "{late}; `docbox subscriptions` shows how far each is, whether it is paused, and who consumes it"
    )))
}
