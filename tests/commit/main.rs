//! Commits through the public door, on the real disk.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store"
)]

mod batch;
mod conflict;
mod document;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/door.rs"]
mod door;
mod drift;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod instance;
mod limit;
mod line;
mod obstacle;
mod readers;
mod recent;
mod spool;
mod view;
