//! Crashes and faults on the simulated disk: at every call, with many dice, and the stories that broke
//! earlier designs, each by name.

#[path = "../support/mod.rs"]
mod support;

mod beginnings;
mod history;
mod loops;
mod oracle;
mod session;
mod stories;
mod workloads;
