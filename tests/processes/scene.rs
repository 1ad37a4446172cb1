//! Scenes for a process that dies at a call: what it finds, and what it does.

use std::process::{ExitStatus, Output};

use docbox::{Start, Store, Subscription, Transaction};
use serde_json::Value;

use crate::home::Home;
use crate::plan;
use crate::program::run_to_end;
use crate::role::Step::{
    Batch, Checkpoint, Close, Commit, Handle, Leave, Open, Refuse, Reset, Retain, Subscribe,
};
use crate::role::{NAME, Part, Role, Step};

const WITNESS: &str = "witness";

pub struct Scene {
    pub name: &'static str,
    /// So many commits are there, each numbered as its seq. With none there is no store.
    pub commits: u64,
    pub subscription: At,
    pub left: Left,
    /// Segments are small.
    pub is_small: bool,
    /// It is also played while another process has the store open.
    pub in_company: bool,
    pub steps: &'static [Step],
}

/// How far the subscription is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum At {
    Missing,
    Beginning,
    End,
}

/// What another process has left, that was killed before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Nothing,
    /// A commit between journal and head.
    Commit,
    /// A line that was cut in its middle.
    HalfALine,
    /// A folder whose page cache is not known to be the one that it was written through.
    OtherCache,
}

/// What is not said of a scene.
pub const PLAIN: Scene = Scene {
    name: "",
    commits: 3,
    subscription: At::End,
    left: Left::Nothing,
    is_small: false,
    in_company: true,
    steps: &[],
};

pub const SCENES: [Scene; 11] = [
    Scene {
        name: "create",
        commits: 0,
        subscription: At::Missing,
        in_company: false,
        steps: &[Open, Commit, Close],
        ..PLAIN
    },
    // The seventh deletes a document.
    Scene { name: "commit", steps: &[Open, Commit, Commit, Commit, Commit], ..PLAIN },
    Scene { name: "batch", steps: &[Open, Batch, Batch], ..PLAIN },
    Scene {
        name: "segment change",
        is_small: true,
        steps: &[Open, Commit, Commit, Commit, Commit, Commit],
        ..PLAIN
    },
    Scene { name: "checkpoint", steps: &[Open, Commit, Checkpoint, Commit, Close], ..PLAIN },
    Scene {
        name: "retention",
        commits: 20,
        is_small: true,
        steps: &[Open, Checkpoint, Retain, Commit, Commit],
        ..PLAIN
    },
    Scene {
        name: "subscribe",
        subscription: At::Missing,
        steps: &[Open, Subscribe, Handle, Handle, Refuse, Leave, Subscribe, Handle, Close],
        ..PLAIN
    },
    Scene { name: "reset", steps: &[Open, Reset, Subscribe, Handle, Handle, Close], ..PLAIN },
    Scene {
        name: "roll forward",
        left: Left::Commit,
        subscription: At::Beginning,
        steps: &[Open, Subscribe, Handle, Commit, Close],
        ..PLAIN
    },
    Scene { name: "torn tail", left: Left::HalfALine, steps: &[Open, Commit, Close], ..PLAIN },
    Scene {
        name: "redo",
        commits: 8,
        left: Left::OtherCache,
        is_small: true,
        in_company: false,
        steps: &[Open, Commit, Close],
        ..PLAIN
    },
];

/// Another process that has the store open all along, and a subscription of its own.
pub struct Company {
    pub store: Store,
    pub witness: Subscription,
}

/// A call that changes something.
#[derive(Clone, Debug)]
pub struct Call {
    pub number: u64,
    pub what: String,
    pub path: String,
}

impl Call {
    pub fn is(&self, what: &str, within: &str) -> bool {
        self.what == what && self.path.contains(within)
    }
}

/// What a process said before its end.
pub struct Played {
    pub said: Vec<Value>,
    pub status: ExitStatus,
    pub stderr: String,
}

impl Played {
    pub fn calls(&self) -> Vec<Call> {
        let text = |call: &Value, name: &str| call[name].as_str().expect(name).to_owned();
        let calls = self.said.iter().filter(|said| said["call"].is_u64());
        calls
            .map(|call| Call {
                number: call["call"].as_u64().expect("a number"),
                what: text(call, "what"),
                path: text(call, "path"),
            })
            .collect()
    }
}

impl Scene {
    pub fn role(&self, home: &Home) -> Role {
        Role {
            root: home.root().to_owned(),
            part: Part::Script { steps: self.steps.to_vec(), first: self.first() },
            dies_at: 0,
            is_cut: false,
            is_small: self.is_small,
        }
    }

    /// The number of the first transaction that it commits.
    pub fn first(&self) -> u64 {
        self.commits + 1 + u64::from(self.left == Left::Commit)
    }

    /// The store as the process finds it, and its company.
    pub fn set(&self, in_company: bool) -> (Home, Option<Company>) {
        let home = Home::new();
        if self.commits == 0 {
            return (home, None);
        }
        let store = self.open(&home);
        for number in 1..=self.commits {
            commit(&store, number);
        }
        self.settle(&store);
        if self.left != Left::OtherCache {
            store.close().expect("it closes");
        }
        drop(store);
        let company = in_company.then(|| {
            let store = self.open(&home);
            let witness = subscribe(&store, WITNESS);
            Company { store, witness }
        });
        self.leave(&home, in_company);
        (home, company)
    }

    pub fn open(&self, home: &Home) -> Store {
        let limits = self.role(home).limits();
        let options = Store::options().housekeeping(false).limits(limits);
        options.open(home.root()).expect("the store opens")
    }

    fn settle(&self, store: &Store) {
        if self.subscription == At::Missing {
            return;
        }
        let mut subscription = subscribe(store, NAME);
        if self.subscription == At::End {
            for delivery in subscription.catch_up() {
                delivery.expect("an event").ack().expect("an ack");
            }
        }
    }

    fn leave(&self, home: &Home, in_company: bool) {
        match self.left {
            Left::Nothing => {}
            Left::OtherCache => home.lose_page_cache(),
            Left::Commit => self.die_in_a_commit(home, in_company, "sync_data", false),
            Left::HalfALine => self.die_in_a_commit(home, in_company, "write_at", true),
        }
    }

    /// A process that was killed in mid-commit: before the sync of its line, or in the middle of the line.
    fn die_in_a_commit(&self, home: &Home, in_company: bool, what: &str, is_cut: bool) {
        let role = Role {
            part: Part::Script { steps: vec![Open, Commit], first: self.commits + 1 },
            ..self.role(home)
        };
        // Another store in the same state, for the number of that call.
        let (other, _company) = Scene { left: Left::Nothing, ..*self }.set(in_company);
        let calls = play(&Role { root: other.root().to_owned(), ..role.clone() }).calls();
        let call = calls.iter().find(|call| call.is(what, "/journal/")).expect("a line");
        let played = play(&Role { dies_at: call.number, is_cut, ..role });
        assert!(!played.status.success(), "it was killed");
    }
}

pub fn play(role: &Role) -> Played {
    let Output { status, stdout, stderr } = run_to_end(&mut role.command(), b"");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(stdout), text(stderr));
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    // Of its last line a killed process may have said the beginning only.
    let said = lines.map_while(|line| serde_json::from_str(line).ok()).collect();
    Played { said, status, stderr }
}

pub fn subscribe(store: &Store, name: &str) -> Subscription {
    store.subscribe(name).from(Start::Beginning).open().expect("it opens")
}

pub fn commit(store: &Store, number: u64) {
    let (transaction, _) = Transaction::from_json(plan::transaction(number)).expect("a plan");
    let seq = store.commit(transaction).expect("a commit").seq();
    assert_eq!(seq, number, "no gap, and none twice");
}
