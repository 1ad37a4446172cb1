//! What agents work on and with: commitments, sessions, work items, approvals; and their documents.

use super::json::Object;

pub struct Commitment {
    pub id: String,
    pub folder: &'static str,
    pub agent: usize,
    pub agent_id: String,
    pub promise: (&'static str, &'static str),
    pub status: &'static str,
    pub failure_message: Option<String>,
    pub attempts: u64,
    pub created_at: String,
    pub updated_at: String,
    /// Whether documents of this commitment carry how long the assertion ran, a member of a later version.
    pub timed_ns: Option<u64>,
}

impl Commitment {
    pub fn key(&self) -> String {
        format!("{}commitments/{}", self.folder, self.id)
    }

    pub fn document(&self) -> String {
        let mut document = Object::new()
            .text("id", &self.id)
            .text("agent_id", &self.agent_id)
            .text("description", self.promise.0)
            .text("assertion", self.promise.1)
            .text("status", self.status)
            .maybe("failure_message", self.failure_message.as_deref())
            .json("attempts", self.attempts)
            .text("created_at", &self.created_at)
            .text("updated_at", &self.updated_at);
        if let Some(timed_ns) = self.timed_ns {
            document = document.json("x_timed_ns", timed_ns);
        }
        document.build()
    }
}

pub struct Session {
    pub id: String,
    pub agent_id: String,
    pub status: &'static str,
    pub message_count: u64,
    pub started_at: String,
    pub last_message_at: Option<String>,
    pub ended_at: Option<String>,
}

impl Session {
    pub fn key(&self) -> String {
        format!("sessions/{}", self.id)
    }

    pub fn document(&self) -> String {
        Object::new()
            .text("id", &self.id)
            .text("agent_id", &self.agent_id)
            .text("status", self.status)
            .json("message_count", self.message_count)
            .text("started_at", &self.started_at)
            .maybe("last_message_at", self.last_message_at.as_deref())
            .maybe("ended_at", self.ended_at.as_deref())
            .build()
    }
}

pub struct WorkItem {
    pub id: String,
    pub queue: &'static str,
    pub status: &'static str,
    pub attempts: u64,
    /// The agent that works on it, or did: its place in the list and its id.
    pub claimed_by: Option<(usize, String)>,
    pub visible_at: String,
    /// JSON, opaque to the queue.
    pub payload: String,
    /// Fails whoever takes it.
    pub poison: bool,
}

impl WorkItem {
    pub fn key(&self) -> String {
        format!("work_items/{}", self.id)
    }

    pub fn document(&self) -> String {
        Object::new()
            .text("id", &self.id)
            .text("queue_id", self.queue)
            .text("status", self.status)
            .json("attempts", self.attempts)
            .maybe("claimed_by", self.worker())
            .text("visible_at", &self.visible_at)
            .json("payload", &self.payload)
            .build()
    }

    fn worker(&self) -> Option<&str> {
        self.claimed_by.as_ref().map(|(_, id)| id.as_str())
    }

    /// The data of each of its events.
    pub fn data(&self) -> Object {
        let data = Object::new().text("item_id", &self.id).text("queue_id", self.queue);
        data.json("attempts", self.attempts).maybe("claimed_by", self.worker())
    }
}

pub struct Approval {
    pub id: String,
    pub agent: usize,
    pub agent_id: String,
    pub tool: &'static str,
    pub description: &'static str,
    pub requested_at: String,
    pub approved: Option<bool>,
}

impl Approval {
    pub fn key(&self) -> String {
        format!("approvals/{}", self.id)
    }

    pub fn document(&self) -> String {
        let document = Object::new()
            .text("id", &self.id)
            .text("agent", &self.agent_id)
            .text("tool", self.tool)
            .text("description", self.description)
            .text("requested_at", &self.requested_at);
        match self.approved {
            Some(approved) => {
                document.text("decision", if approved { "approved" } else { "denied" }).build()
            }
            None => document.build(),
        }
    }

    pub fn data(&self) -> Object {
        Object::new().text("id", &self.id).text("agent", &self.agent_id).text("tool", self.tool)
    }
}
