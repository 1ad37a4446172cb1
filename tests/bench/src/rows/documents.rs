//! How the number of documents in the store weighs on a commit.

use std::sync::Arc;

use crate::Result;
use crate::lab::Lab;
use crate::peers::docbox::Docbox;
use crate::peers::floor::Floor;
use crate::peers::sqlite::Sqlite;
use crate::race::{Contestant, race};
use crate::report::{Line, Report, Unit};

const PICTURE: &str = "documents";
/// What the targets speak of.
const WANTED: usize = 1_000_000;

/// One thread, 1,000 hot documents among more and more.
pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let most = lab.most_documents();
    let sizes: Vec<usize> = [1000, 10_000, 100_000, 1_000_000]
        .into_iter()
        .filter(|size| *size < most)
        .chain([most])
        .collect();
    let folder = lab.place("documents")?;
    let floor = Floor::new(&folder)?;
    let mut contestants = Vec::new();
    for size in &sizes {
        contestants.push(Contestant::new("docbox", Docbox::new(&lab.docbox(*size)?.0)?));
        contestants.push(Contestant::new("SQLite", Sqlite::new(&lab.sqlite(*size)?)?));
        // It has no documents; it stands for the disk of that moment.
        contestants.push(Contestant::new("floor", Arc::clone(&floor) as _));
    }
    let scores = race(&contestants, 1, lab.pace().times(0.6))?;
    for (score, size) in scores.iter().zip(sizes.iter().flat_map(|size| [size; 3])) {
        report.point(PICTURE, &score.name, (*size as f64, score.wait.p50_us));
    }
    let (few, many) = (&scores[0], &scores[scores.len() - 3]);
    let what = format!("commit, 1,000 hot among {most} documents, median");
    let line = Line::new("documents", what, many.wait.p50_us, Unit::Microseconds)
        .against("among 1,000", few.wait.p50_us)
        .at_most(1.2);
    report.add(if most < WANTED {
        line.note("the target speaks of 1,000,000: `--full`")
    } else {
        line
    });
    report.keep("documents", scores);
    close(&contestants)
}

/// Eight threads, uniformly at random among all.
pub fn cold(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let documents = lab.most_documents().min(100_000);
    let contestants = [
        Contestant::new("docbox", Docbox::new(&lab.docbox(documents)?.0)?).among(documents),
        Contestant::new("SQLite", Sqlite::new(&lab.sqlite(documents)?)?).among(documents),
    ];
    let scores = race(&contestants, 8, lab.pace().times(1.5))?;
    let [docbox, sqlite] = scores.as_slice() else { return Ok(()) };
    let what = format!("8 threads, {documents} documents at random");
    report.add(
        Line::new("cold", what, docbox.rate, Unit::PerSecond)
            .against("SQLite", sqlite.rate)
            .at_least(1.0),
    );
    report.keep("cold", scores);
    close(&contestants)
}

/// The stores are used again: each is left as a clean close leaves it.
fn close(contestants: &[Contestant]) -> Result<()> {
    contestants.iter().try_for_each(|contestant| contestant.peer.settle())
}
