//! What is given: a file, or stdin.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use docbox::fs::open_given;

use super::failure::{Failure, Result};

/// The most that is read at once. A commit has at most 64 MiB; the rest is for white space.
pub const MAX_BYTES: usize = 256 << 20;

/// Where to read from.
#[derive(Clone, Debug)]
pub struct Source(Option<PathBuf>);

impl Source {
    /// A file; stdin for `-` and for none.
    pub fn new(file: Option<&Path>) -> Self {
        Self(file.filter(|file| *file != Path::new("-")).map(Path::to_owned))
    }

    /// Opens it.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        match &self.0 {
            None => Ok(Box::new(io::stdin())),
            Some(file) => open_given(file).map_err(|error| self.failed(&error)),
        }
    }

    /// Reads it to its end.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut reader = self.open()?.take(MAX_BYTES as u64 + 1);
        reader.read_to_end(&mut bytes).map_err(|error| self.failed(&error))?;
        if bytes.len() > MAX_BYTES {
            return Err(Failure::Wrong(format!(
                "{} has more than {} MiB; a commit has at most 64 MiB: split it",
                self.name(),
                MAX_BYTES >> 20
            )));
        }
        Ok(bytes)
    }

    /// What to say when it cannot be read.
    pub fn failed(&self, error: &io::Error) -> Failure {
        let name = self.name();
        // A name that leads nowhere is what was given; all else is the system's.
        if error.kind() == io::ErrorKind::NotFound {
            return Failure::Wrong(format!("there is no file {name}; give one, or `-` for stdin"));
        }
        Failure::Broken(format!("could not read {name}: {error}; mend that and try again"))
    }

    fn name(&self) -> String {
        self.0.as_ref().map_or_else(|| "standard input".into(), |file| file.display().to_string())
    }
}
