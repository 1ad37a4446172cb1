//! redb: `Durability::Immediate`, which is its default, two tables in one transaction.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

const DOCUMENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("documents");
const OUTBOX: TableDefinition<u64, (&str, &str, &[u8])> = TableDefinition::new("outbox");

pub struct Redb(Database);

impl Redb {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let database = Database::create(folder.join("store.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(DOCUMENTS)?;
        transaction.open_table(OUTBOX)?;
        transaction.commit()?;
        // A look, so that a store that cannot be read is found here.
        database.begin_read()?.open_table(OUTBOX)?;
        Ok(Arc::new(Self(database)))
    }
}

impl Peer for Redb {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Session(self)))
    }
}

struct Session(Arc<Redb>);

impl Writer for Session {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        let transaction = self.0.0.begin_write()?;
        {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            let mut outbox = transaction.open_table(OUTBOX)?;
            let mut seq = outbox.last()?.map_or(0, |(seq, _)| seq.value());
            for order in orders {
                seq += 1;
                documents.insert(order.key.as_str(), order.document.as_slice())?;
                outbox.insert(seq, (order.kind, order.key.as_str(), order.event.as_slice()))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
