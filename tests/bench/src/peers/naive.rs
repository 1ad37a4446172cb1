//! Files as most programs write them: a temp file, `fsync`, a rename, `fsync` of the folder; then a line in
//! an event log, synced. (It is not atomic: a crash in between leaves a document without its event.)

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

pub struct Naive {
    folder: PathBuf,
    log: File,
    temp: AtomicU64,
}

impl Naive {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        fs::create_dir_all(folder)?;
        let log = OpenOptions::new().create(true).append(true).open(folder.join("events.jsonl"))?;
        Ok(Arc::new(Self { folder: folder.to_owned(), log, temp: AtomicU64::new(0) }))
    }

    fn put(&self, order: &Order) -> Result<()> {
        let target = self.folder.join(&order.key).with_extension("json");
        let parent = target.parent().unwrap_or(&self.folder);
        let temp = parent.join(format!("temp-{}", self.temp.fetch_add(1, Ordering::Relaxed)));
        let made = match File::create(&temp) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(parent)?;
                File::create(&temp)
            }
            made => made,
        };
        let mut file = made?;
        file.write_all(&order.document)?;
        file.sync_all()?;
        fs::rename(&temp, &target)?;
        File::open(parent)?.sync_all()?;
        Ok(())
    }
}

impl Peer for Naive {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Hand(self)))
    }
}

struct Hand(Arc<Naive>);

impl Writer for Hand {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        for order in orders {
            self.0.put(order)?;
            let mut line = order.event.clone();
            line.push(b'\n');
            (&self.0.log).write_all(&line)?;
            self.0.log.sync_data()?;
        }
        Ok(())
    }
}
