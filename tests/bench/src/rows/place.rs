//! Putting a document in place: what it costs the disk, and what it adds to a commit.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use docbox::{Event, Store, Transaction};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::Result;
use crate::figure::Spread;
use crate::lab::{Lab, fill};
use crate::peers::docbox::transaction;
use crate::report::{Line, Report, Unit};
use crate::workload::{self, Dice, Orders};

const DOCUMENTS: usize = 1000;

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let (exchanged, renamed) = by_hand(lab)?;
    let note = "the bare system calls, without docbox: write a reused file, exchange the names";
    report.add(
        Line::new(
            "place",
            "a file in place by exchange, median",
            exchanged.p50_us,
            Unit::Microseconds,
        )
        .against("temp file and rename", renamed.p50_us)
        .note(note),
    );
    let (with, without) = commits(lab)?;
    let note = "the median commit of a document and an event, less the median commit of an event that makes the \
                same line, in turn: looking at what is replaced is in it too";
    report.add(
        Line::new(
            "place",
            "a hot document put in place, median",
            with.p50_us - without.p50_us,
            Unit::Microseconds,
        )
        .at_most(30.0)
        .note(note),
    );
    Ok(())
}

/// Commits of a document, and commits without one whose lines are as long, one after the other, so that the
/// disk of any moment does the same to both.
fn commits(lab: &Lab) -> Result<(Spread, Spread)> {
    let store = Store::open(lab.place("place")?)?;
    for change in 0..2 {
        fill(&store, workload::pieces(DOCUMENTS, DOCUMENTS, change))?;
    }
    let mut orders = Orders::new(DOCUMENTS);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let timed = |transaction, took: &mut Vec<f64>| -> Result<()> {
        let began = Instant::now();
        store.commit(transaction)?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
        Ok(())
    };
    let lasts = Duration::from_secs_f64(lab.pace().seconds * lab.pace().rounds as f64 * 2.0);
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        let order = orders.take();
        let event = Event::bare(order.kind).subject(&*order.key).with_json(&order.document)?;
        let alone =
            Transaction::new().emit(event).emit(Event::bare(order.kind).with_json(&order.event)?);
        timed(transaction(&order)?, &mut with)?;
        timed(alone, &mut without)?;
    }
    store.close()?;
    Ok((Spread::of(with), Spread::of(without)))
}

/// Exchange and rename, in turn, many times: how long each took.
fn by_hand(lab: &Lab) -> Result<(Spread, Spread)> {
    let folder = lab.place("by-hand")?;
    let bytes = vec![b'x'; workload::DOCUMENT_BYTES];
    let path = |number: usize| folder.join(format!("{number}.json"));
    for number in 0..DOCUMENTS {
        fs::write(path(number), &bytes)?;
    }
    let spool = folder.join("spool");
    fs::write(&spool, &bytes)?;
    File::open(&folder)?.sync_all()?;
    let (mut exchanged, mut renamed) = (Vec::new(), Vec::new());
    let mut dice = Dice::new(7);
    for _ in 0..lab.by_size(10, 40, 40) {
        for (way, took) in [(exchange as Way, &mut exchanged), (rename, &mut renamed)] {
            for _ in 0..50 {
                let target = path(dice.below(DOCUMENTS));
                let began = Instant::now();
                way(&spool, &target, &bytes)?;
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    Ok((Spread::of(exchanged), Spread::of(renamed)))
}

type Way = fn(&Path, &Path, &[u8]) -> Result<()>;

fn exchange(spool: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::options().write(true).open(spool)?;
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    renameat_with(CWD, spool, CWD, target, RenameFlags::EXCHANGE)?;
    Ok(())
}

fn rename(spool: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    let temp = spool.with_extension("temp");
    File::create_new(&temp)?.write_all(bytes)?;
    Ok(fs::rename(&temp, target)?)
}
