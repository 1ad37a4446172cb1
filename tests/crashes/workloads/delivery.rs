//! Subscriptions: opened, delivered to, failed, gone back.

use docbox::Result;

use crate::history::History;
use crate::session::Session;
use crate::support::sim::Disk;

/// Two subscriptions, opened again and again.
pub fn acks(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.deliver("ui")?;
    session.commit_events(2, &[])?;
    session.deliver_durably("ui")?;
    session.deliver("parents")?;
    session.commit(&[("agents/b", Some("one"))])?;
    session.deliver("ui")?;
    session.leave();
    session.deliver("parents")?;
    session.close()
}

/// Events that fail, come again, are dropped, and are taken by the next consumer.
pub fn nacks(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit_events(2, &[("agents/a", Some("one"))])?;
    session.fail_to_deliver("ui")?;
    session.fail_to_deliver("ui")?;
    session.deliver("ui")?;
    session.commit(&[])?;
    session.fail_to_deliver("ui")?;
    session.close()?;
    session.deliver("ui")?;
    session.close()
}

/// A subscription begins anew, with and without events in between.
pub fn resets(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.deliver("ui")?;
    session.reset("ui")?;
    session.deliver("ui")?;
    session.commit(&[])?;
    session.fail_to_deliver("ui")?;
    session.reset("ui")?;
    session.reset("ui")?;
    session.deliver_durably("ui")?;
    session.close()
}

/// Events that are settled by the commits that they lead to.
pub fn settling(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit_events(2, &[])?;
    session.deliver_by_commits("counter", "stats/count")?;
    session.leave();
    session.commit(&[("agents/a", Some("one"))])?;
    session.deliver("counter")?;
    session.close()
}
