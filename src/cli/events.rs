//! `events`: a look at the journal.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use docbox::{CloudEvent, RecordedEvent, Start, Store};

use super::args::{self, Globs};
use super::failure::Result;
use super::for_people::for_people;
use super::output::Output;
use super::stop;

/// How long a wait may last before it is seen whether to stop.
const LOOK: Duration = Duration::from_millis(250);

pub fn run(store: &Store, args: args::Events, out: &mut Output) -> Result<ExitCode> {
    let args::Events { after, globs: Globs { types, subjects, changes }, follow } = args;
    let start = match after {
        Some(position) => Start::After(position.parse()?),
        None => Start::Beginning,
    };
    let stop = if follow { Some(stop::flag()?) } else { None };
    let has_to_stop = || stop.as_ref().is_none_or(|stop| stop.load(Ordering::Acquire));
    let mut events = store.events(start)?.matching(types, subjects)?.changes(changes);
    loop {
        for event in &mut events {
            print(store, out, &event?, None)?;
            if follow && has_to_stop() {
                break;
            }
        }
        if has_to_stop() {
            return Ok(ExitCode::SUCCESS);
        }
        out.flush()?;
        events.wait(LOOK);
    }
}

/// Prints an event; `attempt` is given with deliveries.
pub fn print(
    store: &Store,
    out: &mut Output,
    event: &RecordedEvent,
    attempt: Option<u32>,
) -> Result<()> {
    if out.is_for_people() {
        out.line(&for_people(event, attempt))
    } else {
        out.json(&CloudEvent::new(store.id(), event, attempt))
    }
}
