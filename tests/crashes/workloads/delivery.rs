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

/// A subscription is given other names, with and without events in between, and one that it had before.
pub fn renames(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.rename("ui", "screen")?;
    session.deliver("ui")?;
    session.commit(&[])?;
    session.rename("ui", "ui")?;
    session.rename("ui", "glass")?;
    session.deliver_durably("ui")?;
    session.commit(&[])?;
    session.close()
}

/// A subscription is removed, and one of its name made anew; segments go meanwhile.
pub fn removals(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.remove("ui")?;
    session.commit(&[])?;
    session.deliver("ui")?;
    session.remove("ui")?;
    session.checkpoint()?;
    session.commit(&[])?;
    session.retain()?;
    session.close()
}

/// Changes of documents, as one follows them that wants all of them: taken, given back, taken in part, so that it
/// stands between the events of a commit and its changes, or among these; settled by commits that make others.
pub fn changes(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit_events(2, &[("agents/a", Some("one")), ("agents/b", None)])?;
    session.deliver_some("feed", 5)?;
    session.commit_events(1, &[("agents/a", Some("=as it was")), ("x/y", Some("new"))])?;
    session.fail_to_deliver("feed")?;
    session.deliver_some("feed", 3)?;
    session.leave();
    session.deliver_some("feed", 1)?;
    session.commit_all(&[
        &[("agents/a", None), ("agents/b", Some("again"))],
        &[("agents/b", Some("once more"))],
    ])?;
    session.deliver_durably("feed")?;
    session.checkpoint()?;
    session.commit(&[("agents/b", None)])?;
    session.retain()?;
    session.deliver_by_commits("feed", "stats/count")?;
    session.deliver_some("feed", 1)?;
    session.close()
}

/// A subscription that begins with a snapshot: left in the midst of it, at its end and behind it; begins anew with
/// another, which lies there for a while; is removed and made anew. Documents change meanwhile, and segments go.
pub fn mirrors(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("x/y", Some("new"))])?;
    session.deliver_some("mirror", 2)?;
    session.commit_events(2, &[("agents/a", Some("one")), ("agents/b", None)])?;
    session.leave();
    session.deliver_some("mirror", 1)?;
    session.commit(&[("agents/b", Some("again"))])?;
    session.deliver_some("mirror", 1)?;
    session.checkpoint()?;
    session.retain()?;
    session.deliver_durably("mirror")?;
    session.reset("mirror")?;
    session.close()?;
    session.commit(&[("agents/a", None)])?;
    session.fail_to_deliver("mirror")?;
    session.deliver_by_commits("mirror", "stats/count")?;
    session.remove("mirror")?;
    session.commit(&[("agents/a", Some("=as it was"))])?;
    session.deliver_some("mirror", 3)?;
    session.close()
}

/// A subscription is paused and resumed.
pub fn pauses(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.commit(&[("agents/a", Some("one"))])?;
    session.pause("ui", true)?;
    session.deliver("ui")?;
    session.commit(&[])?;
    session.rename("ui", "screen")?;
    session.pause("ui", false)?;
    session.deliver("ui")?;
    session.pause("ui", true)?;
    session.close()
}
