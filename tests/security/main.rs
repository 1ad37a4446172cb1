//! What somebody may plant in a store, or give as a key, does no harm: by the real program and library on
//! the real filesystem.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests plant links, pipes and files past the store, and look at the trees around it"
)]

mod hard_links;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod keys;
mod links;
mod modes;
mod odd_files;
mod outside;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/program.rs"]
mod program;
mod races;
mod terminal;
