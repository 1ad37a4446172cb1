//! LMDB, by heed: its default flags, which sync at each commit; two databases in one transaction.

use std::path::Path;
use std::sync::Arc;

use heed::byteorder::BigEndian;
use heed::types::{Bytes, Str, U64};
use heed::{Database, Env, EnvOpenOptions, WithTls};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

/// Room for every run; the file is sparse.
const MAP_BYTES: usize = 32 << 30;

pub struct Lmdb {
    env: Env<WithTls>,
    documents: Database<Str, Bytes>,
    outbox: Database<U64<BigEndian>, Bytes>,
}

impl Lmdb {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(2);
        // SAFETY: the folder is of this process alone, and nobody writes into the file but LMDB.
        let env = unsafe { options.open(folder)? };
        let mut transaction = env.write_txn()?;
        let documents = env.create_database(&mut transaction, Some("documents"))?;
        let outbox = env.create_database(&mut transaction, Some("outbox"))?;
        transaction.commit()?;
        Ok(Arc::new(Self { env, documents, outbox }))
    }
}

impl Peer for Lmdb {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Session(self)))
    }
}

struct Session(Arc<Lmdb>);

impl Writer for Session {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        let Lmdb { env, documents, outbox } = &*self.0;
        let mut transaction = env.write_txn()?;
        let mut seq = outbox.last(&transaction)?.map_or(0, |(seq, _)| seq);
        for order in orders {
            seq += 1;
            documents.put(&mut transaction, &order.key, &order.document)?;
            let mut row = Vec::with_capacity(64 + order.event.len());
            for part in [order.kind.as_bytes(), order.key.as_bytes(), &order.event] {
                row.extend_from_slice(part);
                row.push(0);
            }
            outbox.put(&mut transaction, &seq, &row)?;
        }
        transaction.commit()?;
        Ok(())
    }
}
