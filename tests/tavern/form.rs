//! The form of the day: what the command line takes, how much there is of everything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use unicode_normalization::is_nfc;
use wildmatch::WildMatch;

use crate::replay::{Commit, folder_of, list, replay, text};
use crate::tavern;

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_line_is_a_transaction_as_the_command_line_takes_it() {
    for commit in replay(&tavern::day()) {
        let (number, whole) = (commit.number, &commit.whole);
        assert!(commit.line.len() <= 65_536, "line {number} is {} bytes long", commit.line.len());
        assert!(
            members(whole).is_subset(&BTreeSet::from(["writes", "events", "meta", "ref"])),
            "line {number}"
        );
        assert!(!commit.writes.is_empty() || !commit.events.is_empty(), "line {number} is empty");
        assert!(whole.get("writes").is_none_or(|writes| !list(writes).is_empty()), "line {number}");
        assert!(whole.get("events").is_none_or(|events| !list(events).is_empty()), "line {number}");
        assert_eq!(text(&whole["ref"]), number.to_string());
        for given in list(&whole["writes"]) {
            let form = members(given).into_iter().collect::<Vec<_>>();
            assert!(
                [vec!["doc", "if", "key"], vec!["doc", "key"], vec!["delete", "key"]]
                    .contains(&form),
                "{form:?}"
            );
        }
        for event in list(&whole["events"]) {
            assert_eq!(
                members(event),
                BTreeSet::from(["data", "subject", "type"]),
                "line {number}"
            );
        }
    }
}

#[test]
fn meta_is_texts_and_its_time_never_goes_back() {
    let day = replay(&tavern::day());
    for commit in &day {
        let meta = commit.whole["meta"].as_object().expect("meta is an object");
        assert!(
            meta.values().all(Value::is_string)
                && meta.contains_key("actor")
                && meta.contains_key("correlation")
        );
        let cause =
            meta.get("causation").map_or(0, |cause| text(cause).parse().expect("a line's number"));
        assert!(cause < commit.number, "line {} was caused by a later one", commit.number);
        assert!(
            commit.at().starts_with("2026-03-05T") && commit.at().len() == 20,
            "{}",
            commit.at()
        );
    }
    assert!(day.is_sorted_by_key(|commit| commit.at().to_owned()));
}

#[test]
fn every_key_is_valid_and_its_file_name_not_too_long() {
    for commit in replay(&tavern::day()) {
        for write in &commit.writes {
            let segments: Vec<_> = write.key.split('/').collect();
            assert!(segments.len() <= 16, "{}", write.key);
            for segment in segments {
                assert!(
                    !["", ".", "..", ".docbox"].contains(&segment) && !segment.contains('\0'),
                    "{}",
                    write.key
                );
                // A character of ASCII that may not stand in a file name becomes three.
                let stands = |byte: &u8| {
                    !byte.is_ascii() || byte.is_ascii_alphanumeric() || b" -_.+@=".contains(byte)
                };
                let encoded =
                    segment.len() + 2 * segment.bytes().filter(|byte| !stands(byte)).count();
                assert!(encoded <= 200, "{}", write.key);
            }
        }
    }
}

#[test]
fn creations_meet_no_document_and_deletions_meet_one() {
    for commit in replay(&tavern::day()) {
        let keys: BTreeSet<_> = commit.writes.iter().map(|write| &write.key).collect();
        assert_eq!(keys.len(), commit.writes.len(), "line {} writes a key twice", commit.number);
        for write in &commit.writes {
            let absent = write.given.get("if").is_some_and(|condition| condition == "absent");
            assert_eq!(absent, write.before.is_none(), "line {}: {}", commit.number, write.key);
            assert_ne!(
                write.after.is_some(),
                write.given["delete"] == true,
                "line {}: {}",
                commit.number,
                write.key
            );
        }
    }
}

/// Else the day could not be committed where the file system does not tell case apart.
#[test]
fn no_two_keys_differ_by_case_alone() {
    let mut spellings = BTreeMap::new();
    for commit in replay(&tavern::day()) {
        for write in commit.writes {
            let first =
                spellings.entry(write.key.to_lowercase()).or_insert_with(|| write.key.clone());
            assert_eq!(*first, write.key);
        }
    }
}

#[test]
fn there_is_enough_of_everything() {
    let text_of_day = tavern::day();
    let day = replay(&text_of_day);
    let created = |folder: &str| {
        day.iter()
            .flat_map(|commit| commit.writes_in(folder))
            .filter(|write| write.before.is_none())
            .count()
    };
    let removed = |folder: &str| {
        day.iter()
            .flat_map(|commit| commit.writes_in(folder))
            .filter(|write| write.after.is_none())
            .count()
    };
    let unchanged = day
        .iter()
        .flat_map(|commit| &commit.writes)
        .filter(|write| write.before == write.after)
        .count();
    let events: usize = day.iter().map(|commit| commit.events.len()).sum();
    assert_eq!(day.len(), tavern::COMMITS);
    assert!((2_600..2_900).contains(&events), "{events} events");
    assert!((2_000_000..3_000_000).contains(&text_of_day.len()), "{} bytes", text_of_day.len());
    assert!(created("agents") >= 60 && created("commitments") >= 150, "agents, commitments");
    assert!(
        removed("work_items") >= 50 && removed("names") >= 30 && removed("rules") >= 5,
        "deletions"
    );
    assert!(unchanged >= 5, "{unchanged} documents written as they were");
    assert!(
        day.iter().filter(|commit| commit.writes.is_empty()).count() >= 50,
        "commits of events only"
    );
    assert!(
        day.iter().filter(|commit| commit.events.is_empty()).count() >= 50,
        "commits of documents only"
    );
    assert!(
        day.iter().filter(|commit| commit.writes.len() >= 3).count() >= 300,
        "commits of many documents"
    );
    let project =
        |commit: &&Commit| commit.writes.iter().any(|write| write.key.starts_with("projects/"));
    assert!(day.iter().filter(project).count() >= 200, "keys in projects");
}

#[test]
fn every_event_type_of_a_tavern_occurs_and_no_other() {
    let all = "AgentSpawned AgentStateChanged AgentWaitingForInput AgentCompleted AgentDismissed AgentFailed \
        CommitmentAdded CommitmentStatusChanged MessageSent SessionStarted SessionExpired SessionEnded UsageRecorded \
        BudgetDelegated BudgetWarning BudgetExhausted ToolApprovalRequested ToolApprovalResolved WorkItemEnqueued \
        WorkItemClaimed WorkItemCompleted WorkItemDeadLettered";
    let day = replay(&tavern::day());
    let kinds: BTreeSet<_> =
        day.iter().flat_map(|commit| &commit.events).map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, all.split_whitespace().collect());
}

#[test]
fn every_kind_of_document_has_its_members_and_leaves_the_optional_ones_out_at_times() {
    let kinds = [
        (
            "agents",
            "id name state commitment_ids budget mcp_servers created_at updated_at",
            "assignment parent_id model_id effort_level session_id description",
        ),
        (
            "commitments",
            "id agent_id description assertion status attempts created_at updated_at",
            "failure_message",
        ),
        ("sessions", "id agent_id status message_count started_at", "last_message_at ended_at"),
        ("messages", "id from to role content", ""),
        ("work_items", "id queue_id status attempts visible_at payload", "claimed_by"),
        ("approvals", "id agent tool description requested_at", "decision"),
        ("rules", "id tool_pattern decision", ""),
        ("names", "name agent_id reserved_at", ""),
    ];
    let day = replay(&tavern::day());
    let folders: BTreeSet<_> =
        day.iter().flat_map(|it| &it.writes).map(|write| folder_of(&write.key)).collect();
    assert_eq!(folders, kinds.iter().map(|(folder, ..)| *folder).collect());
    for (folder, always, sometimes) in kinds {
        let all: Vec<_> = day
            .iter()
            .flat_map(|it| it.writes_in(folder))
            .filter_map(|it| it.after.as_ref())
            .collect();
        for member in always.split_whitespace() {
            assert!(
                all.iter().all(|document| document.get(member).is_some()),
                "{folder}: {member}"
            );
        }
        for member in sometimes.split_whitespace() {
            assert!(
                all.iter().any(|document| document.get(member).is_some()),
                "{folder}: {member}"
            );
            assert!(
                all.iter().any(|document| document.get(member).is_none()),
                "{folder}: {member}"
            );
        }
    }
}

#[test]
fn the_day_holds_what_is_hard_to_keep() {
    let day = tavern::day();
    for token in [
        "\"allocated_usd\":1.50,",
        "\"allocated_usd\":1.1250,",
        "\"x_ratio\":1.0",
        "9007199254740993",
        "-0.0",
        "1.5E-7",
        "340282366920938463463374607431768211455",
        "caf\\u00e9",
        "\\u001b[1;31m",
        "{\\\"crc\\\":",
        "names/Nguyễn Thị Mai",
        "names/María Elena",
        "names/Mr. Meeseeks",
        "names/日向 葵",
        "names/🦀 Ferris",
        "names/ליאת כהן",
        "names/QA/Backend",
        "names/aux",
        "names/.dotfile whisperer",
        "names/Zoe\u{308} Brandt",
    ] {
        assert!(day.contains(token), "{token}");
    }
    let keys: Vec<_> = day.lines().flat_map(|line| line.split("{\"key\":\"").skip(1)).collect();
    let decomposed: BTreeSet<_> =
        keys.iter().filter_map(|it| it.split('"').next()).filter(|it| !is_nfc(it)).collect();
    assert_eq!(decomposed, BTreeSet::from(["names/Zoe\u{308} Brandt"]));
    let long = |commit: &Commit| {
        commit
            .events
            .iter()
            .filter_map(|it| it.data["failure_message"].as_str()?.len().into())
            .max()
    };
    let long: Vec<usize> = replay(&day).iter().filter_map(long).collect();
    assert!(
        long.iter().filter(|&&length| length > 1_024).count() >= 10
            && long.iter().any(|&it| it > 16_384)
    );
}

#[test]
fn three_times_two_hundred_commits_come_within_five_seconds() {
    let day = replay(&tavern::day());
    let seconds: Vec<u64> = day.iter().map(|commit| seconds(commit.at())).collect();
    let (mut bursts, mut start) = (0, 0);
    while let Some(last) = seconds.get(start + tavern::BURST - 1) {
        let burst = last - seconds[start] <= 5;
        bursts += usize::from(burst);
        start += if burst { tavern::BURST } else { 1 };
    }
    assert_eq!(bursts, 3);
}

fn seconds(at: &str) -> u64 {
    let clock = at.trim_start_matches("2026-03-05T").trim_end_matches('Z');
    clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().expect("digits"))
}

#[test]
fn each_subscription_of_the_demo_has_its_share() {
    let day = replay(&tavern::day());
    for globs in [["Agent*", "Commitment*", "Commitment*"], ["Usage*", "Budget*", "*Failed"]] {
        let globs = globs.map(WildMatch::new);
        let matching = |kind: &str| globs.iter().any(|glob| glob.matches(kind));
        let share = day
            .iter()
            .flat_map(|commit| &commit.events)
            .filter(|event| matching(&event.kind))
            .count();
        assert!(share >= 600, "{share} events");
    }
}
