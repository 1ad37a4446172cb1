//! A peer: whatever can commit a document and an event, durable on return.

use std::sync::Arc;

use crate::Result;
use crate::workload::Order;

/// An open store of any make.
pub trait Peer: Send + Sync {
    /// A way in for one thread.
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>>;

    /// What the store owes once its turn is over, and what is charged to it: docbox puts off syncing its
    /// documents.
    fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// One thread's way into a peer.
pub trait Writer: Send {
    /// Commits these, all in one transaction where there are several; durable when it returns.
    fn commit(&mut self, orders: &[Order]) -> Result<()>;
}
