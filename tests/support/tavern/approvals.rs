//! What an agent must ask for before it does it, and the rules that grow from the answers.

use super::Tavern;
use super::json::Object;
use super::words::TOOLS;
use super::work::Approval;

impl Tavern {
    pub fn request_approval(&mut self, agent: usize) {
        let mut draft = self.draft(agent);
        let (tool, description) = self.random.pick(&TOOLS);
        let approval = Approval {
            id: self.random.uuid(),
            agent,
            agent_id: self.agents[agent].id.clone(),
            tool,
            description,
            requested_at: self.now(),
            approved: None,
        };
        draft.create(&approval.key(), &approval.document());
        draft.event("ToolApprovalRequested", &approval.key(), approval.data());
        self.approvals.push(approval);
        self.change_state(&mut draft, agent, "waiting_for_input", "tool_approval");
        self.write_agent(&mut draft, agent);
        self.commit(draft);
    }

    /// The user decides on the agent's open request, perhaps for all requests to come; false without one.
    pub fn decide(&mut self, agent: usize) -> bool {
        let open = |approval: &Approval| approval.agent == agent && approval.approved.is_none();
        let Some(approval) = self.approvals.iter().position(open) else { return false };
        let mut draft = self.draft(agent).by_the_user();
        let approved = self.random.chance(75);
        let approval = &mut self.approvals[approval];
        approval.approved = Some(approved);
        draft.change(&approval.key(), &approval.document());
        draft.event(
            "ToolApprovalResolved",
            &approval.key(),
            approval.data().json("approved", approved),
        );
        if self.random.chance(50) {
            let id = self.random.uuid();
            let pattern = format!("{}(*)", approval.tool);
            let rule = Object::new().text("id", &id).text("tool_pattern", &pattern);
            let key = format!("rules/{id}");
            draft.create(
                &key,
                &rule.text("decision", if approved { "allow" } else { "deny" }).build(),
            );
            self.rules.push(key);
        }
        self.change_state(&mut draft, agent, "working", "tool_approval_resolved");
        self.write_agent(&mut draft, agent);
        self.commit(draft);
        true
    }

    pub fn revoke_rule(&mut self) {
        if self.rules.len() < 4 {
            return;
        }
        let mut draft = self.draft(0).by_the_user();
        draft.remove(&self.rules.remove(0));
        self.commit(draft);
    }
}
