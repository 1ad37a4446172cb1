//! Documents: made, replaced, deleted, one by one and together.

use docbox::Result;

use crate::history::History;
use crate::session::Session;
use crate::support::sim::Disk;

/// A store is made, and used at once.
pub fn creation(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.commit(&[("agents/b", Some("one"))])?;
    session.close()
}

/// Creates, several documents and several events in one commit, replacements, deletions, writes that
/// change nothing.
pub fn changes(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.commit_events(3, &[("agents/a", Some("two")), ("agents/b", Some("=same"))])?;
    session.commit(&[("projects/p1/agents/7c", Some("deep")), ("agents/a", None)])?;
    session.commit(&[])?;
    session.commit(&[("agents/a", Some("again")), ("agents/b", Some("=same"))])?;
    session.commit(&[("agents/b", None), ("agents/never", None)])?;
    session.close()
}

/// Documents that are changed only if they are as they were read.
pub fn conditions(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.update("agents/a", "updated")?;
    session.update("agents/none", "not there")?;
    session.replace("agents/b", Some("replaced"))?;
    session.replace("agents/new", Some("made"))?;
    session.replace("agents/a", None)?;
    session.close()
}

/// Several transactions that share a sync: on different documents, on one, a conflict among them.
pub fn groups(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit_all(&[
        &[("agents/a", Some("one"))],
        &[("agents/b", Some("one")), ("x/y", Some("one"))],
        &[],
    ])?;
    session.commit_all(&[
        &[("agents/a", Some("two"))],
        // What is in the way of a folder fails this one alone.
        &[
            ("agents/a", Some("refused")),
            ("notes.txt/x", Some("refused")),
            ("agents/link", Some("no")),
        ],
        &[("agents/a", Some("three")), ("agents/b", None)],
        &[("agents/a", None)],
        &[("agents/a", Some("four"))],
    ])?;
    session.deliver("ui")?;
    session.close()
}

/// Documents of more than a page, in batches that are larger than a segment.
pub fn large(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("large"))])?;
    session.commit_all(&[&[("agents/b", Some("large"))], &[("agents/a", Some("small"))]])?;
    session.commit(&[("agents/b", Some("small"))])?;
    session.close()
}
