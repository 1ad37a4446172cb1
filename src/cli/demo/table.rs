//! The table at the end, and what to try next.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::cli::failure::Result;
use crate::cli::output::Output;

use super::day::Day;
use super::folder::{NOON, OWN};
use super::latency::{percentile, show};
use super::outcome::Outcome;
use super::tally::{Counts, Latencies};
use super::wanted::SUBSCRIPTIONS;

/// Writes the outcome for people: lines and columns drawn on a terminal, only aligned elsewhere.
pub fn print(out: &mut Output, outcome: &Outcome) -> Result<()> {
    let is_drawn = out.is_for_people();
    for rows in [store(outcome), subscriptions(outcome)] {
        lines(out, &render(&rows, is_drawn))?;
        out.line("")?;
    }
    let sum = |of: fn(&Latencies) -> u64| outcome.latencies.iter().map(of).sum::<u64>();
    let note = format!(
        "Latency is from commit to handler, in another process. Left out of it: {} deliveries while a\n\
         consumer caught up after its start, {} of commits whose writer was killed before it answered.",
        sum(|latencies| latencies.catching_up),
        sum(|latencies| latencies.unanswered),
    );
    lines(out, &note)?;
    outcome
        .findings
        .as_ref()
        .map_or(Ok(()), |findings| lines(out, &format!("\n`docbox verify` found:\n{findings}")))
}

/// Three commands to try. Each works as it stands and shows something.
pub fn invite(out: &mut Output, root: &Path, day: &Day) -> Result<()> {
    let agent = day.documents.keys().find(|key| key.as_str().starts_with("agents/"));
    let path = |below: &str| quote(&root.join(below).display().to_string());
    let cat = agent.map_or_else(String::new, |agent| path(&format!("{agent}.json")));
    let agents = path("agents");
    let noon = path(&format!("{OWN}/{NOON}/agents"));
    let text = format!(
        "\nThe folder stays for you to look at: {}. Try\n  \
         cat {cat}\n  \
         jq -r '.state + \"  \" + .name' {agents}/*.json\n  \
         git diff --no-index --stat {noon} {agents}",
        root.display()
    );
    lines(out, &text)
}

fn lines(out: &mut Output, text: &str) -> Result<()> {
    text.lines().try_for_each(|line| out.line(line))
}

/// The store's line of `--json`.
#[derive(Serialize)]
struct StoreLine<'a> {
    commits: u64,
    documents: u64,
    events: u64,
    lost_commits: u64,
    differing_documents: u64,
    differing_events: u64,
    verify_holds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<&'a str>,
}

/// A subscription's line of `--json`.
#[derive(Serialize)]
struct SubscriptionLine<'a> {
    subscription: &'a str,
    #[serde(flatten)]
    counts: &'a Counts,
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
}

/// Writes the outcome for programs: the store, then each subscription.
pub fn json(out: &mut Output, outcome: &Outcome) -> Result<()> {
    out.json(&StoreLine {
        commits: outcome.commits,
        documents: outcome.documents,
        events: outcome.events,
        lost_commits: outcome.lost_commits,
        differing_documents: outcome.differing_documents,
        differing_events: outcome.differing_events,
        verify_holds: outcome.findings.is_none(),
        findings: outcome.findings.as_deref(),
    })?;
    for ((wanted, counts), latencies) in
        SUBSCRIPTIONS.iter().zip(&outcome.counts).zip(&outcome.latencies)
    {
        let latency_ms = |percent| {
            percentile(&latencies.sorted, percent).map(|latency| latency.as_secs_f64() * 1_000.0)
        };
        out.json(&SubscriptionLine {
            subscription: wanted.name,
            counts,
            latency_p50_ms: latency_ms(50),
            latency_p99_ms: latency_ms(99),
        })?;
    }
    Ok(())
}

fn store(outcome: &Outcome) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let count = |name: &str, value: u64| row(name, value.to_string());
    vec![
        row("store", String::new()),
        count("commits", outcome.commits),
        count("documents", outcome.documents),
        count("events", outcome.events),
        count("acknowledged and lost", outcome.lost_commits),
        count("documents that differ", outcome.differing_documents),
        count("events that differ", outcome.differing_events),
        row(
            "verify",
            if outcome.findings.is_none() { "holds" } else { "does not hold" }.to_owned(),
        ),
    ]
}

fn subscriptions(outcome: &Outcome) -> Vec<Vec<String>> {
    let header = [
        "subscription",
        "delivered",
        "duplicates",
        "lost",
        "out of order",
        "phantom",
        "p50",
        "p99",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for ((wanted, counts), latencies) in
        SUBSCRIPTIONS.iter().zip(&outcome.counts).zip(&outcome.latencies)
    {
        let mut row = vec![wanted.name.to_owned()];
        let numbers =
            [counts.delivered, counts.duplicates, counts.lost, counts.out_of_order, counts.phantom];
        row.extend(numbers.map(|number| number.to_string()));
        row.extend([50, 99].map(|percent| show(percentile(&latencies.sorted, percent))));
        rows.push(row);
    }
    rows
}

/// The first row is the header, the first column the names.
fn render(rows: &[Vec<String>], is_drawn: bool) -> String {
    let mut table = Table::new();
    table.load_preset(if is_drawn { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
    let mut rows = rows.iter();
    if let Some(header) = rows.next() {
        table.set_header(header);
    }
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// As a shell takes it: bare where nothing in it means anything to a shell.
fn quote(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%=,".contains(&byte);
    if text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_is_bare_and_any_other_is_quoted() {
        assert_eq!(quote("/tmp/docbox-demo-1"), "/tmp/docbox-demo-1");
        assert_eq!(quote("/tmp/it's here"), r"'/tmp/it'\''s here'");
        assert_eq!(quote("/tmp/$HOME"), "'/tmp/$HOME'");
    }

    #[test]
    fn elsewhere_than_on_a_terminal_the_columns_are_only_aligned() {
        let rows = [["name", "n"], ["a", "10"], ["long name", "5"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let text = render(&rows, false);
        let words: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words, [vec!["name", "n"], vec!["a", "10"], vec!["long", "name", "5"]]);
    }
}
