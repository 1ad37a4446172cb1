//! Many processes of the program on one folder, some of them killed at whatever instruction they are.
//!
//! `DOCBOX_KILLS=n` kills more often, `DOCBOX_SECONDS=n` so long at least, `DOCBOX_SEED=n` at other
//! instants; all are printed.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store, and edit documents by hand"
)]

mod by_hand;
#[path = "../examples/projector.rs"]
mod counts;
mod crowd;
mod deadly;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/sim/dice.rs"]
mod dice;
mod every_call;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod init;
mod kill_loop;
mod model;
mod plan;
mod poison;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/program.rs"]
mod program;
mod projector;
mod role;
mod scene;
mod take_over;
mod together;

use std::env;

use dice::Dice;
use home::Home;
use program::{Outcome, Running, program, run};

/// A folder in which the program made a store.
fn made() -> Home {
    let home = Home::new();
    docbox(&home, &["init"], "").ok();
    home
}

/// Runs the program to its end.
#[track_caller]
fn docbox(home: &Home, args: &[&str], stdin: &str) -> Outcome {
    run(&mut program(home.root(), args), stdin.as_bytes())
}

fn start(home: &Home, args: &[&str]) -> Running {
    Running::start(&mut program(home.root(), args))
}

/// Dice by the seed that was asked for.
fn dice() -> Dice {
    let seed = asked_for("DOCBOX_SEED", 1);
    println!("seed {seed}");
    Dice::new(seed)
}

/// A number from the environment.
fn asked_for(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}
