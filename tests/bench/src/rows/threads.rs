//! One committing thread, and many.

use std::sync::Arc;

use crate::Result;
use crate::batched::Batched;
use crate::lab::Lab;
use crate::peer::Peer;
use crate::peers::docbox::Docbox;
use crate::peers::files::Files;
use crate::peers::fjall::Fjall;
use crate::peers::floor::Floor;
use crate::peers::lmdb::Lmdb;
use crate::peers::naive::Naive;
use crate::peers::redb::Redb;
use crate::peers::sqlite::Sqlite;
use crate::race::{Contestant, HOT, Score, race};
use crate::report::{Line, Report, Unit};
use crate::workload;

const PICTURE: &str = "threads";

/// Every peer, each thread committing for itself.
pub fn one(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let folder = lab.place("one")?;
    let contestants = [
        Contestant::new("floor", Floor::new(&folder)?),
        Contestant::new("docbox", Docbox::new(&folder.join("docbox"))?),
        Contestant::new("SQLite", Sqlite::new(&folder.join("sqlite"))?),
        Contestant::new("fjall", Fjall::new(&folder.join("fjall"))?),
        Contestant::new("redb", Redb::new(&folder.join("redb"))?),
        Contestant::new("LMDB", Lmdb::new(&folder.join("lmdb"))?),
        Contestant::new("naive files", Naive::new(&folder.join("naive"))?),
    ];
    let scores = race(&contestants, 1, lab.pace())?;
    let [floor, docbox, sqlite, others @ ..] = scores.as_slice() else { return Ok(()) };
    let line =
        |score: &Score, what: &str| Line::new("one", what, score.wait.p50_us, Unit::Microseconds);
    report.add(
        line(docbox, "commit, one thread, median")
            .against("floor", floor.wait.p50_us)
            .at_most(1.25),
    );
    report.add(
        line(docbox, "commit, one thread, median")
            .against("SQLite", sqlite.wait.p50_us)
            .at_most(1.0),
    );
    report.add(
        Line::new("one", "commit, one thread, p99", docbox.wait.p99_us, Unit::Microseconds)
            .against("SQLite", sqlite.wait.p99_us),
    );
    for other in std::iter::once(sqlite).chain(others) {
        let what = format!("{}, one thread, median", other.name);
        report.add(line(other, &what).against("floor", floor.wait.p50_us));
    }
    report.keep("one", scores);
    Ok(())
}

/// docbox and SQLite with a connection for each thread, everybody else behind a batching writer.
pub fn many(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let folder = lab.place("threads")?;
    let batched = |peer: Arc<dyn Peer>| Batched::new(peer);
    let files = Files::new(&folder.join("files"), (0..HOT).map(workload::key))?;
    let contestants = [
        Contestant::new("docbox", Docbox::new(&folder.join("docbox"))?),
        Contestant::new("SQLite", Sqlite::new(&folder.join("sqlite"))?),
        Contestant::new("SQLite, batched", batched(Sqlite::new(&folder.join("sqlite-batched"))?)?),
        Contestant::new("fjall, batched", batched(Fjall::new(&folder.join("fjall"))?)?),
        Contestant::new("redb, batched", batched(Redb::new(&folder.join("redb"))?)?),
        Contestant::new("LMDB, batched", batched(Lmdb::new(&folder.join("lmdb"))?)?),
        Contestant::new("floor, batched", batched(Floor::new(&folder)?)?),
        Contestant::new("floor and files", batched(files)?),
    ];
    let (all, short) = (lab.pace(), lab.pace().times(0.5));
    let in_between = lab.by_size([].as_slice(), &[2, 4, 16, 32], &[2, 4, 16, 32]);
    let mut counts = vec![1, 8, 64];
    counts.extend(in_between);
    counts.sort_unstable();
    for threads in counts {
        let is_row = [8, 64].contains(&threads);
        let scores = race(&contestants, threads, if is_row { all } else { short })?;
        for score in &scores {
            report.point(PICTURE, &score.name, (threads as f64, score.rate));
        }
        if is_row {
            lines(threads, &scores, report);
        }
        report.keep(&format!("{threads} threads"), scores);
    }
    Ok(())
}

fn lines(threads: usize, scores: &[Score], report: &mut Report) {
    let [docbox, sqlite, peers @ .., floor, files] = scores else { return };
    let Some(best) = peers.iter().max_by(|one, other| one.rate.total_cmp(&other.rate)) else {
        return;
    };
    let (than_sqlite, than_best) = if threads == 8 { (3.0, 1.0) } else { (5.0, 0.7) };
    let line = || Line::new("threads", format!("{threads} threads"), docbox.rate, Unit::PerSecond);
    report.add(line().against("SQLite", sqlite.rate).at_least(than_sqlite));
    report.add(line().against(&best.name, best.rate).at_least(than_best));
    report.add(line().against(&floor.name, floor.rate));
    report.add(line().against(&files.name, files.rate));
    if threads == 64 {
        let what = "64 threads, commits of the median thread over the slowest's";
        report.add(Line::new("threads", what, docbox.unfairness, Unit::Times).at_most(5.0));
        report.add(Line::new("threads", format!("SQLite, {what}"), sqlite.unfairness, Unit::Times));
        report.add(
            Line::new(
                "threads",
                "64 threads, longest wait",
                docbox.wait.max_us,
                Unit::Microseconds,
            )
            .against("SQLite", sqlite.wait.max_us),
        );
    }
}
