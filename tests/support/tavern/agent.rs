//! An agent, and its document.

use super::json::{Money, Object, array, text, texts};
use super::random::Random;
use super::words::DESCRIPTIONS;

pub struct Agent {
    pub id: String,
    /// The folder of its project, with its slash, or nothing.
    pub folder: &'static str,
    pub name: String,
    pub parent: Option<usize>,
    pub parent_id: Option<String>,
    pub assignment: Option<String>,
    pub state: &'static str,
    pub commitment_ids: Vec<String>,
    /// Zero stands for no limit.
    pub allocated: Money,
    pub spent: Money,
    pub delegated: Money,
    pub warned: bool,
    pub session_id: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    /// The optional and the unknown members, chosen at birth and kept by every change.
    pub traits: Traits,
    /// The thread of work that it belongs to, and the line of the last commit made for it.
    pub correlation: String,
    pub last_line: Option<usize>,
    /// How much it will still do before it asks for verification.
    pub turns_left: u64,
    pub commitments_left: u64,
    /// How many failed commitments it was given another try for.
    pub forgiven: usize,
}

impl Agent {
    pub fn key(&self) -> String {
        format!("{}agents/{}", self.folder, self.id)
    }

    /// What it may still spend or give to children.
    pub fn left(&self) -> Money {
        self.allocated - self.delegated - self.spent
    }

    pub fn document(&self) -> String {
        let budget = Object::new()
            .json("allocated_usd", self.allocated)
            .json("spent_usd", self.spent)
            .json("delegated_usd", self.delegated);
        Object::new()
            .text("id", &self.id)
            .text("name", &self.name)
            .maybe("assignment", self.assignment.as_deref())
            .maybe("parent_id", self.parent_id.as_deref())
            .text("state", self.state)
            .json("commitment_ids", texts(&self.commitment_ids))
            .json("budget", budget.build())
            .maybe("model_id", self.traits.model_id)
            .maybe("effort_level", self.traits.effort_level)
            .json("mcp_servers", &self.traits.mcp_servers)
            .maybe("session_id", self.session_id.as_deref())
            .maybe("description", self.traits.description)
            .text("created_at", &self.created_at)
            .text("updated_at", &self.updated_at)
            .members(&self.traits.unknown)
            .build()
    }
}

pub struct Traits {
    model_id: Option<&'static str>,
    effort_level: Option<&'static str>,
    description: Option<&'static str>,
    mcp_servers: String,
    unknown: String,
}

impl Traits {
    pub fn thrown(random: &mut Random) -> Self {
        let model_id = random.chance(80).then(|| random.pick(&["large-2026-01", "small-2026-02"]));
        let effort_level = random.chance(50).then(|| random.pick(&["low", "medium", "high"]));
        let description = random.chance(60).then(|| random.pick(&DESCRIPTIONS));
        Self {
            model_id,
            effort_level,
            description,
            mcp_servers: mcp_servers(random),
            unknown: unknown(random),
        }
    }
}

fn mcp_servers(random: &mut Random) -> String {
    let mut servers = Object::new();
    if random.chance(60) {
        let args = array(&["-y", "example-mcp-github", "--read-only"].map(text));
        let env = Object::new().text("GITHUB_TOKEN", "${GITHUB_TOKEN}").text("NO_COLOR", "1");
        let server =
            Object::new().text("command", "npx").json("args", args).json("env", env.build());
        servers = servers.json("github", server.build());
    }
    if random.chance(40) {
        let args = array(
            &["--root", "/Users/me/Mobile Documents/Spillway", "--exclude", "*.{png,gif}"]
                .map(text),
        );
        let server = Object::new()
            .text("command", "/opt/tools/files-mcp")
            .json("args", args)
            .json("env", "{}");
        servers = servers.json("файлы", server.build());
    }
    servers.build()
}

/// Members that no version of the app knows. Their tokens say what a rewrite through floats, sorted
/// maps or unescaped strings would spoil.
fn unknown(random: &mut Random) -> String {
    let odd = [
        r#""x_seed":340282366920938463463374607431768211455"#,
        r#""x_offset":9007199254740993,"x_ratio":1.0"#,
        r#""x_small":1.5E-7,"x_zero":-0.0,"x_none":null"#,
        r#""x_escaped":"caf\u00e9 \ud83e\udd80 \/ end","":"no name""#,
        r#""x_nested":{"b":[[],{},[1,2.50,[true,[false]]]],"a":"b before a"}"#,
        r#""x_avatar":{"emoji":"🍺","hue":18446744073709551616}"#,
    ];
    if random.chance(35) { random.pick(&odd).to_owned() } else { String::new() }
}
