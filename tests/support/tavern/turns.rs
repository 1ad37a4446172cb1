//! An agent at work: messages, spending, questions, naps.

use super::Tavern;
use super::draft::Draft;
use super::json::{Money, Object, text};
use super::words::{QUESTIONS, content};

impl Tavern {
    pub fn work(&mut self, agent: usize) {
        let speaker = self.agents[agent].parent.is_none();
        let promised = self.agents[agent].commitments_left == 0;
        match self.random.below(100) {
            _ if !speaker && promised && self.agents[agent].turns_left == 0 => {
                self.begin_verifying(agent);
            }
            0..45 if !speaker && !promised => self.promise(agent),
            45..70 => self.take_turn(agent),
            70..82 => self.spend(agent),
            82..87 => self.ask(agent),
            87..92 => self.request_approval(agent),
            92..95 => self.nap(agent),
            _ => self.instruct(agent),
        }
    }

    /// An event and no document: the agent's document catches up when it is written next.
    fn spend(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        for _ in 0..self.random.between(2, 4) {
            self.record_usage(&mut draft, agent);
        }
        self.commit(draft);
    }

    fn record_usage(&mut self, draft: &mut Draft, agent: usize) {
        let (input, output) = (self.random.between(800, 42_000), self.random.between(40, 3_800));
        let cost = Money((input * 3 + output * 15) / 100);
        self.agents[agent].spent += cost;
        let data = Object::new()
            .text("agent_id", &self.agents[agent].id)
            .json("input_tokens", input)
            .json("output_tokens", output)
            .json("cost_usd", cost)
            .json("duration_ms", self.random.between(350, 94_000));
        draft.event("UsageRecorded", &self.agents[agent].key(), data);
    }

    /// Usage together with the agent's document; at four fifths of what the agent
    /// has not given to children a warning, at its end the end.
    pub fn settle(&mut self, draft: &mut Draft, agent: usize) {
        for _ in 0..self.random.between(1, 3) {
            self.record_usage(draft, agent);
        }
        let spender = &self.agents[agent];
        let own = spender.allocated - spender.delegated;
        let limited = spender.allocated > Money(0);
        let (key, id, allocated, spent) =
            (spender.key(), spender.id.clone(), spender.allocated, spender.spent);
        let data = || {
            Object::new().text("agent_id", &id).json("allocated", allocated).json("spent", spent)
        };
        if limited && !spender.warned && spent.0 * 5 >= own.0 * 4 {
            self.agents[agent].warned = true;
            draft.event("BudgetWarning", &key, data());
        }
        if limited && spent >= own {
            draft.event("BudgetExhausted", &key, data());
            self.change_state(draft, agent, "failed", "budget");
            draft.event("AgentFailed", &key, self.ending(agent, Some("the budget is exhausted")));
        }
        self.write_agent(draft, agent);
    }

    /// The agent answers whoever it works for: message, session and agent in one commit.
    fn take_turn(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        let said = content(&mut self.random);
        self.say(&mut draft, agent, "assistant", &said);
        self.settle(&mut draft, agent);
        self.agents[agent].turns_left = self.agents[agent].turns_left.saturating_sub(1);
        self.commit(draft);
    }

    fn instruct(&mut self, agent: usize) {
        let mut draft = match self.agents[agent].parent {
            Some(parent) => self.draft(parent),
            None => self.draft(agent).by_the_user(),
        };
        let said = content(&mut self.random);
        self.say(&mut draft, agent, "user", &said);
        self.commit(draft);
    }

    /// A message in the agent's session, from the agent (`assistant`) or to it (`user`).
    pub fn say(&mut self, draft: &mut Draft, agent: usize, role: &str, content: &str) {
        let (id, now) = (self.random.uuid(), self.now());
        let session_id = self.agents[agent].session_id.clone();
        let Some(session) =
            self.sessions.iter_mut().find(|session| Some(&session.id) == session_id.as_ref())
        else {
            return;
        };
        session.message_count += 1;
        session.last_message_at = Some(now);
        let other = self.agents[agent].parent_id.as_deref().unwrap_or("user");
        let own = self.agents[agent].id.as_str();
        let (from, to) = if role == "user" { (other, own) } else { (own, other) };
        let ends = Object::new().text("from", from).text("to", to);
        let message = Object::new().text("id", &id).text("from", from).text("to", to);
        let message = message.text("role", role).json("content", content).build();
        let key = format!("messages/{id}");
        draft.create(&key, &message);
        draft.change(&session.key(), &session.document());
        draft.event(
            "MessageSent",
            &key,
            ends.text("message_id", &id).text("session_id", &session.id),
        );
    }

    fn ask(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        let (question, complexity) = self.random.pick(&QUESTIONS);
        self.change_state(&mut draft, agent, "waiting_for_input", "question");
        self.write_agent(&mut draft, agent);
        let asked = Object::new().text("agent_id", &self.agents[agent].id).text("text", question);
        draft.event(
            "AgentWaitingForInput",
            &self.agents[agent].key(),
            asked.text("complexity", complexity),
        );
        self.commit(draft);
    }

    /// The user answers the agent's question, or decides on what it wants to do.
    pub fn answer(&mut self, agent: usize) {
        if self.decide(agent) {
            return;
        }
        let mut draft = self.draft(agent).by_the_user();
        let said = text(self.random.pick(&[
            "Yes.",
            "(a), but keep (b) for the tests.",
            "Không.",
            "No 🙅",
            "はい、お願いします。",
        ]));
        self.say(&mut draft, agent, "user", &said);
        self.change_state(&mut draft, agent, "working", "answer");
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }

    fn nap(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        self.change_state(&mut draft, agent, "waiting_for_wakeup", "schedule");
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }

    /// Back to work, with a new session if the old one expired meanwhile; or the session expires.
    pub fn wake(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        if self.agents[agent].session_id.is_some() && self.random.chance(40) {
            self.end_session(&mut draft, agent, "expired", "idle");
        } else {
            if self.agents[agent].session_id.is_none() {
                self.begin_session(&mut draft, agent);
            }
            self.change_state(&mut draft, agent, "working", "wakeup");
        }
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }
}
