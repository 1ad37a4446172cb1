//! Real faults of a real machine: full disks, limits, folders that become read-only, files that vanish, and
//! copies made in mid-work.
//!
//! Where the machine does not allow a fault, the test says so on stderr (`skipped: …`) and passes.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store"
)]

mod again;
mod clock;
mod copies;
mod disk;
mod full;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod ledger;
mod limits;
mod mounted;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/program.rs"]
mod program;
mod read_only;
mod removed;
mod replaced;
mod restored;
mod watch;

use std::io::Write;

/// Says why a fault cannot be made here; past what the harness captures, so that it is seen.
fn skip(why: &str) {
    writeln!(std::io::stderr(), "skipped: {why}").expect("stderr");
}
