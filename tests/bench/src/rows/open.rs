//! Opening a large store: after a clean close, and after a kill.

use std::fs;
use std::path::Path;
use std::time::Instant;

use docbox::Store;

use crate::Result;
use crate::child::{self, Other};
use crate::figure::median;
use crate::lab::{Lab, fill};
use crate::report::{Line, Report, Unit};
use crate::workload::Orders;

/// Written since `applied` moved.
const TO_REDO: u64 = 16 << 20;
const WANTED: usize = 1_000_000;

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let documents = lab.most_documents();
    let (root, _) = lab.docbox(documents)?;
    let (mut clean, mut killed, mut redone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..lab.by_size(1, 3, 3) {
        clean.push(open(&root)?);
        crash(&root)?;
        killed.push(open(&root)?);
        crash(&root)?;
        forget(&root)?;
        redone.push(open(&root)?);
    }
    let line = |what: &str, values: Vec<f64>| {
        Line::new(
            "open",
            format!("{what}, {documents} documents"),
            median(values),
            Unit::Milliseconds,
        )
    };
    let clean = line("open after a clean close", clean).at_most(10.0);
    report.add(if documents < WANTED {
        clean.note("the target speaks of 1,000,000: `--full`")
    } else {
        clean
    });
    report.add(
        line("open after kill -9 with 16 MiB since `applied`", killed)
            .at_most(500.0)
            .note("the page cache still stands, and docbox knows it by the token in `head`"),
    );
    report.add(line("the same with all of it to redo", redone).at_most(500.0).note(
        "as after another boot: `head` was replaced by a copy, whose token is not that of now",
    ));
    Ok(())
}

/// Milliseconds of an opening.
fn open(root: &Path) -> Result<f64> {
    let began = Instant::now();
    let store = Store::open(root)?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    store.close()?;
    Ok(took)
}

/// Leaves 16 MiB behind that `applied` has not passed.
fn crash(root: &Path) -> Result<()> {
    let mut other = Other::start("crash", root, &[TO_REDO.to_string()])?;
    other.answer::<String>()?;
    other.kill()
}

/// Another boot, as far as the store can tell.
fn forget(root: &Path) -> Result<()> {
    let head = root.join(".docbox/head");
    let copy = head.with_extension("copy");
    fs::copy(&head, &copy)?;
    Ok(fs::rename(copy, head)?)
}

pub fn child(root: &Path, bytes: usize) -> Result<()> {
    // Else its own thread moves `applied`.
    let store = Store::options().housekeeping(false).open(root)?;
    child::say(&"ready")?;
    let mut orders = Orders::new(1000);
    let mut left = bytes;
    while left > 0 {
        let piece: Vec<_> = (0..500).map(|_| orders.take()).collect();
        let committed = usize::try_from(fill(&store, std::iter::once(piece))?)?;
        left = left.saturating_sub(committed);
    }
    child::say(&"done")?;
    // To be killed.
    child::hear()?;
    Ok(())
}
