//! `status`: how the store is.

use std::process::ExitCode;

use docbox::{Store, SubscriptionStatus};

use super::failure::Result;
use super::output::{Output, say};
use super::subscriptions::{holds, paused};

pub fn run(store: &Store, out: &mut Output) -> Result<ExitCode> {
    let status = store.status()?;
    status.subscriptions.iter().for_each(warn);
    if out.is_json() {
        out.json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    let applied = status.applied.map_or_else(|| "unreadable".into(), |seq| seq.to_string());
    for (name, value) in [
        ("store", status.store),
        ("epoch", status.epoch.to_string()),
        ("root", status.root),
        ("head", status.head.to_string()),
        ("applied", applied),
        ("oldest", status.oldest.to_string()),
        ("segments", status.segments.to_string()),
        ("journal_bytes", status.journal_bytes.to_string()),
        ("documents", status.documents.to_string()),
        ("path", status.path.unwrap_or("not tried").to_owned()),
        ("drift", status.drift.to_string()),
        ("never_committed", status.never_committed.to_string()),
        ("strays", status.strays.to_string()),
    ] {
        out.line(&format!("{name}: {value}"))?;
    }
    for one in &status.subscriptions {
        out.line(&format!("subscription {}: {}", one.name, summary(one)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Until somebody goes on with it, or removes it.
fn warn(one: &SubscriptionStatus) {
    if let Some(holds) = holds(one) {
        let age = one
            .lag_age_s
            .map_or_else(String::new, |age_s| format!(", its oldest event {age_s:.0} s old"));
        say(&format!(
            "subscription `{}` {holds}{age}: let a consumer go on with it, or `docbox remove {}`",
            one.name, one.name
        ));
    }
}

fn summary(one: &SubscriptionStatus) -> String {
    if let Some(error) = &one.error {
        return error.clone();
    }
    let place = match one.position {
        Some(position) => format!("at {position}, lag {} events", one.lag_events),
        None => "its cursor is unreadable".to_owned(),
    };
    let age =
        one.lag_age_s.map_or_else(String::new, |age_s| format!(", the oldest {age_s:.0} s old"));
    let consumer = one.pid.map_or_else(String::new, |pid| format!(", consumed by process {pid}"));
    let pause =
        one.paused.as_ref().map_or_else(String::new, |pause| format!(", {}", paused(pause)));
    place + &age + &consumer + &pause
}
