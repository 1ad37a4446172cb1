//! A clean stop on Ctrl-C and on SIGTERM.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Failure, Result};

/// What a shell says of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// A flag that the first signal raises. The second ends the program as a kill would, which loses nothing.
pub fn flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::AcqRel) {
            process::exit(INTERRUPTED);
        }
    })
    .map_err(|error| {
        Failure::Broken(format!("could not listen for signals: {error}; try again"))
    })?;
    Ok(flag)
}
