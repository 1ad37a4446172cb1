//! A peer: whatever can commit a document and an event, durable on return.

use std::sync::Arc;

use crate::Result;
use crate::workload::Order;

/// An open store of any make.
pub trait Peer: Send + Sync {
    /// A way in for one thread.
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>>;

    /// Pays what the store owes once its turn is over: docbox puts off syncing its documents, and would
    /// do it while others have theirs.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// After so many committed bytes it pays by itself; so much less is it charged for less.
    fn settles_after(&self) -> Option<u64> {
        None
    }
}

/// One thread's way into a peer.
pub trait Writer: Send {
    /// Commits these, all in one transaction where there are several; durable when it returns.
    fn commit(&mut self, orders: &[Order]) -> Result<()>;
}
