//! The day makes sense: states follow one another as they may, events say what happened, sums agree.

use std::collections::{BTreeMap, BTreeSet};

use crate::replay::{Documents, Write, dollars, replay, same_money, text};
use crate::tavern;

const AGENT: [(&str, &str); 13] = [
    ("", "summoned"),
    ("summoned", "working"),
    ("working", "waiting_for_input"),
    ("waiting_for_input", "working"),
    ("working", "waiting_for_wakeup"),
    ("waiting_for_wakeup", "working"),
    ("working", "verifying"),
    ("verifying", "working"),
    ("verifying", "done"),
    ("verifying", "failed"),
    ("working", "failed"),
    ("done", "dismissed"),
    ("failed", "dismissed"),
];
const COMMITMENT: [(&str, &str); 4] =
    [("", "pending"), ("pending", "verifying"), ("verifying", "passed"), ("verifying", "failed")];
const SESSION: [(&str, &str); 3] = [("", "active"), ("active", "expired"), ("active", "ended")];
const WORK_ITEM: [(&str, &str); 7] = [
    ("", "pending"),
    ("pending", "claimed"),
    ("claimed", "completed"),
    ("claimed", "failed"),
    ("failed", "pending"),
    ("failed", "dead_lettered"),
    ("completed", ""),
];

/// The state before and after a write; no document is the empty state.
fn step<'a>(write: &'a Write, member: &str) -> (&'a str, &'a str) {
    let (before, after) = write.change(member);
    (before.unwrap_or_default(), after.unwrap_or_default())
}

#[test]
fn states_follow_one_another_only_as_they_may_and_every_step_is_taken() {
    let machines = [
        ("agents", "state", &AGENT[..]),
        ("commitments", "status", &COMMITMENT),
        ("sessions", "status", &SESSION),
        ("work_items", "status", &WORK_ITEM),
    ];
    let day = replay(&tavern::day());
    for (folder, member, legal) in machines {
        let writes = day.iter().flat_map(|commit| commit.writes_in(folder));
        let taken: BTreeSet<_> =
            writes.map(|write| step(write, member)).filter(|(from, to)| from != to).collect();
        assert_eq!(taken, legal.iter().copied().collect(), "{folder}");
    }
}

#[test]
fn each_change_of_state_has_its_event_in_the_same_commit_and_each_event_its_change() {
    for commit in replay(&tavern::day()) {
        let of_events = |kind| {
            let told = commit
                .events_of(kind)
                .map(|it| (it.subject.as_str(), (text(&it.data["from"]), text(&it.data["to"]))));
            told.collect::<BTreeMap<_, _>>()
        };
        let of_documents = |folder, member| {
            let steps =
                commit.writes_in(folder).map(|write| (write.key.as_str(), step(write, member)));
            steps
                .filter(|(_, (from, to))| !from.is_empty() && from != to)
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(
            of_events("AgentStateChanged"),
            of_documents("agents", "state"),
            "line {}",
            commit.number
        );
        let commitments = of_documents("commitments", "status");
        assert_eq!(of_events("CommitmentStatusChanged"), commitments, "line {}", commit.number);
    }
}

#[test]
fn births_and_ends_are_told_by_events_of_their_own() {
    let named = [
        ("agents", "state", "", "summoned", "AgentSpawned"),
        ("agents", "state", "verifying", "done", "AgentCompleted"),
        ("agents", "state", "*", "failed", "AgentFailed"),
        ("agents", "state", "*", "dismissed", "AgentDismissed"),
        ("commitments", "status", "", "pending", "CommitmentAdded"),
        ("sessions", "status", "", "active", "SessionStarted"),
        ("sessions", "status", "active", "expired", "SessionExpired"),
        ("sessions", "status", "active", "ended", "SessionEnded"),
        ("messages", "role", "", "*", "MessageSent"),
        ("approvals", "decision", "", "*", "ToolApprovalResolved"),
        ("work_items", "status", "*", "pending", "WorkItemEnqueued"),
        ("work_items", "status", "pending", "claimed", "WorkItemClaimed"),
        ("work_items", "status", "claimed", "completed", "WorkItemCompleted"),
        ("work_items", "status", "failed", "dead_lettered", "WorkItemDeadLettered"),
    ];
    for commit in replay(&tavern::day()) {
        for (folder, member, from, to, kind) in named {
            let fits = |(before, after): (&str, &str)| {
                before != after
                    && (from == "*" || from == before)
                    && (to == "*" || to == after)
                    && !after.is_empty()
            };
            let changed = commit.writes_in(folder).filter(|write| fits(step(write, member)));
            let changed: BTreeSet<_> = changed.map(|write| write.key.as_str()).collect();
            let told: BTreeSet<_> =
                commit.events_of(kind).map(|event| event.subject.as_str()).collect();
            assert_eq!(told, changed, "line {}: {kind}", commit.number);
        }
    }
}

/// Usage may be told alone: then its subject is a document that stands already.
#[test]
fn each_event_is_about_a_document_of_its_commit() {
    let mut documents = Documents::new();
    for commit in replay(&tavern::day()) {
        for write in &commit.writes {
            if let Some(document) = &write.after {
                documents.insert(write.key.clone(), document.clone());
            }
        }
        for event in &commit.events {
            let written = commit.writes.iter().any(|write| write.key == event.subject);
            let alone = commit.writes.is_empty() && event.kind == "UsageRecorded";
            assert!(
                written || alone && documents.contains_key(&event.subject),
                "line {}",
                commit.number
            );
        }
    }
}

#[test]
fn a_failed_commitment_says_why_in_its_document_and_in_its_event() {
    for commit in replay(&tavern::day()) {
        for write in commit.writes_in("commitments") {
            let (_, status) = write.change("status");
            let (_, message) = write.change("failure_message");
            assert_eq!(status == Some("failed"), message.is_some(), "line {}", commit.number);
            for event in commit
                .events_of("CommitmentStatusChanged")
                .filter(|event| event.subject == write.key)
            {
                assert_eq!(event.data["failure_message"].as_str(), message);
            }
        }
    }
}

#[test]
fn a_child_comes_with_its_name_and_its_parent_s_budget_and_gives_its_name_back() {
    for commit in replay(&tavern::day()) {
        let names: Vec<_> = commit.writes_in("names").collect();
        for event in commit.events_of("AgentSpawned") {
            let reservation = names[0].after.as_ref().expect("a name is reserved");
            assert_eq!(reservation["name"], event.data["name"]);
            assert_eq!(reservation["agent_id"], event.data["agent_id"]);
            let parent = event.data["parent_id"].as_str();
            let parents = commit.writes_in("agents").filter_map(|write| write.after.as_ref());
            assert_eq!(
                parents.filter(|agent| agent["id"].as_str() == parent).count(),
                usize::from(parent.is_some())
            );
        }
        for event in commit.events_of("AgentDismissed") {
            let reservation = names[0].before.as_ref().expect("a name was reserved");
            assert_eq!(reservation["agent_id"], event.data["agent_id"]);
        }
        let told =
            commit.events_of("AgentSpawned").chain(commit.events_of("AgentDismissed")).count();
        assert_eq!(names.len(), told, "line {}", commit.number);
    }
}

#[test]
fn budgets_add_up_after_every_commit() {
    let mut agents = BTreeMap::new();
    let mut recorded: BTreeMap<String, f64> = BTreeMap::new();
    for commit in replay(&tavern::day()) {
        for event in commit.events_of("UsageRecorded") {
            *recorded.entry(text(&event.data["agent_id"]).to_owned()).or_default() +=
                dollars(&event.data["cost_usd"]);
        }
        for agent in commit.writes_in("agents").filter_map(|write| write.after.as_ref()) {
            let id = text(&agent["id"]).to_owned();
            let spent = recorded.get(&id).copied().unwrap_or_default();
            assert!(
                same_money(dollars(&agent["budget"]["spent_usd"]), spent),
                "line {}: {id}",
                commit.number
            );
            agents.insert(id, agent.clone());
        }
        let mut delegated: BTreeMap<&str, f64> = BTreeMap::new();
        for agent in agents.values() {
            if let Some(parent) = agent["parent_id"].as_str() {
                *delegated.entry(parent).or_default() += dollars(&agent["budget"]["allocated_usd"]);
            }
        }
        for (id, agent) in &agents {
            let children = delegated.get(id.as_str()).copied().unwrap_or_default();
            assert!(
                same_money(dollars(&agent["budget"]["delegated_usd"]), children),
                "line {}: {id}",
                commit.number
            );
        }
    }
}

#[test]
fn warnings_about_a_budget_are_true() {
    for commit in replay(&tavern::day()) {
        for (kind, part) in [("BudgetWarning", 0.8), ("BudgetExhausted", 1.0)] {
            for event in commit.events_of(kind) {
                let agent = commit.writes.iter().find(|write| write.key == event.subject);
                let budget = &agent
                    .and_then(|write| write.after.as_ref())
                    .expect("the agent is written")["budget"];
                assert_eq!(
                    (&event.data["allocated"], &event.data["spent"]),
                    (&budget["allocated_usd"], &budget["spent_usd"])
                );
                let own = dollars(&budget["allocated_usd"]) - dollars(&budget["delegated_usd"]);
                assert!(
                    dollars(&event.data["spent"]) >= own * part - 0.000_05,
                    "line {}: {kind}",
                    commit.number
                );
            }
        }
    }
}

#[test]
fn references_lead_to_documents_and_messages_are_counted() {
    let mut ids = BTreeSet::from([String::from("user")]);
    let mut messages: BTreeMap<String, u64> = BTreeMap::new();
    for commit in replay(&tavern::day()) {
        let after = commit.writes.iter().filter_map(|write| write.after.as_ref());
        ids.extend(after.clone().filter_map(|document| document["id"].as_str()).map(str::to_owned));
        for document in after.chain(commit.events.iter().map(|event| &event.data)) {
            for member in [
                "agent_id",
                "parent_id",
                "session_id",
                "agent",
                "claimed_by",
                "from",
                "to",
                "commitment_id",
                "item_id",
            ] {
                let reference = document[member].as_str().filter(|it| it.len() == 36);
                assert!(
                    reference.is_none_or(|id| ids.contains(id)),
                    "line {}: {member}",
                    commit.number
                );
            }
        }
        for event in commit.events_of("MessageSent") {
            *messages.entry(text(&event.data["session_id"]).to_owned()).or_default() += 1;
        }
        for session in commit.writes_in("sessions").filter_map(|write| write.after.as_ref()) {
            let sent = messages.get(text(&session["id"])).copied().unwrap_or_default();
            assert_eq!(session["message_count"].as_u64(), Some(sent), "line {}", commit.number);
        }
    }
}
