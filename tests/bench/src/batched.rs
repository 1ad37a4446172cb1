//! A peer behind one batching writer thread, as a program with many threads would build it: each caller
//! sends what it has and waits; the writer takes what waits, commits it as one transaction, and answers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::Result;
use crate::peer::{Peer, Writer};
use crate::workload::Order;

/// The most that share a transaction; as in docbox.
const BATCH: usize = 1024;

/// What went wrong, for everybody of the batch.
type Answer = std::result::Result<(), String>;

struct Letter {
    order: Order,
    answer: SyncSender<Answer>,
}

pub struct Batched {
    letters: Sender<Letter>,
}

impl Batched {
    pub fn new(peer: Arc<dyn Peer>) -> Result<Arc<Self>> {
        let (letters, received) = channel();
        let writer = peer.writer()?;
        // It ends when the last sender is gone.
        thread::Builder::new().name("writer".into()).spawn(move || write(writer, &received))?;
        Ok(Arc::new(Self { letters }))
    }
}

fn write(mut writer: Box<dyn Writer>, letters: &Receiver<Letter>) {
    let mut orders = Vec::with_capacity(BATCH);
    let mut answers = Vec::with_capacity(BATCH);
    while let Ok(first) = letters.recv() {
        for letter in std::iter::once(first).chain(letters.try_iter()).take(BATCH) {
            orders.push(letter.order);
            answers.push(letter.answer);
        }
        let done = writer.commit(&orders).map_err(|error| error.to_string());
        orders.clear();
        for answer in answers.drain(..) {
            // Who has gone away wants no answer.
            let _ = answer.send(done.clone());
        }
    }
}

impl Peer for Batched {
    fn writer(self: Arc<Self>) -> Result<Box<dyn Writer>> {
        let (answer, answered) = sync_channel(1);
        Ok(Box::new(Caller { letters: self.letters.clone(), answer, answered }))
    }
}

struct Caller {
    letters: Sender<Letter>,
    answer: SyncSender<Answer>,
    answered: Receiver<Answer>,
}

impl Writer for Caller {
    fn commit(&mut self, orders: &[Order]) -> Result<()> {
        for order in orders {
            let letter = Letter { order: order.clone(), answer: self.answer.clone() };
            self.letters.send(letter).map_err(|_| "the writer has ended")?;
            self.answered.recv()??;
        }
        Ok(())
    }
}
