//! `dead`: events that were given up.

use std::process::ExitCode;

use comfy_table::{Table, presets};
use docbox::{DeadLetter, Letters, Position, Store, escaped, layout};
use serde::Serialize;
use serde_json::value::RawValue;

use super::args::{Dead, DropLetters, Redrive};
use super::failure::{Failure, Result};
use super::output::{Output, say};

/// `list` and `show`.
pub fn look(store: &Store, verb: &Dead, out: &mut Output) -> Result<ExitCode> {
    match verb {
        Dead::Show { name, position } => show(store, name, position.parse()?, out),
        Dead::List { name } => list(store, name, out),
        // They write.
        Dead::Redrive(_) | Dead::Drop(_) => Ok(ExitCode::SUCCESS),
    }
}

fn list(store: &Store, name: &str, out: &mut Output) -> Result<ExitCode> {
    let mut wrong = None;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["position", "type", "subject", "attempts", "state", "last error"]);
    let mut count = 0;
    for letter in store.dead_letters(name)? {
        let letter = match letter {
            Ok(letter) => letter,
            Err(error) => {
                say(&error.to_string());
                wrong = Some(ExitCode::from(2));
                continue;
            }
        };
        count += 1;
        if out.is_json() {
            out.json(&raw(store, &letter)?)?;
        } else if out.is_for_people() {
            table.add_row(cells(&letter).map(|cell| escaped(&cell).into_owned()));
        } else {
            out.cells(&cells(&letter))?;
        }
    }
    if out.is_for_people() && count > 0 {
        out.bytes(table.to_string().as_bytes())?;
        out.bytes(b"\n")?;
    }
    Ok(wrong.unwrap_or(ExitCode::SUCCESS))
}

/// Position, type, subject, how many attempts, whether it is to be delivered again, why it failed.
fn cells(letter: &DeadLetter) -> [String; 6] {
    let (event, attempts) = (letter.event(), letter.attempts());
    [
        event.position().to_string(),
        event.kind().to_owned(),
        event.about().unwrap_or("-").to_owned(),
        attempts.len().to_string(),
        if letter.is_redriven() { "redriven" } else { "dead" }.to_owned(),
        attempts.last().map_or("-", |last| last.error.as_str()).to_owned(),
    ]
}

fn show(store: &Store, name: &str, position: Position, out: &mut Output) -> Result<ExitCode> {
    let Some(letter) = store.dead_letter(name, position)? else {
        return Err(none_at(name, &[position]));
    };
    if out.is_json() {
        out.json(&raw(store, &letter)?)?;
    } else {
        let text = String::from_utf8_lossy(&layout::pretty(&letter.json(store.id())?)).into_owned();
        // Escaped only where a person looks at it: a pipe gets the letter itself.
        if out.is_for_people() {
            text.lines().try_for_each(|line| out.line(line))?;
        } else {
            out.bytes(text.as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub fn redrive(store: &Store, args: Redrive, out: &mut Output) -> Result<ExitCode> {
    let Redrive { name, positions, types, dry_run } = args;
    let positions = parse(&positions)?;
    check_there(store, &name, &positions)?;
    let letters = Letters { positions, types };
    let which = if dry_run {
        store.would_redrive(&name, &letters)?
    } else {
        store.redrive(&name, &letters)?
    };
    say_positions(&which, out)
}

pub fn drop(store: &Store, args: DropLetters, out: &mut Output) -> Result<ExitCode> {
    let DropLetters { name, positions, all: _ } = args;
    let positions = parse(&positions)?;
    check_there(store, &name, &positions)?;
    let which = store.drop_dead_letters(&name, &Letters { positions, types: Vec::new() })?;
    say_positions(&which, out)
}

fn parse(positions: &[String]) -> Result<Vec<Position>> {
    positions.iter().map(|position| Ok(position.parse()?)).collect()
}

/// Nothing is done where one that is asked for is not there.
fn check_there(store: &Store, name: &str, asked: &[Position]) -> Result<()> {
    let there = store.dead_letter_positions(name)?;
    let is_there = |asked: &&Position| {
        let is = |there: &Position| there == *asked || Position::end_of(there.seq) == **asked;
        there.iter().any(is)
    };
    let missing: Vec<Position> = asked.iter().filter(|asked| !is_there(asked)).copied().collect();
    if missing.is_empty() { Ok(()) } else { Err(none_at(name, &missing)) }
}

fn none_at(name: &str, positions: &[Position]) -> Failure {
    let positions: Vec<String> = positions.iter().map(Position::to_string).collect();
    let positions = positions.join(", ");
    Failure::No(format!(
        "there is no dead letter of `{name}` at {positions}; `docbox dead list {name}` lists those that are there"
    ))
}

#[derive(Serialize)]
struct Which {
    position: Position,
}

fn say_positions(positions: &[Position], out: &mut Output) -> Result<ExitCode> {
    for position in positions {
        if out.is_json() {
            out.json(&Which { position: *position })?;
        } else {
            out.line(&position.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn raw(store: &Store, letter: &DeadLetter) -> Result<Box<RawValue>> {
    RawValue::from_string(letter.json(store.id())?)
        .map_err(|error| Failure::Broken(format!("could not write JSON: {error}; report this")))
}
