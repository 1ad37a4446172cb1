//! How agents come and go, and their sessions with them.

use super::Tavern;
use super::agent::{Agent, Traits};
use super::cast::{NAMES, typed};
use super::draft::Draft;
use super::json::{Money, Object};
use super::words::ASSIGNMENTS;
use super::work::Session;

impl Tavern {
    /// The user opens three projects; in each one agent speaks with the user.
    pub fn open_the_house(&mut self) {
        for (folder, dollars) in [("", 400), ("projects/p1/", 120), ("projects/p2/", 80)] {
            self.summon(None, folder, Money(dollars * 10_000));
            self.clock.pass(7);
        }
    }

    /// Somebody who is at work summons a child, and gives it a part of the budget, or no limit.
    pub fn spawn_child(&mut self) {
        let parent = if self.random.chance(55) {
            self.random.below(3)
        } else {
            self.random.below(self.agents.len())
        };
        let left = self.agents[parent].left();
        if self.agents[parent].state != "working" || self.depth(parent) > 3 {
            return;
        }
        let budget =
            Money(self.random.pick(&[5_000, 11_250, 15_000, 22_500, 50_000, 72_500, 125_000]));
        let budget = if budget < left && self.random.chance(90) { budget } else { Money(0) };
        self.summon(Some(parent), self.agents[parent].folder, budget);
    }

    fn depth(&self, agent: usize) -> usize {
        self.agents[agent].parent.map_or(1, |parent| 1 + self.depth(parent))
    }

    /// One commit: the child, the parent's budget, the name's reservation, and the events.
    fn summon(&mut self, parent: Option<usize>, folder: &'static str, budget: Money) {
        let child = self.agents.len();
        let agent = self.born(parent, folder, budget);
        self.agents.push(agent);
        let mut draft = match parent {
            Some(parent) => self.draft(parent),
            None => self.draft(child).by_the_user(),
        };
        let agent = &self.agents[child];
        draft.create(&agent.key(), &agent.document());
        let held_by = Object::new().text("name", &agent.name).text("agent_id", &agent.id);
        let reservation = held_by.text("reserved_at", &agent.created_at).build();
        draft.create(&format!("names/{}", agent.name), &reservation);
        let mut spawned = Object::new()
            .text("agent_id", &agent.id)
            .text("name", &agent.name)
            .maybe("parent_id", agent.parent_id.as_deref())
            .maybe("assignment", agent.assignment.as_deref());
        if budget > Money(0) {
            spawned = spawned.json("budget_usd", budget);
        }
        draft.event("AgentSpawned", &agent.key(), spawned);
        if let Some(parent) = parent {
            self.delegate(&mut draft, parent, child);
        }
        self.commit(draft);
        self.agents[child].last_line = Some(self.lines.len());
    }

    fn born(&mut self, parent: Option<usize>, folder: &'static str, budget: Money) -> Agent {
        let assignment = (parent.is_some() && self.random.chance(85))
            .then(|| self.random.pick(&ASSIGNMENTS).to_owned());
        let correlation = match parent {
            Some(parent) if self.agents[parent].parent.is_some() => {
                self.agents[parent].correlation.clone()
            }
            _ => format!("thread-{:04}", self.agents.len() + 1),
        };
        Agent {
            id: self.random.uuid(),
            folder,
            name: self.free_name(),
            parent,
            parent_id: parent.map(|parent| self.agents[parent].id.clone()),
            assignment,
            state: "summoned",
            commitment_ids: Vec::new(),
            allocated: budget,
            spent: Money(0),
            delegated: Money(0),
            warned: false,
            session_id: None,
            created_at: self.now(),
            updated_at: self.now(),
            traits: Traits::thrown(&mut self.random),
            correlation,
            last_line: None,
            forgiven: 0,
            turns_left: self.random.between(1, 3),
            commitments_left: self.random.between(2, 4),
        }
    }

    /// The next name of the list; but the one who is born to do one task and go comes again and again.
    fn free_name(&mut self) -> String {
        const OFTEN: &str = "Mr. Meeseeks";
        let free =
            self.agents.iter().all(|agent| agent.name != OFTEN || agent.state == "dismissed");
        if self.names_given > 3 && free && self.random.chance(40) {
            return OFTEN.to_owned();
        }
        self.names_given += 1;
        if NAMES[self.names_given - 1] == OFTEN && !free {
            self.names_given += 1;
        }
        NAMES[self.names_given - 1].to_owned()
    }

    /// What a parent has delegated is the sum of what its children were allocated, dismissed or not.
    fn delegate(&mut self, draft: &mut Draft, parent: usize, child: usize) {
        let budget = self.agents[child].allocated;
        self.agents[parent].delegated += budget;
        self.write_agent(draft, parent);
        if budget > Money(0) {
            let data = Object::new()
                .text("agent_id", &self.agents[child].id)
                .text("from_agent_id", &self.agents[parent].id)
                .json("allocated", budget)
                .json("spent", Money(0));
            draft.event("BudgetDelegated", &self.agents[parent].key(), data);
        }
    }

    pub fn start(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        self.change_state(&mut draft, agent, "working", "session_started");
        self.begin_session(&mut draft, agent);
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }

    /// The agent has a new session from now on; its document is the caller's to write.
    pub fn begin_session(&mut self, draft: &mut Draft, agent: usize) {
        let session = Session {
            id: self.random.uuid(),
            agent_id: self.agents[agent].id.clone(),
            status: "active",
            message_count: 0,
            started_at: self.now(),
            last_message_at: None,
            ended_at: None,
        };
        draft.create(&session.key(), &session.document());
        let data =
            Object::new().text("session_id", &session.id).text("agent_id", &session.agent_id);
        draft.event("SessionStarted", &session.key(), data);
        self.agents[agent].session_id = Some(session.id.clone());
        self.sessions.push(session);
    }

    /// The agent has no session from now on; its document is the caller's to write.
    pub fn end_session(
        &mut self,
        draft: &mut Draft,
        agent: usize,
        status: &'static str,
        reason: &str,
    ) {
        let now = self.now();
        let Some(id) = self.agents[agent].session_id.take() else { return };
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else {
            return;
        };
        session.status = status;
        session.ended_at = Some(now);
        draft.change(&session.key(), &session.document());
        let kind = if status == "expired" { "SessionExpired" } else { "SessionEnded" };
        let data =
            Object::new().text("session_id", &session.id).text("agent_id", &session.agent_id);
        draft.event(kind, &session.key(), data.text("reason", reason));
    }

    /// One commit: the agent, its session, and its name, which is free again. Children go first.
    pub fn dismiss(&mut self, agent: usize) {
        if self.agents.iter().any(|child| child.parent == Some(agent) && child.state != "dismissed")
        {
            return;
        }
        let mut draft = self.draft(agent).by_the_user();
        let reason = self.agents[agent].state;
        self.change_state(&mut draft, agent, "dismissed", "user");
        self.end_session(&mut draft, agent, "ended", "dismissed");
        self.write_agent(&mut draft, agent);
        draft.remove(&format!("names/{}", typed(&self.agents[agent].name)));
        draft.event("AgentDismissed", &self.agents[agent].key(), self.ending(agent, Some(reason)));
        self.commit(draft);
    }
}
