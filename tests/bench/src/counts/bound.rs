//! How many instructions there were when somebody last looked, and how many there may be.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::Result;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.json");
/// So many times what was written down is too much.
const TOO_MUCH: u64 = 2;

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Bounds {
    pub commit: u64,
    pub delivery: u64,
    pub look: u64,
    pub read: u64,
    pub read_anew: u64,
}

impl Bounds {
    pub fn read() -> Result<Self> {
        Ok(serde_json::from_slice(&fs::read(FILE)?)?)
    }

    pub fn write(&self) -> Result<()> {
        println!("{FILE}: {self:?}");
        Ok(fs::write(FILE, format!("{}\n", serde_json::to_string_pretty(self)?))?)
    }

    /// # Errors
    /// One that has become twice as dear.
    pub fn check(&self, written: &Self) -> Result<()> {
        let paths = [
            ("a commit", self.commit, written.commit),
            ("a delivery", self.delivery, written.delivery),
            ("a look at an event that is not wanted", self.look, written.look),
            ("a document read and parsed", self.read, written.read),
            ("a document that was just touched", self.read_anew, written.read_anew),
        ];
        for (what, counted, written) in paths {
            println!("{what}: {counted} instructions; {written} when last written down");
        }
        for (what, counted, written) in paths {
            if counted > written * TOO_MUCH {
                return Err(format!(
                    "{what} takes {counted} instructions, more than {TOO_MUCH} times the {written} of counts.json: \
                     make it cheaper, or say why and write the new count down (`-- --write`)"
                )
                .into());
            }
        }
        Ok(())
    }
}
