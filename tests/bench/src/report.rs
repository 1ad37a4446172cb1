//! What came out: lines with their targets, curves for the pictures, scores.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::args::{Args, Size};
use crate::machine::Machine;
use crate::race::Score;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub machine: Machine,
    /// `quick`, `default` or `full`.
    pub size: String,
    pub took_s: f64,
    pub lines: Vec<Line>,
    pub curves: Vec<Curve>,
    pub scores: Vec<RowScores>,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub row: String,
    pub what: String,
    pub value: f64,
    pub unit: Unit,
    /// What it is held against, and its value.
    pub against: Option<(String, f64)>,
    pub target: Option<Target>,
    /// Where what was measured is not quite what the target speaks of.
    pub note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Microseconds,
    Milliseconds,
    PerSecond,
    Mebibytes,
    Times,
}

/// A bound of the ratio where there is one to be made, else of the value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// A line of a picture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    pub picture: String,
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowScores {
    pub row: String,
    pub scores: Vec<Score>,
}

impl Report {
    pub fn new(args: &Args, machine: Machine) -> Self {
        let size = match args.size {
            Size::Quick => "quick",
            Size::Default => "default",
            Size::Full => "full",
        };
        Self {
            machine,
            size: size.into(),
            took_s: 0.0,
            lines: Vec::new(),
            curves: Vec::new(),
            scores: Vec::new(),
        }
    }

    pub fn read(file: &Path) -> Result<Self> {
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(fs::write(file, text)?)
    }

    pub fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// A point of a curve of a picture.
    pub fn point(&mut self, picture: &str, name: &str, point: (f64, f64)) {
        let same = |curve: &&mut Curve| curve.picture == picture && curve.name == name;
        if let Some(curve) = self.curves.iter_mut().find(same) {
            curve.points.push(point);
        } else {
            let (picture, name) = (picture.to_owned(), name.to_owned());
            self.curves.push(Curve { picture, name, points: vec![point] });
        }
    }

    pub fn keep(&mut self, row: &str, scores: Vec<Score>) {
        self.scores.push(RowScores { row: row.to_owned(), scores });
    }
}

impl Line {
    pub fn new(row: &str, what: impl Into<String>, value: f64, unit: Unit) -> Self {
        let row = row.to_owned();
        Self { row, what: what.into(), value, unit, against: None, target: None, note: None }
    }

    pub fn against(self, name: impl Into<String>, value: f64) -> Self {
        Self { against: Some((name.into(), value)), ..self }
    }

    pub fn at_most(self, bound: f64) -> Self {
        Self { target: Some(Target::AtMost(bound)), ..self }
    }

    pub fn at_least(self, bound: f64) -> Self {
        Self { target: Some(Target::AtLeast(bound)), ..self }
    }

    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    pub fn ratio(&self) -> Option<f64> {
        self.against.as_ref().map(|(_, value)| self.value / value)
    }

    pub fn is_met(&self) -> Option<bool> {
        let measured = self.ratio().unwrap_or(self.value);
        self.target.map(|target| match target {
            Target::AtMost(bound) => measured <= bound,
            Target::AtLeast(bound) => measured >= bound,
        })
    }
}
