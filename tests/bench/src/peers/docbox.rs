//! docbox itself, by its public face.

use std::path::Path;
use std::sync::Arc;

use ::docbox::{Event, Limits, Store, Transaction};

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

pub struct Docbox(pub Store);

impl Docbox {
    pub fn new(folder: &Path) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Store::open(folder)?)))
    }
}

/// A transaction of one document and one event.
pub fn transaction(order: &Order) -> Result<Transaction> {
    let event = Event::bare(order.kind).subject(&*order.key).with_json(&order.event)?;
    Ok(Transaction::new().put_json(&order.key, &order.document)?.emit(event))
}

impl Peer for Docbox {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Session(self.0.clone())))
    }

    fn settle(&self) -> Result<()> {
        self.0.checkpoint()?;
        Ok(())
    }

    fn settles_after(&self) -> Option<u64> {
        Some(Limits::default().checkpoint_bytes)
    }
}

struct Session(Store);

impl Writer for Session {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        let mut all = Transaction::new();
        for order in orders {
            let event = Event::bare(order.kind).subject(&*order.key).with_json(&order.event)?;
            all = all.put_json(&order.key, &order.document)?.emit(event);
        }
        self.0.commit(all)?;
        Ok(())
    }
}
