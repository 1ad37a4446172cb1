//! What the agents and their tools say.

use super::json::{Object, array, text};
use super::random::Random;

pub const ASSIGNMENTS: [&str; 16] = [
    "Replace the registry's two file writes by one commit",
    "Find out why a dismissed agent is back after a restart",
    "Write the migration for session files, with a dry run",
    "Move the sidebar's view model off the main actor",
    "Teach the name generator about clashes by case",
    "Measure the time from a keystroke to the first token",
    "Port the approval sheet to the new design tokens",
    "Make `swift test --parallel` pass ten times in a row",
    "Añadir traducciones al español para la barra lateral",
    "Viết kiểm thử cho bộ đọc nhật ký",
    "設定画面の日本語訳を直す",
    "Collect every TODO older than a year; close or ticket each",
    "Split ProjectStack.swift (1,900 lines) along its second noun",
    "Show failures of commitments in the parent's chat, not only in the log",
    "Check the iCloud conflict copies (`name 2.json`) by hand",
    "Draft the release notes → docs/release-notes.md",
];

pub const DESCRIPTIONS: [&str; 6] = [
    "patient, reads before it writes",
    "quick and cheap: for lists, names, formatting",
    "reviewer — says “no” with a reason",
    "keeps the build green 🟢",
    "speaks to the user, delegates the rest",
    "one task, then gone",
];

/// What a commitment promises, and the shell command that proves it.
pub const PROMISES: [(&str, &str); 12] = [
    ("The tests pass", "swift test --parallel 2>&1 | tail -n 40"),
    (
        "No force unwraps are left in Registry/",
        "! grep -rn '[a-z]!' Sources/Tavern/Registry --include '*.swift'",
    ),
    ("The project builds without warnings", "swift build -Xswiftc -warnings-as-errors"),
    (
        "Every public type has a comment",
        "./scripts/check-comments.sh Sources/Tavern && echo \"ok\"",
    ),
    (
        "The branch is rebased and clean",
        "git diff --quiet && git merge-base --is-ancestor origin/main HEAD",
    ),
    (
        "Spawning survives kill -9",
        "for i in $(seq 20); do ./scripts/kill-test.sh \"$i\" || exit 1; done",
    ),
    (
        "The agent's file is valid JSON",
        "jq -e '.state and .budget.allocated_usd >= 0' .tavern/agents/*.json",
    ),
    (
        "The start takes under 300 ms",
        "hyperfine --export-json /tmp/start.json './tavern --headless' && jq -e '.results[0].median < 0.3' /tmp/start.json",
    ),
    ("Las cadenas nuevas están traducidas", "plutil -lint Resources/es.lproj/*.strings"),
    ("名前の重複がない", "ls .tavern/names | sort -f | uniq -di | wc -l | grep -qx 0"),
    ("SwiftLint is silent", "swiftlint --strict --quiet"),
    ("The changelog has an entry", "git diff origin/main -- CHANGELOG.md | grep -q '^+- '"),
];

pub const QUESTIONS: [(&str, &str); 6] = [
    ("The folder is synced by iCloud. May I move the journal out of it?", "quick"),
    (
        "Two designs pass the tests: (a) one actor per project, (b) one per window. Which do you want, and why?",
        "deep",
    ),
    ("`main` moved by 41 commits. Rebase or merge?", "quick"),
    ("¿Uso «tú» o «usted» en los mensajes de error?", "quick"),
    ("The name “Jake” is taken. Is “Jake II” all right?", "quick"),
    (
        "The migration would rewrite 2,318 files. Shall I, and if so in one commit or one per folder?",
        "deep",
    ),
];

pub const TOOLS: [(&str, &str); 6] = [
    ("Bash", "git push --force-with-lease origin spillway"),
    ("Bash", "rm -rf .build && swift build"),
    ("Write", "Sources/Tavern/Registry/NameRegistry.swift"),
    ("WebFetch", "https://example.org/swift/concurrency?q=a&b=%20"),
    ("mcp__github__create_pull_request", "title: “One commit, not two”"),
    ("Edit", "docs/日本語/設計.md"),
];

pub const QUEUES: [&str; 3] = ["index", "lint", "mail"];

const REMARKS: [&str; 14] = [
    "Done. The registry writes once now; the old path is gone, and so is its lock.",
    "I read the three call sites. Two of them ignore the error; I am mending those first.",
    "Listo: las pruebas pasan en local, falta la integración.",
    "Đã xong phần đầu, còn hai tệp nữa.",
    "テストは通りました。次は性能を測ります。",
    "The flake is real: 3 of 200 runs, always the same test, always under load.",
    "Not mine: the failure is on main as well since this morning.",
    "תודה! אני ממשיך עם הבדיקות.",
    "تم. بقي ملف واحد فقط.",
    "Careful: `~/Library/Mobile Documents` is evicted; reading it downloads 4 GB.",
    "Please take the second half; I keep the first. Names are in the list below.",
    "I stopped at the first red test, as agreed. The log is in the commitment.",
    "👍",
    "Budget is at half. I shall stop asking the large model for renames.",
];

const CODE: [&str; 4] = [
    "func spawn(_ name: String) async throws -> Agent.ID {\n\tlet id = UUID()\n\ttry await store.commit { tx in\n\t\ttx.create(\"names/\\(name)\", Reservation(id))\n\t\ttx.create(\"agents/\\(id)\", Agent(id: id, name: name))\n\t}\n\treturn id\n}",
    "@@ -118,9 +118,7 @@ final class AgentRegistry {\n-        agents[id] = agent\n-        do { try persist(agent) }\n-        catch { logger.error(\"persist: \\(error)\") }   // 🙈\n+        try store.commit(.spawn(agent))\n         return agent",
    "$ jq -c '{name, state}' .tavern/agents/*.json | sort | uniq -c\n      1 {\"name\":\"Jake\",\"state\":\"working\"}\n     11 {\"name\":\"Mr. Meeseeks\",\"state\":\"dismissed\"}",
    // A whole journal line inside a document: whoever looks for lines by their look finds this one.
    "{\"crc\":\"00000000\",\"prev\":\"00000000\",\"seq\":1,\"batch\":1,\"time\":\"2026-03-05T00:00:00.000000Z\",\"events\":[{\"type\":\"AgentDismissed\",\"subject\":\"agents/nobody\"}]}\n",
];

pub fn remark(random: &mut Random) -> String {
    let count = random.between(1, 4);
    (0..count).map(|_| random.pick(&REMARKS)).collect::<Vec<_>>().join(if count > 2 {
        "\n\n"
    } else {
        " "
    })
}

/// A message's content as JSON: plain text, or a list of blocks.
pub fn content(random: &mut Random) -> String {
    if random.chance(45) {
        return text(&remark(random));
    }
    let mut blocks = vec![Object::new().text("type", "text").text("text", &remark(random)).build()];
    if random.chance(60) {
        let code = Object::new().text("type", "code").text("text", random.pick(&CODE));
        blocks.push(code.build());
    }
    if random.chance(60) {
        let (tool, target) = random.pick(&TOOLS);
        let input =
            Object::new().text("target", target).json("timeout_ms", random.between(1, 120) * 1000);
        let used =
            Object::new().text("type", "tool_use").text("name", tool).json("input", input.build());
        blocks.push(used.build());
        let output = stderr(random, 6);
        blocks.push(Object::new().text("type", "tool_result").text("text", &output).build());
    }
    array(&blocks)
}

/// What a failing assertion prints: many lines, tabs, escapes of a terminal, paths with spaces.
pub fn stderr(random: &mut Random, lines: u64) -> String {
    let mut output = String::new();
    for _ in 0..lines {
        let (line, column, address) =
            (random.between(1, 900), random.between(1, 80), random.next());
        let template = random.pick(&STDERR);
        let said = template
            .replace("{line}", &line.to_string())
            .replace("{column}", &column.to_string())
            .replace("{address}", &format!("0x{address:016x}"));
        output.push_str(&said);
        output.push('\n');
    }
    output
}

const STDERR: [&str; 12] = [
    "/Users/me/Library/Mobile Documents/Spillway/Sources/Tavern/Registry/NameRegistry.swift:{line}:{column}: \u{1b}[1;31merror:\u{1b}[0m value of type 'Agent?' has no member 'név'",
    "\tlet agent = try await registry.agent(named: \"María Elena\")",
    "\t                               \u{1b}[32m^~~~~~~~\u{1b}[0m",
    "Test Case '-[TavernTests.SpawnTests testChildAndParentAppearTogether]' failed ({column}.{line} seconds).",
    "XCTAssertEqual failed: (\"Optional(\\\"working\\\")\") is not equal to (\"Optional(\\\"dismissed\\\")\") - after relaunch, round {line}",
    "[{line}/914] Compiling TavernCore ProjectStack.swift",
    "warning: variable 'cursor' was never mutated; consider changing to 'let' constant  [line {line}]",
    "Thread {column} crashed:: Dispatch queue: com.example.tavern.journal  pc={address}",
    "{column}   TavernCore    {address} closure #1 in AgentRegistry.spawn(_:) + {line}",
    "curl: (28) Operation timed out after {line}00 milliseconds with 0 bytes received\r",
    "fatal: unable to access 'https://example.org/spillway.git/': Could not resolve host — exit status {column}",
    "  100% |████████████████████████| {line} kB/s  ⏱ {column} s",
];
