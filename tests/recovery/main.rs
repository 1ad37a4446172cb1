//! Recovery through the public door, on the real disk.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store"
)]

mod again;
mod children;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod reading;
mod redo;
mod roll_forward;

use home::write;
