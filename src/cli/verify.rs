//! `verify`: reads everything and says what is wrong.

use std::borrow::Cow;
use std::process::ExitCode;

use docbox::{Finding, Report, Severity, Store};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::failure::Result;
use super::output::{Output, say};

#[derive(Serialize)]
struct Found<'a> {
    severity: &'static str,
    path: Cow<'a, str>,
    what: &'a str,
}

pub fn run(store: &Store, out: &mut Output) -> Result<ExitCode> {
    // On stderr, and hidden where that is no terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("verifying: {bytes} of journal read, {elapsed}")
    {
        bar.set_style(style);
    }
    let report = store.verify_with(&mut |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let report = report?;
    for finding in &report.findings {
        print(out, finding)?;
    }
    out.flush()?;
    say(&summary(&report));
    Ok(ExitCode::from(match report.worst() {
        Some(Severity::Damage) => 3,
        Some(Severity::Drift) => 1,
        Some(Severity::Note) | None => 0,
    }))
}

fn print(out: &mut Output, finding: &Finding) -> Result<()> {
    if !out.is_json() {
        return out.line(&finding.to_string());
    }
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Drift => "drift",
        Severity::Damage => "damage",
    };
    out.json(&Found { severity, path: finding.path.to_string_lossy(), what: &finding.what })
}

fn summary(report: &Report) -> String {
    let Report { commits, events, documents, subscriptions, .. } = report;
    let verdict = match report.worst() {
        Some(Severity::Damage) => {
            "damaged: keep a copy, then restore what is named above from a backup"
        }
        Some(Severity::Drift) => {
            "documents differ from what was committed; commit them as they are with `docbox put`, or put back what was"
        }
        Some(Severity::Note) | None => "sound",
    };
    format!(
        "read {commits} commits, {events} events, {documents} documents, {subscriptions} subscriptions: {verdict}"
    )
}
