//! `subscriptions`: how far each is, and who consumes it.

use std::process::ExitCode;

use comfy_table::{CellAlignment, Table, presets};
use docbox::{Pause, Store, SubscriptionStatus, escaped};

use super::failure::Result;
use super::output::Output;

pub fn list(store: &Store, out: &mut Output) -> Result<ExitCode> {
    let all = store.subscriptions()?;
    if out.is_json() {
        all.iter().try_for_each(|one| out.json(one))?;
    } else if out.is_for_people() {
        if !all.is_empty() {
            out.bytes(table(&all).to_string().as_bytes())?;
            out.bytes(b"\n")?;
        }
    } else {
        all.iter().try_for_each(|one| out.cells(&cells(one)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(all: &[SubscriptionStatus]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["name", "position", "lag", "age", "consumer", "note"]);
    for one in all {
        table.add_row(cells(one).map(|cell| escaped(&cell).into_owned()));
    }
    if let Some(lag) = table.column_mut(2) {
        lag.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Name, position, lag in events, age of the oldest of them, pid of the consumer, what is wrong or why nothing
/// is handed over.
fn cells(one: &SubscriptionStatus) -> [String; 6] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        one.name.clone(),
        or_none(one.position.map(|position| position.to_string())),
        one.lag_events.to_string(),
        or_none(one.lag_age_s.map(|age_s| format!("{age_s:.0} s"))),
        or_none(one.pid.map(|pid| pid.to_string())),
        or_none(one.error.clone().or_else(|| one.paused.as_ref().map(paused))),
    ]
}

/// That it is paused, until when and why.
pub fn paused(pause: &Pause) -> String {
    let until = pause.until.map_or_else(String::new, |until| format!(" until {until:.0}"));
    let reason = pause.reason.as_deref().map_or_else(String::new, |why| format!(": {why}"));
    format!("paused{until}{reason}")
}
