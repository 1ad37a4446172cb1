//! `subscriptions`: how far each is, and who consumes it.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use docbox::{Pause, Store, SubscriptionStatus, escaped};

use super::failure::Result;
use super::output::Output;
use super::stop;

/// Between two looks, where somebody is at work or it is watched.
const BETWEEN: Duration = Duration::from_millis(500);
const WATCH: Duration = Duration::from_secs(1);
/// Clears a terminal.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

pub fn list(store: &Store, watch: bool, out: &mut Output) -> Result<ExitCode> {
    let mut meter = store.meter();
    let stop = if watch { Some(stop::flag()?) } else { None };
    let mut all = meter.look()?;
    if !watch && all.iter().any(|one| one.pid.is_some() && one.lag_events > 0) {
        thread::sleep(BETWEEN);
        all = meter.look()?;
    }
    loop {
        if watch && out.is_for_people() {
            out.bytes(CLEAR)?;
        }
        print(&all, out)?;
        let Some(stop) = &stop else { return Ok(ExitCode::SUCCESS) };
        out.flush()?;
        let begun = Instant::now();
        while begun.elapsed() < WATCH {
            if stop.load(Ordering::Acquire) {
                return Ok(ExitCode::SUCCESS);
            }
            thread::sleep(WATCH / 20);
        }
        all = meter.look()?;
    }
}

fn print(all: &[SubscriptionStatus], out: &mut Output) -> Result<()> {
    if out.is_json() {
        all.iter().try_for_each(|one| out.json(one))?;
    } else if out.is_for_people() {
        if !all.is_empty() {
            out.bytes(table(all).to_string().as_bytes())?;
            out.bytes(b"\n")?;
        }
    } else {
        all.iter().try_for_each(|one| out.cells(&cells(one)))?;
    }
    Ok(())
}

fn table(all: &[SubscriptionStatus]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "name",
        "position",
        "lag",
        "age",
        "consumer",
        "note",
        "rate",
        "catches up",
        "attempts",
        "dead",
    ]);
    for one in all {
        table.add_row(cells(one).map(|cell| escaped(&cell).into_owned()));
    }
    if let Some(lag) = table.column_mut(2) {
        lag.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Name, position, lag in events, age of the oldest of them, pid of the consumer, what is to be said, how many it
/// settles in a second, when it has caught up, attempts at the first that is not settled, dead letters.
fn cells(one: &SubscriptionStatus) -> [String; 10] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        one.name.clone(),
        or_none(one.position.map(|position| position.to_string())),
        one.lag_events.to_string(),
        or_none(one.lag_age_s.map(|age_s| format!("{age_s:.0} s"))),
        or_none(one.pid.map(|pid| pid.to_string())),
        or_none(note(one)),
        or_none(one.rate_per_s.map(|rate_per_s| format!("{rate_per_s:.0}/s"))),
        or_none(one.catch_up_s.map(|catch_up_s| format!("in {catch_up_s:.0} s"))),
        one.attempt.to_string(),
        one.dead.to_string(),
    ]
}

fn note(one: &SubscriptionStatus) -> Option<String> {
    let paused = || one.paused.as_ref().map(paused);
    one.error.clone().or_else(paused).or_else(|| failing(one)).or_else(|| holds(one))
}

/// What holds it up: each subject that is blocked and why, or the last error.
fn failing(one: &SubscriptionStatus) -> Option<String> {
    let blocked = one.blocked.iter().map(|blocked| {
        let what = blocked.subject.clone().unwrap_or_else(|| blocked.position.to_string());
        format!("{what} is blocked (attempt {}: {})", blocked.attempt, blocked.error)
    });
    let blocked: Vec<String> = blocked.collect();
    if blocked.is_empty() { one.last_error.clone() } else { Some(blocked.join("; ")) }
}

/// That it keeps more of the journal than would be there without it, how much, and since when.
pub fn holds(one: &SubscriptionStatus) -> Option<String> {
    if one.held_bytes == 0 {
        return None;
    }
    let since = one
        .retention_s
        .filter(|retention_s| *retention_s < 0.0)
        .map_or_else(String::new, |retention_s| {
            format!(" for {:.0} s longer than all else", -retention_s)
        });
    let who = if one.pid.is_some() { "" } else { ", and nobody consumes it" };
    Some(format!("keeps {} bytes of the journal{since}{who}", one.held_bytes))
}

/// That it is paused, until when and why.
pub fn paused(pause: &Pause) -> String {
    let until = pause.until.map_or_else(String::new, |until| format!(" until {until:.0}"));
    let reason = pause.reason.as_deref().map_or_else(String::new, |why| format!(": {why}"));
    format!("paused{until}{reason}")
}
