//! SQLite: WAL, synchronous=FULL, documents and outbox rows in one transaction, prepared statements, a
//! connection for each thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

pub struct Sqlite {
    path: PathBuf,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT, data BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);";
const PUT: &str = "INSERT INTO documents (key, body) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET body = excluded.body";
const EMIT: &str = "INSERT INTO outbox (kind, subject, data) VALUES (?1, ?2, ?3)";

impl Sqlite {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let sqlite = Self { path: folder.join("store.sqlite") };
        sqlite.connect()?.execute_batch(TABLES)?;
        Ok(Arc::new(sqlite))
    }

    pub fn connect(&self) -> Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.busy_timeout(Duration::from_mins(2))?;
        Ok(connection)
    }
}

impl Peer for Sqlite {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Session(self.connect()?)))
    }
}

struct Session(Connection);

impl Writer for Session {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        // It will write, so it says so: else two that began as readers refuse each other.
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut put = transaction.prepare_cached(PUT)?;
            let mut emit = transaction.prepare_cached(EMIT)?;
            for order in orders {
                put.execute((&order.key, &order.document))?;
                emit.execute((order.kind, &order.key, &order.event))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
