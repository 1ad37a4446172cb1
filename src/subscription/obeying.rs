//! What others ask of a subscription while it is held: to deliver dead letters again, to go elsewhere.

use super::Subscription;
use crate::cursor::CursorValue;
use crate::dead;
use crate::error::Result;
use crate::head::{Head, Looked};
use crate::source::Source;
use crate::sync::Arc;

impl Subscription {
    /// Looks which dead letters are to be delivered again, when somebody asked for it, and takes as many to hand
    /// as may be out at once.
    pub(super) fn look_at_letters(&mut self, head: &Head) -> Result<()> {
        let consumer = Arc::clone(&self.consumer);
        let core = consumer.store.core();
        if self.redriven != Some(head.redriven) {
            self.letters = dead::marked(core, &consumer.name)?;
            let mut window = consumer.window();
            window.keep_letters(|position| self.letters.contains(&position));
            self.redriven = Some(head.redriven);
        }
        while !self.letters.is_empty() && consumer.window().letters() < consumer.order.parallel() {
            let Some(position) = self.letters.pop_first() else { break };
            match dead::read(core, &consumer.name, position)? {
                Some((Ok(letter), _)) if letter.is_redriven() => {
                    consumer.window().push_letter(letter.event);
                }
                Some((Err(error), _)) => {
                    let subscription = &consumer.name;
                    tracing::warn!(subscription, %position, %error, "a dead letter is not delivered again");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Does what its definition says since the last look: a reset is gone to, once.
    pub(super) fn obey(&mut self, looked: &Looked) -> Result<()> {
        let is_idle = self.source.next() > looked.head.seq && self.consumer.window().is_empty();
        let consumer = Arc::clone(&self.consumer);
        let core = consumer.store.core();
        let versions = (looked.since, looked.version);
        let Some(definition) = self.notices.look(core, &consumer.name, versions, is_idle)? else {
            return Ok(());
        };
        let mut cursor = consumer.cursor();
        if let Some(request) = definition.request_after(cursor.value().generation) {
            let pid = cursor.value().pid;
            let mut window = consumer.window();
            cursor.write(CursorValue { pid, ..request.cursor(core) })?;
            window.reset(request.next, request.folded, request.generation);
            // Before the sync, which may fail: what it said is obeyed by then.
            self.source = Source::new(core, cursor.value());
            drop(window);
            cursor.sync()?;
            tracing::info!(subscription = self.consumer.name, next = %request.next, "went where a reset said");
        }
        drop(cursor);
        self.notices.obeyed();
        Ok(())
    }
}
