//! `init`: makes a store.

use std::path::PathBuf;
use std::process::ExitCode;

use docbox::Store;
use serde::Serialize;

use super::failure::Result;
use super::output::{Output, say};
use super::which_store::{is_store, named};

#[derive(Serialize)]
struct Made<'a> {
    store: &'a str,
    root: String,
    created: bool,
}

pub fn run(dir: Option<PathBuf>, given: Option<PathBuf>, out: &mut Output) -> Result<ExitCode> {
    let folder = dir.or_else(|| named(given)).unwrap_or_else(|| PathBuf::from("."));
    let was_there = is_store(&folder);
    let store = if was_there { Store::open_read_only(&folder)? } else { Store::open(&folder)? };
    let root = store.root().display().to_string();
    if was_there {
        say(&format!("there is a store in {root} already ({}); nothing was changed", store.id()));
    } else {
        say(&format!("made a store in {root} ({})", store.id()));
    }
    if out.is_json() {
        out.json(&Made { store: store.id(), root, created: !was_there })?;
    }
    store.close()?;
    Ok(ExitCode::SUCCESS)
}
