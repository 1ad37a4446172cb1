//! What a process with a large store and four subscriptions keeps in memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use docbox::{Publisher, Start, Store};

use crate::Result;
use crate::child::{self, Other};
use crate::lab::Lab;
use crate::peers::docbox::transaction;
use crate::report::{Line, Report, Unit};
use crate::workload::Orders;

const PATIENCE: Duration = Duration::from_mins(5);

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let documents = lab.most_documents();
    let (root, _) = lab.docbox(documents)?;
    let commits = lab.by_size(200, 2000, 2000);
    let mut other = Other::start("live", &root, &[commits.to_string()])?;
    let (before, after, most): (f64, f64, f64) = other.answer()?;
    other.end()?;
    let what = format!("resident, {documents} documents, 4 subscriptions");
    let line = |what: String, value| Line::new("memory", what, value, Unit::Mebibytes);
    report.add(line(what.clone(), after).at_most(20.0));
    report.add(line(format!("{what}, at most"), most));
    report.add(line("resident before the store was opened".into(), before));
    Ok(())
}

pub fn child(root: &Path, commits: usize) -> Result<()> {
    let before = resident("VmRSS:")?;
    child::say(&"ready")?;
    let store = Store::open(root)?;
    let mut publisher = Publisher::new(&store);
    // One of them reads the whole journal as well.
    for (name, start) in [
        ("ui", Start::Now),
        ("parents", Start::Now),
        ("monitor", Start::Now),
        ("daemon", Start::Beginning),
    ] {
        publisher = publisher.handler(name, start, |_| Ok(()));
    }
    let running = publisher.start()?;
    let mut orders = Orders::new(1000);
    for _ in 0..commits {
        store.commit(transaction(&orders.take())?)?;
    }
    if !running.drain(PATIENCE)? {
        return Err("the subscriptions did not come to the head".into());
    }
    child::say(&(before, resident("VmRSS:")?, resident("VmHWM:")?))?;
    store.close()?;
    Ok(())
}

/// MiB, as the kernel counts them.
fn resident(field: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field)).ok_or("no such field")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no value")?.parse()?;
    Ok(kib / 1024.0)
}
