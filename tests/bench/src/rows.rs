//! The rows of the table, in the order in which they are measured.

pub mod disk;
pub mod documents;
pub mod drain;
pub mod memory;
pub mod open;
pub mod place;
pub mod processes;
pub mod read;
pub mod threads;
pub mod wake;

use crate::Result;
use crate::lab::Lab;
use crate::report::Report;

pub struct Row {
    pub name: &'static str,
    pub measure: fn(&mut Lab, &mut Report) -> Result<()>,
}

pub const ALL: &[Row] = &[
    Row { name: "one", measure: threads::one },
    Row { name: "threads", measure: threads::many },
    Row { name: "processes", measure: processes::measure },
    Row { name: "place", measure: place::measure },
    Row { name: "documents", measure: documents::measure },
    Row { name: "cold", measure: documents::cold },
    Row { name: "read", measure: read::measure },
    Row { name: "drain", measure: drain::measure },
    Row { name: "filter", measure: drain::filter },
    Row { name: "wake", measure: wake::measure },
    Row { name: "open", measure: open::measure },
    Row { name: "memory", measure: memory::measure },
    Row { name: "disk", measure: disk::measure },
];

pub fn is_row(name: &str) -> bool {
    ALL.iter().any(|row| row.name == name)
}

pub fn names() -> String {
    ALL.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}
