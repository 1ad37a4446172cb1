//! A process of these tests other than the program: this binary, started again to play a part.

use std::env;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use docbox::{Limits, Severity, Sizes, Start, Store, Subscription, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::counts;
use crate::deadly::Deadly;
use crate::dice::Dice;
use crate::{plan, poison};

const ROLE: &str = "DOCBOX_ROLE";
/// The subscription of those who play by a script.
pub const NAME: &str = "ui";

/// What to play.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    pub root: PathBuf,
    pub part: Part,
    /// It dies in the place of this call; 0 for never.
    pub dies_at: u64,
    /// A write is cut in its middle first.
    pub is_cut: bool,
    /// The journal's segments are small.
    pub is_small: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Commits what it reads, one a line, and answers.
    Writer,
    /// Checkpoint, retention and verify, again and again, until its input ends.
    Keeper { seed: u64 },
    /// Handles events side by side, some of which fail.
    Worker,
    /// Counts events by type.
    Projector { follow: bool },
    /// One step after the other; the first commit has this number.
    Script { steps: Vec<Step>, first: u64 },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Step {
    Open,
    Commit,
    /// Three commits of one batch.
    Batch,
    Checkpoint,
    Retain,
    /// Opens the subscription; made where it is missing.
    Subscribe,
    /// Takes the next event and acks it.
    Handle,
    /// Takes the next event and does not want it now.
    Refuse,
    Leave,
    /// To the beginning.
    Reset,
    Close,
}

impl Role {
    pub fn command(&self) -> Command {
        let mut command = Command::new(env::current_exe().expect("this binary"));
        let role = serde_json::to_string(self).expect("JSON");
        command.args(["--exact", "role::a_part", "--ignored", "--nocapture"]).env(ROLE, role);
        command
    }

    pub fn limits(&self) -> Limits {
        if self.is_small { small() } else { Limits::default() }
    }

    fn disk(&self, tells: bool) -> Arc<Deadly> {
        Arc::new(Deadly::new(self.dies_at, self.is_cut, move |call, what, path| {
            if tells {
                say(&json!({ "call": call, "what": what, "path": path }));
            }
        }))
    }
}

/// A few commits fill a segment, and a few segments the journal.
pub fn small() -> Limits {
    Limits {
        sizes: Sizes { segment_bytes: 1500, fill_bytes: 512 },
        retain_bytes: 4000,
        ..Limits::default()
    }
}

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn a_part() {
    let Ok(role) = env::var(ROLE) else { return };
    let role: Role = serde_json::from_str(&role).expect("a role");
    // What the test runner says of itself stands on a line of its own.
    println!();
    match &role.part {
        Part::Writer => write(&role),
        Part::Keeper { seed } => keep(&role, Dice::new(*seed)),
        Part::Worker => poison::work(&role.root).expect("it works"),
        Part::Projector { follow } => counts::count(&role.root, *follow).expect("it counts"),
        Part::Script { steps, first } => Player::new(&role, *first).play(steps),
    }
}

fn say(what: &Value) {
    println!("{what}");
}

fn write(role: &Role) {
    let options = Store::options().disk(role.disk(false)).limits(role.limits());
    let store = options.open(&role.root).expect("the store opens");
    for line in io::stdin().lock().lines() {
        let line = line.expect("stdin can be read");
        let (transaction, number) = Transaction::from_json(line).expect("a transaction");
        let seq = store.commit(transaction).expect("a commit").seq();
        let number: u64 = number.expect("a ref").parse().expect("a number");
        say(&json!({ "seq": seq, "ref": number }));
    }
    store.close().expect("it closes");
}

fn keep(role: &Role, mut dice: Dice) {
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    thread::spawn(move || {
        let _ = io::stdin().lines().count();
        ends.store(true, Ordering::Release);
    });
    let disk = role.disk(false);
    while !is_over.load(Ordering::Acquire) {
        let options = Store::options().disk(Arc::clone(&disk) as _).limits(role.limits());
        let store = options.open(&role.root).expect("the store opens");
        for _ in 0..=dice.below(8) {
            let moved = store.checkpoint().expect("a checkpoint");
            let dropped = store.retain().expect("retention");
            let report = store.verify().expect("verify");
            assert!(report.worst().unwrap_or(Severity::Note) == Severity::Note, "{report:?}");
            say(&json!({ "moved": moved, "dropped": dropped }));
            thread::sleep(Duration::from_millis(dice.below(20) as u64));
        }
        if dice.heads() {
            store.close().expect("it closes");
        }
    }
}

/// Says what it begins and what it has done, so that whoever listens knows what was promised.
struct Player<'a> {
    role: &'a Role,
    next: u64,
    store: Option<Store>,
    subscription: Option<Subscription>,
}

impl<'a> Player<'a> {
    fn new(role: &'a Role, first: u64) -> Self {
        Self { role, next: first, store: None, subscription: None }
    }

    fn play(mut self, steps: &[Step]) {
        let disk = self.role.disk(true);
        for step in steps {
            say(&json!({ "begins": step }));
            match step {
                Step::Open => {
                    let options = Store::options().disk(Arc::clone(&disk) as _);
                    let options = options.housekeeping(false).limits(self.role.limits());
                    self.store = Some(options.open(&self.role.root).expect("the store opens"));
                }
                Step::Commit => self.commit(1),
                Step::Batch => self.commit(3),
                Step::Checkpoint => drop(self.store().checkpoint().expect("a checkpoint")),
                Step::Retain => drop(self.store().retain().expect("retention")),
                Step::Subscribe => {
                    let builder = self.store().subscribe(NAME).from(Start::Beginning);
                    self.subscription = Some(builder.open().expect("the subscription opens"));
                }
                Step::Handle => self.take(true),
                Step::Refuse => self.take(false),
                Step::Leave => self.subscription = None,
                Step::Reset => {
                    self.store().reset(NAME, Start::Beginning).expect("a reset");
                }
                Step::Close => self.store().close().expect("it closes"),
            }
        }
        say(&json!({ "played": true }));
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    fn commit(&mut self, count: u64) {
        let numbers = self.next..self.next + count;
        self.next += count;
        let parse = |number| Transaction::from_json(plan::transaction(number)).expect("a plan").0;
        let transactions = numbers.clone().map(parse).collect();
        for (number, commit) in numbers.zip(self.store().commit_all(transactions)) {
            let seq = commit.expect("a commit").seq();
            say(&json!({ "seq": seq, "ref": number }));
        }
    }

    fn take(&mut self, wants: bool) {
        let subscription = self.subscription.as_mut().expect("it is open");
        let next = subscription.next(Duration::ZERO).expect("it can be read");
        let delivery = next.expect("there is an event");
        let number: u64 = delivery.event().data().expect("a number");
        let position = delivery.event().position().padded();
        say(&json!({ "sequence": position, "data": number }));
        if wants {
            delivery.ack().expect("an ack");
            say(&json!({ "acked": position }));
        } else {
            delivery.nack("not now");
        }
    }
}
