//! What may be said on the command line.

use std::path::{Path, PathBuf};

use crate::Result;

pub const HELP: &str = "\
cargo bench --manifest-path tests/bench/Cargo.toml -- [OPTIONS]

  --quick        smaller and shorter: a look in under a minute
  --full         1,000,000 documents and events, as the targets say: four minutes and 10 GiB of disk more
  --only ROW     this row alone (may be given again)
  --seconds N    how long a contestant's turn lasts
  --rounds N     how often each has its turn
  --dir FOLDER   where to work; a temporary folder is made in it, and removed at the end
  --docs FOLDER  write the table, the pictures and the figures there (seen from the project's folder)
  --json FILE    write the figures there
  --from FILE    measure nothing: take the figures from there (seen likewise)";

/// What was asked for.
pub enum What {
    Run(Args),
    /// A part of a row that needs a process of its own.
    Child(Vec<String>),
    Help,
}

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Quick,
    Default,
    Full,
}

pub struct Args {
    pub size: Size,
    pub only: Vec<String>,
    pub seconds: Option<f64>,
    pub rounds: Option<usize>,
    pub dir: PathBuf,
    pub docs: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub from: Option<PathBuf>,
}

impl Args {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<What> {
        let mut args = Self {
            size: Size::Default,
            only: Vec::new(),
            seconds: None,
            rounds: None,
            dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            docs: None,
            json: None,
            from: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                // Cargo says so to every bench.
                "--bench" => {}
                "--quick" => args.size = Size::Quick,
                "--full" => args.size = Size::Full,
                "--only" => args.only.push(value()?),
                "--seconds" => args.seconds = Some(value()?.parse()?),
                "--rounds" => args.rounds = Some(value()?.parse()?),
                "--dir" => args.dir = value()?.into(),
                "--docs" => args.docs = Some(in_project(&value()?)?),
                "--json" => args.json = Some(value()?.into()),
                "--from" => args.from = Some(in_project(&value()?)?),
                "--help" | "-h" => return Ok(What::Help),
                "child" => return Ok(What::Child(words.collect())),
                other => return Err(format!("unknown: {other}\n{HELP}").into()),
            }
        }
        if let Some(row) = args.only.iter().find(|row| !crate::rows::is_row(row)) {
            return Err(format!("no row `{row}`; rows: {}", crate::rows::names()).into());
        }
        Ok(What::Run(args))
    }

    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == row)
    }
}

/// A path as seen from the project's folder, wherever Cargo runs this. What is not there is said before anything is
/// measured.
fn in_project(relative: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative);
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()).into())
}
