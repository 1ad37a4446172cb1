//! Workloads that together use every verb. Each stops at the first error: its process is dead, or ill.

use docbox::Result;

use crate::history::History;
use crate::oracle::open;
use crate::support::sim::Disk;

/// A workload: what some processes do on a disk.
pub type Workload = fn(&Disk, &History) -> Result<()>;

/// All of them, by name.
pub const ALL: [(&str, Workload); 6] = [
    ("creation", creation),
    ("documents", documents),
    ("segments", segments),
    ("checkpoints", checkpoints),
    ("deliveries", deliveries),
    ("two processes", two_processes),
];

/// A store is made, and used at once.
fn creation(disk: &Disk, history: &History) -> Result<()> {
    let store = open(&disk.process())?;
    history.commit(&store, &[("agents/a", Some("one"))])?;
    history.commit(&store, &[("agents/b", Some("one"))])?;
    store.close()
}

/// Creates, several documents in one commit, replacements, deletions, writes that change nothing.
fn documents(disk: &Disk, history: &History) -> Result<()> {
    let store = open(&disk.process())?;
    history.commit(&store, &[("agents/a", Some("one"))])?;
    history.commit(&store, &[("agents/a", Some("two")), ("agents/b", Some("one"))])?;
    history.commit(&store, &[("projects/p1/agents/7c", Some("deep")), ("agents/a", None)])?;
    history.commit(&store, &[])?;
    history.commit(&store, &[("agents/a", Some("again")), ("agents/b", None)])?;
    store.close()
}

/// Enough to begin new segments.
fn segments(disk: &Disk, history: &History) -> Result<()> {
    let store = open(&disk.process())?;
    for text in ["one", "two", "three", "four", "five", "six", "seven"] {
        history.commit(&store, &[("agents/a", Some(text)), ("agents/b", Some(text))])?;
    }
    Ok(())
}

/// `applied` moves in between, and segments are dropped.
fn checkpoints(disk: &Disk, history: &History) -> Result<()> {
    let store = open(&disk.process())?;
    history.deliver(&store, "ui")?;
    for round in 0..3 {
        history.commit(&store, &[("agents/a", Some("one")), ("x/y/z", Some("deep"))])?;
        history.commit(&store, &[("agents/a", (round != 1).then_some("two"))])?;
        store.checkpoint()?;
        history.deliver(&store, "ui")?;
        history.commit(&store, &[("agents/c", Some("three"))])?;
        store.retain()?;
    }
    Ok(())
}

/// Two subscriptions, of which one is closed and opened again.
fn deliveries(disk: &Disk, history: &History) -> Result<()> {
    let store = open(&disk.process())?;
    history.commit(&store, &[("agents/a", Some("one"))])?;
    history.deliver(&store, "ui")?;
    history.commit(&store, &[("agents/a", Some("two"))])?;
    history.deliver(&store, "ui")?;
    history.deliver(&store, "parents")?;
    history.commit(&store, &[("agents/b", Some("one"))])?;
    history.commit(&store, &[])?;
    history.deliver(&store, "ui")?;
    history.deliver(&store, "parents")?;
    store.close()
}

/// Two processes that write in turn; the second lives on when the first dies.
fn two_processes(disk: &Disk, history: &History) -> Result<()> {
    let first = disk.process();
    let second = disk.process();
    let one = open(&first);
    let two = open(&second)?;
    for text in ["one", "two", "three", "four"] {
        if let Ok(one) = &one {
            let _ = history.commit(one, &[("agents/a", Some(text))]);
        }
        history.commit(&two, &[("agents/a", Some(text)), ("agents/b", Some(text))])?;
        history.deliver(&two, "ui")?;
    }
    two.checkpoint()?;
    Ok(())
}
