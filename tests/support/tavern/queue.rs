//! Work items: enqueued, claimed, completed and swept away; or failed until they are dead letters.

use super::Tavern;
use super::draft::Draft;
use super::json::Object;
use super::words::QUEUES;
use super::work::WorkItem;

/// After so many claims a failing item is a dead letter.
const MOST_ATTEMPTS: u64 = 3;

impl Tavern {
    pub fn enqueue(&mut self) {
        let mut draft = self.draft(0);
        let queue = self.random.pick(&QUEUES);
        let path = format!(
            "Sources/Tavern/Módulo {}/Файл{:03}.swift",
            self.random.between(1, 9),
            self.items.len()
        );
        let payload = Object::new()
            .text("path", &path)
            .json("bytes", self.random.between(12, 90_000))
            .json("inode", self.random.next())
            .json("weight", "1E+2");
        let item = WorkItem {
            id: self.random.uuid(),
            queue,
            status: "pending",
            attempts: 0,
            claimed_by: None,
            visible_at: self.now(),
            payload: payload.build(),
            poison: self.items.len() % 14 == 3,
        };
        draft.create(&item.key(), &item.document());
        draft.event("WorkItemEnqueued", &item.key(), item.data());
        self.items.push(item);
        self.commit(draft);
    }

    /// The next thing that happens to some item.
    pub fn queue_step(&mut self) {
        let status =
            self.random.pick(&["pending", "pending", "claimed", "claimed", "failed", "completed"]);
        let found: Vec<_> =
            (0..self.items.len()).filter(|&item| self.items[item].status == status).collect();
        let Some(&item) = found.first() else { return };
        match status {
            "pending" => self.claim(item),
            "claimed" => self.finish(item),
            "failed" => self.give_back(item),
            _ if found.len() >= 6 => self.sweep(&found),
            _ => {}
        }
    }

    fn claim(&mut self, item: usize) {
        let worker = self.random.below(self.agents.len());
        if self.agents[worker].state != "working" {
            return;
        }
        self.items[item].claimed_by = Some((worker, self.agents[worker].id.clone()));
        self.items[item].attempts += 1;
        let draft = self.move_item(item, worker, "claimed", Some("WorkItemClaimed"));
        self.commit(draft);
    }

    /// Completed, with what it cost; or failed, because of the item or because the worker is gone.
    fn finish(&mut self, item: usize) {
        let Some(worker) = self.items[item].claimed_by.as_ref().map(|(worker, _)| *worker) else {
            return;
        };
        if self.items[item].poison || self.agents[worker].state != "working" {
            self.items[item].claimed_by = None;
            let draft = self.move_item(item, worker, "failed", None);
            return self.commit(draft);
        }
        let mut draft = self.move_item(item, worker, "completed", Some("WorkItemCompleted"));
        self.settle(&mut draft, worker);
        self.commit(draft);
    }

    fn give_back(&mut self, item: usize) {
        let draft = if self.items[item].attempts >= MOST_ATTEMPTS {
            self.move_item(item, 0, "dead_lettered", Some("WorkItemDeadLettered"))
        } else {
            self.items[item].visible_at = self.now();
            self.move_item(item, 0, "pending", Some("WorkItemEnqueued"))
        };
        self.commit(draft);
    }

    /// The item in its new status and, if there is one, the event that tells of it, in a draft by `agent`.
    fn move_item(
        &mut self,
        item: usize,
        agent: usize,
        to: &'static str,
        event: Option<&str>,
    ) -> Draft {
        let mut draft = self.draft(agent);
        let moved = &mut self.items[item];
        moved.status = to;
        draft.change(&moved.key(), &moved.document());
        if let Some(kind) = event {
            draft.event(kind, &moved.key(), moved.data());
        }
        draft
    }

    /// The documents of completed items go, many at once and without a word.
    fn sweep(&mut self, completed: &[usize]) {
        let mut draft = self.draft(0);
        for &item in completed {
            draft.remove(&self.items[item].key());
            self.items[item].status = "removed";
        }
        self.commit(draft);
    }
}
