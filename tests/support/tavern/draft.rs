//! One line of the day while it is written: a transaction in the form of `docbox commit --lines`.

use super::json::{Object, array};

/// A transaction: who makes it, for which agent's sake, and what is in it so far.
pub struct Draft {
    pub agent: usize,
    pub actor: String,
    pub correlation: String,
    pub causation: Option<usize>,
    writes: Vec<String>,
    events: Vec<String>,
}

impl Draft {
    pub fn new(agent: usize, actor: &str, correlation: &str, causation: Option<usize>) -> Self {
        let (actor, correlation) = (actor.to_owned(), correlation.to_owned());
        Self { agent, actor, correlation, causation, writes: Vec::new(), events: Vec::new() }
    }

    pub fn by_the_user(mut self) -> Self {
        "user".clone_into(&mut self.actor);
        self
    }

    /// A document that must not be there yet.
    pub fn create(&mut self, key: &str, document: &str) {
        self.writes.push(
            Object::new().text("key", key).json("doc", document).text("if", "absent").build(),
        );
    }

    /// A document that is there.
    pub fn change(&mut self, key: &str, document: &str) {
        self.writes.push(Object::new().text("key", key).json("doc", document).build());
    }

    pub fn remove(&mut self, key: &str) {
        self.writes.push(Object::new().text("key", key).json("delete", true).build());
    }

    pub fn event(&mut self, kind: &str, subject: &str, data: Object) {
        let event =
            Object::new().text("type", kind).text("subject", subject).json("data", data.build());
        self.events.push(event.build());
    }

    /// The finished line, its newline included.
    pub fn line(self, number: usize, at: &str) -> String {
        let causation = self.causation.map(|number| number.to_string());
        let meta = Object::new()
            .text("actor", &self.actor)
            .text("correlation", &self.correlation)
            .maybe("causation", causation.as_deref())
            .text("at", at);
        let mut line = Object::new();
        if !self.writes.is_empty() {
            line = line.json("writes", array(&self.writes));
        }
        if !self.events.is_empty() {
            line = line.json("events", array(&self.events));
        }
        line.json("meta", meta.build()).text("ref", &number.to_string()).build() + "\n"
    }
}
