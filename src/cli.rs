//! The command line: verbs, one file each or a small group.
//!
//! stdout carries data only; all else goes to stderr.

mod announce;
mod answer;
mod args;
mod commit;
mod dead;
mod demo;
mod documents;
mod events;
mod exec;
mod failure;
mod for_people;
mod init;
mod input;
mod lines;
mod logging;
mod output;
mod retention;
mod shell;
mod start;
mod status;
mod steering;
mod stop;
mod subscribe;
mod subscriptions;
mod time;
mod update;
mod verify;
mod waiting;
mod which_store;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Dead, Verb};
use failure::Result;
use output::{Output, say_lines};
use which_store::{reading, writing};

/// What the usage was wrong for, as the shell convention has it.
const WRONG: u8 = 2;

/// Does what the command line says.
pub fn run() -> Result<ExitCode> {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(wrong) if wrong.use_stderr() => {
            say_lines(&wrong.to_string());
            return Ok(ExitCode::from(WRONG));
        }
        Err(asked) => {
            // Help or version. A reader that went away has seen enough.
            let _ = asked.print();
            return Ok(ExitCode::SUCCESS);
        }
    };
    logging::start();
    let mut output = Output::new(args.json);
    let done = dispatch(args, &mut output);
    let flushed = output.flush();
    let code = done?;
    flushed?;
    Ok(code)
}

fn dispatch(args: Args, out: &mut Output) -> Result<ExitCode> {
    let given = args.store;
    match args.verb {
        Verb::Init { dir } => init::run(dir, given, out),
        Verb::Put(put) => writing(given, |store| documents::put(store, &put, out)),
        Verb::Get { key } => reading(given, |store| documents::get(store, &key, out)),
        Verb::Rm(rm) => writing(given, |store| documents::rm(store, &rm, out)),
        Verb::Update(update) => writing(given, |store| update::run(store, &update, out)),
        Verb::Ls { prefix } => reading(given, |store| documents::ls(store, &prefix, out)),
        Verb::Commit { file, lines } => writing(given, |store| {
            let source = input::Source::new(file.as_deref());
            if lines { lines::run(store, &source, out) } else { commit::run(store, &source, out) }
        }),
        Verb::Events(events) => reading(given, |store| events::run(store, events, out)),
        Verb::Subscribe(subscribe) => writing(given, |store| subscribe::run(store, subscribe, out)),
        Verb::Subscriptions { watch } => {
            reading(given, |store| subscriptions::list(store, watch, out))
        }
        Verb::Dead(verb) => match verb {
            Dead::List { .. } | Dead::Show { .. } => {
                reading(given, |store| dead::look(store, &verb, out))
            }
            Dead::Redrive(redrive) => writing(given, |store| dead::redrive(store, redrive, out)),
            Dead::Drop(drop) => writing(given, |store| dead::drop(store, drop, out)),
        },
        Verb::Reset { name, to, accept_gap } => {
            writing(given, |store| steering::reset(store, &name, to, accept_gap, out))
        }
        Verb::Pause { name, reason, until } => {
            writing(given, |store| steering::pause(store, &name, reason.as_deref(), until, out))
        }
        Verb::Resume { name } => writing(given, |store| steering::resume(store, &name, out)),
        Verb::Rename { old, new } => {
            writing(given, |store| steering::rename(store, &old, &new, out))
        }
        Verb::Remove { name } => writing(given, |store| steering::remove(store, &name, out)),
        Verb::Wait { name, position, timeout } => {
            reading(given, |store| waiting::wait(store, &name, &position, timeout, out))
        }
        Verb::Drain { names, timeout } => {
            reading(given, |store| waiting::drain(store, &names, timeout, out))
        }
        Verb::Retention(args) => writing(given, |store| retention::run(store, args, out)),
        Verb::Status => reading(given, |store| status::run(store, out)),
        Verb::Verify => reading(given, |store| verify::run(store, out)),
        Verb::Demo { dir, fast } => demo::run(dir, fast, out),
    }
}
