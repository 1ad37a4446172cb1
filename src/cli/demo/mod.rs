//! `docbox demo`: a recorded day lived through by four processes, some of which are killed, and then
//! everything counted. It is the program itself that runs, with its public verbs alone.

mod announced;
mod day;
mod folder;
mod latency;
mod outcome;
mod process;
mod progress;
mod stage;
mod table;
mod tally;
mod wanted;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use super::failure::{Failure, Result};
use super::output::{Output, say_lines};
use super::stop;
use day::Day;
use outcome::Outcome;
use process::Program;
use stage::Stage;

/// Runs the demo in a folder, a new temporary one unless given; `is_fast` leaves out the pauses.
/// Exit 0 when everything holds, 1 when anything does not.
pub fn run(folder: Option<PathBuf>, is_fast: bool, out: &mut Output) -> Result<ExitCode> {
    let day = Day::recorded()?;
    let root = folder::prepare(folder)?;
    let program = Program::this(&root)?;
    let (commits, events) = (day.len(), day.events.len());
    say_lines(&format!(
        "A recorded day of {commits} commits and {events} events, lived through in {}",
        root.display()
    ));
    let outcome = play(&program, &root, &day, &*stop::flag()?, is_fast)?;
    if out.is_json() {
        table::json(out, &outcome)?;
    } else {
        table::print(out, &outcome)?;
        table::invite(out, &root, &day)?;
    }
    out.flush()?;
    Ok(if outcome.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The acts: the writer is killed twice, one consumer once.
fn play(
    program: &Program,
    root: &Path,
    day: &Day,
    stopping: &AtomicBool,
    is_fast: bool,
) -> Result<Outcome> {
    let made = program.run(&["init"])?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr).trim_end().to_owned();
        return Err(Failure::No(format!("`docbox init` ended with {}: {said}", made.status)));
    }
    let mut stage = Stage::open(program, root, day, stopping, is_fast)?;
    let end = day.len();
    stage.feed(end / 3)?;
    stage.kill_writer(|_| Ok(()))?;
    stage.feed(end / 2)?;
    stage.kill_consumer(wanted::KILLED)?;
    stage.feed(end * 2 / 3)?;
    stage.kill_writer(folder::copy_documents)?;
    stage.feed(end)?;
    stage.finish()?;
    stage.progress.finish();
    Ok(Outcome::of(&stage, program, root, day)?)
}
