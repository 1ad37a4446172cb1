//! The life after a crash: recovery, delivery, commits, a clean end. Each call of it is one at which it
//! crashes again.

use docbox::Result;

use crate::history::History;
use crate::session::Session;
use crate::support::sim::Disk;

/// Whatever the disk begins with, somebody opens it and goes on.
pub fn second_life(disk: &Disk, history: &History) -> Result<()> {
    let mut session = Session::start(disk, history);
    session.open()?;
    session.deliver("ui")?;
    session.commit(&[("agents/a", Some("second")), ("agents/c", Some("second"))])?;
    session.checkpoint()?;
    session.commit(&[("agents/c", None)])?;
    session.close()
}
