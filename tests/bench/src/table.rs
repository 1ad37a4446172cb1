//! The table: on a terminal, and between two marks of docs/performance.md.

use std::fs;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use crate::Result;
use crate::report::{Line, Report, Target, Unit};

const BEGIN: &str = "<!-- made by the bench: begin -->";
const END: &str = "<!-- made by the bench: end -->";
const HEADINGS: [&str; 6] = ["what", "measured", "against", "ratio", "target", "met"];

pub fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(HEADINGS);
    for line in &report.lines {
        table.add_row(cells(line));
    }
    for column in [1, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n{}\n{}", notes(report).join("\n"), machine(report))
}

/// Puts the table between the marks.
pub fn write_docs(report: &Report, docs: &Path) -> Result<()> {
    let file = docs.join("performance.md");
    let text = fs::read_to_string(&file)?;
    let missing = || format!("{} has no marks `{BEGIN}`, `{END}`", file.display());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(fs::write(&file, format!("{before}{BEGIN}\n{}{END}{after}", markdown(report)))?)
}

fn markdown(report: &Report) -> String {
    let mut text = format!("{}\n\n| {} |\n", machine(report), HEADINGS.join(" | "));
    text.push_str("|---|---:|---|---:|---|---|\n");
    text.extend(report.lines.iter().map(|line| format!("| {} |\n", cells(line).join(" | "))));
    let notes = notes(report);
    text.extend(notes.into_iter().map(|note| format!("\n{note}\n")));
    text
}

fn cells(line: &Line) -> [String; 6] {
    let against = line.against.as_ref();
    [
        line.what.clone() + if line.note.is_some() { " *" } else { "" },
        value(line.value, line.unit),
        against.map_or_else(String::new, |(name, held)| {
            format!("{name}: {}", value(*held, line.unit))
        }),
        line.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        line.target.map_or_else(String::new, |target| bound(line, target)),
        line.is_met().map_or("", |met| if met { "met" } else { "not met" }).to_owned(),
    ]
}

fn bound(line: &Line, target: Target) -> String {
    let (sign, bound) = match target {
        Target::AtMost(bound) => ("≤", bound),
        Target::AtLeast(bound) => ("≥", bound),
    };
    if line.against.is_some() {
        format!("{sign} {bound} ×")
    } else {
        format!("{sign} {}", value(bound, line.unit))
    }
}

fn notes(report: &Report) -> Vec<String> {
    let noted = report.lines.iter().filter_map(|line| Some((line, line.note.as_ref()?)));
    noted.map(|(line, note)| format!("\\* {}: {note}.", line.what)).collect()
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let is_busy = machine.load > machine.cores as f64;
    let warning =
        if is_busy { " **The machine was busy: do not believe these figures.**" } else { "" };
    format!(
        "A {} run of {:.0} s on {} cores ({}), {} GiB, Linux {}, {}; load {} when it began. Peers: {}.{warning}",
        report.size,
        report.took_s,
        machine.cores,
        machine.cpu,
        machine.memory_gib,
        machine.kernel,
        machine.filesystem,
        machine.load,
        machine.peers.join(", ")
    )
}

fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Microseconds if value >= 100_000.0 => format!("{:.0} ms", value / 1000.0),
        Unit::Microseconds if value < 10.0 => format!("{value:.2} µs"),
        Unit::Microseconds => format!("{value:.0} µs"),
        Unit::Milliseconds => format!("{value:.1} ms"),
        Unit::PerSecond => format!("{}/s", thousands(value)),
        Unit::Mebibytes => format!("{value:.1} MiB"),
        Unit::Times => format!("{value:.2} ×"),
    }
}

/// `1234567` as `1,234,567`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
