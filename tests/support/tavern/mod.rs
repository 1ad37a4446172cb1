//! The recorded day of a Tavern project, as a pure function: no disk, no clock, the same bytes always.
//!
//! `fixtures/tavern/day.jsonl` holds what [`day`] returns; `tests/tavern` keeps the two equal and checks
//! that the day makes sense. To change the day, change what is here and bless the file anew.

mod agent;
mod approvals;
mod cast;
mod clock;
mod draft;
mod json;
mod queue;
mod random;
mod spawning;
mod turns;
mod verifying;
mod words;
mod work;

use agent::Agent;
use clock::Clock;
use draft::Draft;
use json::Object;
use random::Random;
use work::{Approval, Commitment, Session, WorkItem};

/// How many commits the day has.
pub const COMMITS: usize = 1_600;
/// How many commits come at once when many come at once.
pub const BURST: usize = 200;

/// The whole day: [`COMMITS`] lines, each a transaction as `docbox commit --lines` takes it.
pub fn day() -> String {
    let mut tavern = Tavern::new();
    tavern.open_the_house();
    tavern.ordinary_until(330);
    // An index of the whole tree is asked for: one work item a file.
    tavern.burst(Tavern::enqueue);
    tavern.ordinary_until(770);
    // The workers get at the queue.
    tavern.burst(Tavern::queue_step);
    tavern.ordinary_until(1_190);
    // The network is back after an hour, and everybody goes on at once.
    tavern.clock.pass(3_600);
    tavern.burst(Tavern::agent_step);
    tavern.ordinary_until(COMMITS);
    tavern.lines.concat()
}

/// All that lives in the house, and the lines written so far. Agents and work are named by their place
/// in these lists, and none leaves its list when its document is removed.
struct Tavern {
    random: Random,
    clock: Clock,
    lines: Vec<String>,
    agents: Vec<Agent>,
    commitments: Vec<Commitment>,
    sessions: Vec<Session>,
    items: Vec<WorkItem>,
    approvals: Vec<Approval>,
    /// Keys of the rules in force.
    rules: Vec<String>,
    names_given: usize,
}

impl Tavern {
    fn new() -> Self {
        Self {
            random: Random::new(0x5EED_0F7A_7E21),
            clock: Clock::new(7, 31, 41),
            lines: Vec::new(),
            agents: Vec::new(),
            commitments: Vec::new(),
            sessions: Vec::new(),
            items: Vec::new(),
            approvals: Vec::new(),
            rules: Vec::new(),
            names_given: 0,
        }
    }

    fn now(&self) -> String {
        self.clock.to_string()
    }

    /// Steps of an ordinary pace, until the day has `count` lines.
    fn ordinary_until(&mut self, count: usize) {
        while self.lines.len() < count {
            let lines = self.lines.len();
            self.ordinary_step();
            if self.lines.len() > lines {
                let pause = self.random.between(3, 68);
                self.clock.pass(pause);
            }
        }
    }

    /// [`BURST`] commits within four seconds.
    fn burst(&mut self, step: fn(&mut Self)) {
        let first = self.lines.len();
        while self.lines.len() < first + BURST {
            let lines = self.lines.len();
            step(self);
            if self.lines.len() > lines && self.lines.len().is_multiple_of(50) {
                self.clock.pass(1);
            }
        }
    }

    /// One try at one thing; it may come to nothing.
    fn ordinary_step(&mut self) {
        let wanted = 8 + self.lines.len() * 60 / COMMITS;
        match self.random.below(100) {
            0..12 => self.queue_step(),
            12..16 => self.enqueue(),
            16..17 => self.save_unchanged(),
            17..19 => self.revoke_rule(),
            19..55 if self.agents.len() < wanted => self.spawn_child(),
            _ => self.agent_step(),
        }
    }

    /// Whichever agent's turn it is does the next thing in its life. Those who speak with the user live all
    /// day; they come half as often, or they would do most of the talking.
    fn agent_step(&mut self) {
        let agent = self.random.below(self.agents.len());
        if self.agents[agent].parent.is_none() && self.random.chance(50) {
            return;
        }
        match self.agents[agent].state {
            "summoned" => self.start(agent),
            "working" => self.work(agent),
            "waiting_for_input" => self.answer(agent),
            "waiting_for_wakeup" => self.wake(agent),
            "verifying" => self.verify(agent),
            "done" | "failed" => self.dismiss(agent),
            _ => {}
        }
    }

    /// The app saves what nobody changed: a commit like any other, which leaves the file untouched.
    fn save_unchanged(&mut self) {
        if self.commitments.is_empty() {
            return;
        }
        let commitment = self.random.below(self.commitments.len());
        let mut draft = self.draft(self.commitments[commitment].agent).by_the_user();
        draft.change(&self.commitments[commitment].key(), &self.commitments[commitment].document());
        self.commit(draft);
    }

    /// A transaction made by an agent.
    fn draft(&self, agent: usize) -> Draft {
        let made_by = &self.agents[agent];
        Draft::new(agent, &made_by.key(), &made_by.correlation, made_by.last_line)
    }

    fn commit(&mut self, draft: Draft) {
        let number = self.lines.len() + 1;
        self.agents[draft.agent].last_line = Some(number);
        self.lines.push(draft.line(number, &self.now()));
    }

    /// Puts the agent's document as it is now into the draft.
    fn write_agent(&mut self, draft: &mut Draft, agent: usize) {
        self.agents[agent].updated_at = self.now();
        draft.change(&self.agents[agent].key(), &self.agents[agent].document());
    }

    /// The agent is in another state from now on; its document is the caller's to write.
    fn change_state(&mut self, draft: &mut Draft, agent: usize, to: &'static str, trigger: &str) {
        let changed = &mut self.agents[agent];
        let data =
            Object::new().text("agent_id", &changed.id).text("from", changed.state).text("to", to);
        draft.event("AgentStateChanged", &changed.key(), data.text("trigger", trigger));
        changed.state = to;
    }

    /// The data of the events that end an agent's work.
    fn ending(&self, agent: usize, reason: Option<&str>) -> Object {
        let ended = &self.agents[agent];
        Object::new()
            .text("agent_id", &ended.id)
            .maybe("parent_id", ended.parent_id.as_deref())
            .maybe("reason", reason)
    }
}
