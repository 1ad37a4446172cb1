//! The journal: segments begun, `applied` moved, segments dropped.

use docbox::Result;

use crate::history::History;
use crate::session::Session;
use crate::support::sim::Disk;

/// Enough to begin new segments.
pub fn segments(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    for text in ["one", "two", "three", "four", "five", "six", "seven"] {
        session.commit(&[("agents/a", Some(text)), ("agents/b", Some(text))])?;
    }
    session.leave();
    Ok(())
}

/// `applied` moves in between: past new folders, deletions, documents that change again.
pub fn checkpoints(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one")), ("x/y/z", Some("deep"))])?;
    session.checkpoint()?;
    session.commit(&[("agents/a", Some("two"))])?;
    session.commit(&[("x/y/z", None), ("agents/c", Some("three"))])?;
    session.checkpoint()?;
    session.commit(&[("agents/c", None)])?;
    session.checkpoint()?;
    session.checkpoint()?;
    session.commit(&[("agents/a", Some("three"))])?;
    session.leave();
    Ok(())
}

/// Segments are dropped as soon as `applied` and the subscriptions have passed them.
pub fn retention(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    for round in 0..3 {
        session
            .commit(&[("agents/a", Some("one")), ("x/y", Some("a text that takes some room"))])?;
        session.commit(&[("agents/a", (round != 1).then_some("two"))])?;
        session.commit(&[("agents/b", Some("another text that takes some room"))])?;
        session.retain()?;
        session.deliver("ui")?;
        session.checkpoint()?;
        session.retain()?;
    }
    session.leave();
    Ok(())
}
