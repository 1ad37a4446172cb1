//! Commitments: what an agent promises, and how the promise is put to the test.

use super::Tavern;
use super::draft::Draft;
use super::json::Object;
use super::words::{PROMISES, stderr};
use super::work::Commitment;

impl Tavern {
    /// One commit: the agent, and one or two commitments that it takes on.
    pub fn promise(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        let count = self.random.between(1, 2).min(self.agents[agent].commitments_left);
        self.agents[agent].commitments_left -= count;
        for _ in 0..count {
            let commitment = self.promised(agent);
            draft.create(&commitment.key(), &commitment.document());
            let added = Object::new()
                .text("commitment_id", &commitment.id)
                .text("agent_id", &commitment.agent_id);
            draft.event("CommitmentAdded", &commitment.key(), added.text("to", "pending"));
            self.agents[agent].commitment_ids.push(commitment.id.clone());
            self.commitments.push(commitment);
        }
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }

    fn promised(&mut self, agent: usize) -> Commitment {
        Commitment {
            id: self.random.uuid(),
            folder: self.agents[agent].folder,
            agent,
            agent_id: self.agents[agent].id.clone(),
            promise: self.random.pick(&PROMISES),
            status: "pending",
            failure_message: None,
            attempts: 0,
            created_at: self.now(),
            updated_at: self.now(),
            timed_ns: self.random.chance(25).then_some(u64::MAX),
        }
    }

    /// One commit: the agent and every commitment of it that is still to be proven.
    pub fn begin_verifying(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        self.change_state(&mut draft, agent, "verifying", "turn_ended");
        for commitment in 0..self.commitments.len() {
            if self.commitments[commitment].agent == agent
                && self.commitments[commitment].status == "pending"
            {
                self.commitments[commitment].attempts += 1;
                self.change_status(&mut draft, commitment, "verifying");
            }
        }
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }

    /// One assertion comes out; when none is left, the agent does.
    pub fn verify(&mut self, agent: usize) {
        let open =
            |commitment: &Commitment| commitment.agent == agent && commitment.status == "verifying";
        let Some(commitment) = self.commitments.iter().position(open) else {
            return self.conclude(agent);
        };
        let mut draft = self.draft(agent);
        if self.random.chance(8) {
            // The verifier tries again by itself and tells nobody: a document without an event.
            self.commitments[commitment].attempts += 1;
            self.write_commitment(&mut draft, commitment);
        } else if self.random.chance(16) {
            // Each eighth failure is a whole build's worth, near what one line of the day may hold.
            let failures = self.commitments.iter().filter(|one| one.status == "failed").count();
            let lines = if failures % 8 == 3 { 280 } else { self.random.between(12, 70) };
            self.commitments[commitment].failure_message = Some(stderr(&mut self.random, lines));
            self.change_status(&mut draft, commitment, "failed");
        } else {
            self.change_status(&mut draft, commitment, "passed");
        }
        self.commit(draft);
    }

    fn change_status(&mut self, draft: &mut Draft, commitment: usize, to: &'static str) {
        let changed = &mut self.commitments[commitment];
        let data = Object::new()
            .text("commitment_id", &changed.id)
            .text("agent_id", &changed.agent_id)
            .text("from", changed.status)
            .text("to", to)
            .maybe("failure_message", changed.failure_message.as_deref());
        draft.event("CommitmentStatusChanged", &changed.key(), data);
        changed.status = to;
        self.write_commitment(draft, commitment);
    }

    fn write_commitment(&mut self, draft: &mut Draft, commitment: usize) {
        self.commitments[commitment].updated_at = self.now();
        draft.change(&self.commitments[commitment].key(), &self.commitments[commitment].document());
    }

    /// All passed: done. Something failed: another try with new commitments, or the agent has failed.
    /// The parent hears of either.
    fn conclude(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        let failed = self
            .commitments
            .iter()
            .filter(|one| one.agent == agent && one.status == "failed")
            .count();
        let failed = failed - self.agents[agent].forgiven;
        let key = self.agents[agent].key();
        if failed == 0 {
            self.change_state(&mut draft, agent, "done", "verified");
            draft.event("AgentCompleted", &key, self.ending(agent, None));
            self.say(&mut draft, agent, "assistant", "\"All my commitments have passed.\"");
        } else if failed == 1 && self.random.chance(70) {
            self.agents[agent].forgiven += 1;
            self.agents[agent].commitments_left = 1;
            self.agents[agent].turns_left = 1;
            self.change_state(&mut draft, agent, "working", "commitment_failed");
        } else {
            self.change_state(&mut draft, agent, "failed", "commitment_failed");
            let reason = format!("commitments failed: {failed}");
            draft.event("AgentFailed", &key, self.ending(agent, Some(&reason)));
            self.say(&mut draft, agent, "assistant", "[{\"type\":\"text\",\"text\":\"I could not keep my word. What stands in the way is in the commitments.\"}]");
        }
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }
}
