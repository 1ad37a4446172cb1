//! fjall: two keyspaces, one write batch, `PersistMode::SyncData` at each commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

pub struct Fjall {
    database: Database,
    documents: Keyspace,
    outbox: Keyspace,
    seq: AtomicU64,
}

impl Fjall {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        let database = Database::builder(folder).open()?;
        let documents = database.keyspace("documents", KeyspaceCreateOptions::default)?;
        let outbox = database.keyspace("outbox", KeyspaceCreateOptions::default)?;
        Ok(Arc::new(Self { database, documents, outbox, seq: AtomicU64::new(0) }))
    }
}

impl Peer for Fjall {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Session(self)))
    }
}

struct Session(Arc<Fjall>);

impl Writer for Session {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        let Fjall { database, documents, outbox, seq } = &*self.0;
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        for order in orders {
            let seq = seq.fetch_add(1, Ordering::Relaxed);
            batch.insert(documents, order.key.as_str(), order.document.as_slice());
            let mut row = Vec::with_capacity(64 + order.event.len());
            for part in [order.kind.as_bytes(), order.key.as_bytes(), &order.event] {
                row.extend_from_slice(part);
                row.push(0);
            }
            batch.insert(outbox, seq.to_be_bytes(), row);
        }
        batch.commit()?;
        Ok(())
    }
}
