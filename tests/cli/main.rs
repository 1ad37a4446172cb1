//! The command line, by the real program in folders of its own: every verb, every exit code, every kind
//! of bad input.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at files as any other program does, and damage them"
)]

mod cloudevents;
mod commit;
mod damage;
mod dead;
mod demo;
mod documents;
mod events;
mod finding;
mod health;
mod lines;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/program.rs"]
mod program;
mod readme;
mod retention;
mod retries;
mod steering;
mod subscribe;
