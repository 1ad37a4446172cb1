//! The floor: one `pwrite` and one `fdatasync` into blocks that were written before. Nobody who promises
//! durability on return can do less.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

/// It goes round in a file of this size, as a journal does in its fill.
const FILE_BYTES: u64 = 64 << 20;

pub struct Floor {
    file: File,
    at: Mutex<u64>,
}

impl Floor {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        let file = File::create(folder.join("floor"))?;
        let step = vec![b'\n'; 1 << 20];
        for at in (0..FILE_BYTES).step_by(step.len()) {
            file.write_all_at(&step, at)?;
        }
        file.sync_all()?;
        Ok(Arc::new(Self { file, at: Mutex::new(0) }))
    }
}

impl Peer for Floor {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Lines { floor: self, buffer: Vec::new() }))
    }
}

struct Lines {
    floor: Arc<Floor>,
    buffer: Vec<u8>,
}

impl Writer for Lines {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        self.buffer.clear();
        for order in orders {
            self.buffer.extend_from_slice(order.key.as_bytes());
            self.buffer.extend_from_slice(&order.event);
            self.buffer.extend_from_slice(&order.document);
            self.buffer.push(b'\n');
        }
        let mut at = self.floor.at.lock().unwrap_or_else(PoisonError::into_inner);
        if *at + self.buffer.len() as u64 > FILE_BYTES {
            *at = 0;
        }
        self.floor.file.write_all_at(&self.buffer, *at)?;
        self.floor.file.sync_data()?;
        *at += self.buffer.len() as u64;
        Ok(())
    }
}
