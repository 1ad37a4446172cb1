//! From the return of a commit to the start of a handler, on a machine that is idle in between.

use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use docbox::{Publisher, Start, Store};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::child::{self, Other};
use crate::figure::Spread;
use crate::lab::Lab;
use crate::peers::docbox::transaction;
use crate::report::{Line, Report, Unit};
use crate::workload::Orders;

/// Between two commits.
const APART: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(1);

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let commits = lab.by_size(100, 600, 600);
    let here = same_process(&lab.place("wake")?, commits)?;
    let there = other_process(&lab.place("wake-other")?, commits)?;
    let line = |what: &str, value| Line::new("wake", what, value, Unit::Microseconds);
    report.add(
        line("commit returned → handler started, same process, median", here.p50_us).at_most(50.0),
    );
    report.add(line("the same, p99", here.p99_us));
    report.add(
        line("commit returned → handler started, other process, median", there.p50_us)
            .at_most(200.0),
    );
    report.add(line("the same, p99", there.p99_us).at_most(2000.0));
    Ok(())
}

/// Nanoseconds by the clock that all processes share.
fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn same_process(folder: &Path, commits: usize) -> Result<Spread> {
    let store = Store::open(folder)?;
    let (started, starts) = channel();
    let publisher = Publisher::new(&store)
        .handler("here", Start::Now, move |_| {
            started.send(now_ns())?;
            Ok(())
        })
        .start()?;
    let returned = commit_apart(&store, commits)?;
    let mut started = Vec::with_capacity(commits);
    for _ in 0..commits {
        started.push(starts.recv_timeout(PATIENCE)?);
    }
    publisher.stop()?;
    store.close()?;
    Ok(waits(&returned, &started))
}

fn other_process(folder: &Path, commits: usize) -> Result<Spread> {
    let store = Store::open(folder)?;
    let mut other = Other::start("listen", folder, &[commits.to_string()])?;
    let returned = commit_apart(&store, commits)?;
    let started: Vec<i64> = other.answer()?;
    other.end()?;
    store.close()?;
    Ok(waits(&returned, &started))
}

pub fn child(folder: &Path, commits: usize) -> Result<()> {
    let store = Store::open(folder)?;
    let mut subscription = store.subscribe("there").from(Start::Now).open()?;
    child::say(&"ready")?;
    let mut started = Vec::with_capacity(commits);
    for delivery in subscription.iter().take(commits) {
        started.push(now_ns());
        delivery?.ack()?;
    }
    child::say(&started)?;
    drop(subscription);
    store.close()?;
    Ok(())
}

/// When each commit returned.
fn commit_apart(store: &Store, commits: usize) -> Result<Vec<i64>> {
    let mut orders = Orders::new(1000);
    let mut returned = Vec::with_capacity(commits);
    for _ in 0..commits {
        thread::sleep(APART);
        store.commit(transaction(&orders.take())?)?;
        returned.push(now_ns());
    }
    Ok(returned)
}

/// A handler may start before the commit has returned: it waited for nothing.
fn waits(returned: &[i64], started: &[i64]) -> Spread {
    let waits = returned.iter().zip(started).map(|(from, to)| (to - from).max(0) as f64 / 1000.0);
    Spread::of(waits.collect())
}
