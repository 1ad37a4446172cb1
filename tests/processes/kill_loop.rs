//! The kill loop: writers, subscribers and a process that makes checkpoints, all of them killed at random
//! instants, or at a call of their own, or while they are stopped, and started anew at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crowd::{Crowd, Id};
use crate::dice::Dice;
use crate::home::Home;
use crate::plan;
use crate::program::{LIMIT, program, run};
use crate::role::{Part, Role};
use crate::{asked_for, dice, docbox, made};

/// Every other one is the program; the rest may die at a call of their own, and make small segments.
const WRITERS: usize = 4;
const SUBSCRIPTIONS: [&str; 2] = ["ui", "daemon"];
/// So many transactions of each writer wait for their answer.
const IN_FLIGHT: usize = 8;
/// One of so many is stopped for a while, before it is killed or goes on.
const STOPPED_EVERY: usize = 6;
/// A death of its own comes at one of so many calls.
const CALLS: usize = 100;
const KILLS: u64 = 40;

#[test]
fn whoever_is_killed_no_acknowledged_commit_is_lost_and_every_event_is_delivered() {
    let mut kill_loop = KillLoop::start(dice());
    while !kill_loop.is_enough() {
        kill_loop.go_on();
    }
    kill_loop.end().assert_nothing_is_lost();
}

#[test]
fn status_and_verify_find_no_damage_while_others_are_killed() {
    let mut kill_loop = KillLoop::start(dice());
    let root = kill_loop.home.root().to_owned();
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let looking = thread::spawn(move || {
        let mut looks = 0;
        while looks == 0 || !seen.load(Ordering::Acquire) {
            for verb in [["verify", "--json"], ["status", "--json"]] {
                let outcome = run(&mut program(&root, &verb), b"");
                assert_eq!(outcome.code, 0, "{verb:?}: {outcome:?}");
            }
            looks += 1;
        }
        looks
    });
    while !kill_loop.is_enough() && !looking.is_finished() {
        kill_loop.go_on();
    }
    is_over.store(true, Ordering::Release);
    let looks = looking.join().expect("no damage was found");
    println!("{looks} looks by each of `verify` and `status`");
    kill_loop.end().assert_nothing_is_lost();
}

struct KillLoop {
    home: Home,
    crowd: Crowd,
    dice: Dice,
    /// `DOCBOX_KILLS` kills at least, and `DOCBOX_SECONDS` seconds.
    kills: u64,
    until: Instant,
    /// Who plays each part now.
    writers: [Id; WRITERS],
    consumers: [Id; 2],
    keeper: Id,
    /// What each writer, dead ones included, was given and has not answered, by its number.
    waiting: BTreeMap<Id, VecDeque<u64>>,
    next: u64,
    is_feeding: bool,
    heard: Heard,
}

/// What the processes said.
#[derive(Default)]
struct Heard {
    /// The number of each acknowledged transaction, by seq.
    acknowledged: BTreeMap<u64, u64>,
    /// What each run of a consumer delivered.
    runs: BTreeMap<Id, Run>,
    /// Checkpoints that moved `applied`, and segments that were dropped.
    checkpoints: u64,
    dropped: u64,
    kills: u64,
    /// Of the kills, those at a call of their own.
    own: u64,
    stops: u64,
}

struct Run {
    subscription: usize,
    /// The seq and index of each event, and the number of its transaction.
    delivered: Vec<(u64, u32, u64)>,
}

/// Who is killed.
#[derive(Clone, Copy)]
enum Slot {
    Writer(usize),
    Consumer(usize),
    Keeper,
}

impl KillLoop {
    fn start(dice: Dice) -> Self {
        let home = made();
        for name in SUBSCRIPTIONS {
            // Before anything can be dropped.
            docbox(&home, &["subscribe", name, "--from", "beginning"], "").ok();
        }
        let crowd = Crowd::new(home.root());
        let mut this = Self {
            home,
            crowd,
            dice,
            kills: asked_for("DOCBOX_KILLS", KILLS),
            until: Instant::now() + Duration::from_secs(asked_for("DOCBOX_SECONDS", 0)),
            writers: [0; WRITERS],
            consumers: [0; 2],
            keeper: 0,
            waiting: BTreeMap::new(),
            next: 1,
            is_feeding: true,
            heard: Heard::default(),
        };
        this.slots().into_iter().for_each(|slot| this.start_in(slot));
        this
    }

    fn slots(&self) -> Vec<Slot> {
        let writers = (0..self.writers.len()).map(Slot::Writer);
        let consumers = (0..self.consumers.len()).map(Slot::Consumer);
        writers.chain(consumers).chain([Slot::Keeper]).collect()
    }

    fn id(&self, slot: Slot) -> Id {
        match slot {
            Slot::Writer(at) => self.writers[at],
            Slot::Consumer(at) => self.consumers[at],
            Slot::Keeper => self.keeper,
        }
    }

    fn is_enough(&self) -> bool {
        self.heard.kills >= self.kills && Instant::now() >= self.until
    }

    fn start_in(&mut self, slot: Slot) {
        match slot {
            Slot::Writer(at) => self.start_writer(at),
            Slot::Consumer(at) => self.start_consumer(at),
            Slot::Keeper => {
                let seed = self.dice.roll();
                self.keeper = self.start_role(Part::Keeper { seed });
            }
        }
    }

    fn start_writer(&mut self, at: usize) {
        let id = if at.is_multiple_of(2) {
            self.crowd.start(&["commit", "--lines"])
        } else {
            self.start_role(Part::Writer)
        };
        self.writers[at] = id;
        self.waiting.insert(id, VecDeque::new());
        (0..IN_FLIGHT).for_each(|_| self.feed(at));
    }

    fn start_consumer(&mut self, at: usize) {
        let args = ["subscribe", SUBSCRIPTIONS[at], "--from", "beginning", "--follow", "--json"];
        let id = self.crowd.start(&args);
        self.consumers[at] = id;
        self.heard.runs.insert(id, Run { subscription: at, delivered: Vec::new() });
    }

    fn start_role(&mut self, part: Part) -> Id {
        let dies = self.dice.heads();
        let dies_at = if dies { 1 + self.dice.below(CALLS) as u64 } else { 0 };
        let is_cut = self.dice.heads();
        let root = self.home.root().to_owned();
        let role = Role { root, part, dies_at, is_cut, is_small: true };
        self.crowd.start_command(&mut role.command())
    }

    /// Gives a writer one transaction more.
    fn feed(&mut self, at: usize) {
        let (id, number) = (self.writers[at], self.next);
        self.next += 1;
        self.waiting.get_mut(&id).expect("a writer").push_back(number);
        self.crowd.give(id, &format!("{}\n", plan::transaction(number)));
    }

    /// Lets them work for a moment, kills one, and starts others in the place of all who died.
    fn go_on(&mut self) {
        // Some are hit while they start.
        let most_us = if self.dice.heads() { 15_000 } else { 80_000 };
        self.work(most_us);
        let slot = match self.dice.below(10) {
            0 | 1 => Slot::Consumer(self.dice.below(SUBSCRIPTIONS.len())),
            2 => Slot::Keeper,
            _ => Slot::Writer(self.dice.below(WRITERS)),
        };
        let id = self.id(slot);
        if self.dice.below(STOPPED_EVERY) == 0 && self.crowd.is_alive(id) {
            // Whatever lock it holds, the others wait.
            self.crowd.stop(id);
            self.heard.stops += 1;
            self.work(30_000);
            if self.dice.heads() && self.crowd.is_alive(id) {
                self.crowd.wake(id);
                return;
            }
        }
        // It may have died of itself by now, and another is in its place.
        if self.id(slot) == id && self.crowd.is_alive(id) {
            self.crowd.kill(id);
            self.heard.kills += 1;
            self.start_in(slot);
        }
    }

    fn work(&mut self, most_us: usize) {
        let pause = Duration::from_micros(self.dice.below(most_us) as u64);
        self.listen(Instant::now() + pause);
        for id in self.crowd.died() {
            self.heard.kills += 1;
            self.heard.own += 1;
            let slot = self.slots().into_iter().find(|slot| self.id(*slot) == id);
            self.start_in(slot.expect("it plays a part"));
        }
    }

    fn listen(&mut self, until: Instant) {
        while let Some((id, said)) = self.crowd.next(until) {
            self.hear(id, &said);
        }
    }

    fn hear(&mut self, id: Id, said: &Value) {
        if let Some(run) = self.heard.runs.get_mut(&id) {
            let sequence = said["sequence"].as_str().expect("a position");
            let (seq, idx) = sequence.split_once('-').expect("a position");
            let number = said["data"].as_u64().expect("a number");
            let position = (seq.parse().expect("a seq"), idx.parse().expect("an index"));
            run.delivered.push((position.0, position.1, number));
            return;
        }
        let Some(waiting) = self.waiting.get_mut(&id) else {
            self.heard.checkpoints += u64::from(said["moved"].as_bool().expect("a keeper"));
            self.heard.dropped += said["dropped"].as_u64().expect("a keeper");
            return;
        };
        let expected = waiting.pop_front();
        assert_eq!(said["ref"].as_u64(), expected, "answered in order: {said}");
        let seq = said["seq"].as_u64().unwrap_or_else(|| panic!("a writer was refused: {said}"));
        let number = expected.expect("it was asked for");
        assert_eq!(self.heard.acknowledged.insert(seq, number), None, "seq {seq} twice");
        if self.is_feeding
            && let Some(at) = self.writers.iter().position(|one| *one == id)
        {
            self.feed(at);
        }
    }

    /// Listens until something is so.
    fn listen_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + LIMIT;
        while !is_so(self) {
            assert!(Instant::now() < limit, "in vain until {what}: {}", self.crowd.errors());
            self.listen(Instant::now() + Duration::from_millis(10));
        }
    }

    fn have_ended(&self, ids: &[Id]) -> bool {
        !ids.iter().any(|id| self.crowd.is_alive(*id))
    }

    /// Lets everybody come to an end.
    fn end(mut self) -> Ended {
        self.is_feeding = false;
        let ids: Vec<Id> = self.writers.into_iter().chain([self.keeper]).collect();
        for id in &ids {
            if self.crowd.is_alive(*id) {
                self.crowd.end_input(*id);
            }
        }
        self.listen_until("the writers and the keeper end", |this| this.have_ended(&ids));
        let died = self.crowd.died();
        for id in self.writers.iter().filter(|id| !died.contains(id)) {
            assert!(self.waiting[id].is_empty(), "a line was not answered");
        }
        // Whoever died at last may have left one behind the head, for the consumers to bring.
        let last = self.home.lines().last().expect("a commit").seq();
        self.listen_until("the last event was delivered to all", |this| {
            let has_last = |run: &Run| run.delivered.last().is_some_and(|(seq, ..)| *seq == last);
            let runs = || this.heard.runs.values();
            // Not always by the run that is alive.
            (0..SUBSCRIPTIONS.len())
                .all(|at| runs().any(|run| run.subscription == at && has_last(run)))
        });
        self.consumers.into_iter().for_each(|id| self.crowd.terminate(id));
        let consumers = self.consumers;
        self.listen_until("the consumers end", |this| this.have_ended(&consumers));
        self.listen_until("the dead were heard", |this| this.crowd.has_heard_the_dead());
        docbox(&self.home, &["verify"], "").ok();
        let lines = self.home.lines();
        let journal = lines.iter().map(|line| (line.seq(), plan::number_of(line))).collect();
        Ended { home: self.home, heard: self.heard, journal }
    }
}

struct Ended {
    home: Home,
    heard: Heard,
    /// The seq and the number of every commit that the journal still holds.
    journal: Vec<(u64, u64)>,
}

impl Ended {
    fn assert_nothing_is_lost(&self) {
        let commits = self.commits();
        let count = commits.len() as u64;
        assert!(commits.keys().copied().eq(1..=count), "a gap");
        let numbers: BTreeSet<&u64> = commits.values().collect();
        assert_eq!(numbers.len(), commits.len(), "a transaction was committed twice");
        for (seq, number) in &self.heard.acknowledged {
            assert_eq!(commits.get(seq), Some(number), "commit {seq} was acknowledged");
        }
        for at in 0..SUBSCRIPTIONS.len() {
            self.assert_delivered(at, &commits);
        }
        plan::assert_documents(&self.home, commits.values().copied());
        let Heard { acknowledged, runs, checkpoints, dropped, kills, own, stops } = &self.heard;
        println!(
            "{kills} kills ({own} at a call of their own), {stops} stopped for a while, {count} commits, \
             {} of them acknowledged, {} deliveries in {} runs, {checkpoints} checkpoints, {dropped} segments \
             dropped",
            acknowledged.len(),
            runs.values().map(|run| run.delivered.len()).sum::<usize>(),
            runs.len()
        );
    }

    /// Every commit: of those whose segments were dropped the subscriptions have told. All who tell of
    /// one tell the same.
    fn commits(&self) -> BTreeMap<u64, u64> {
        let mut commits: BTreeMap<u64, u64> = self.journal.iter().copied().collect();
        let first = *commits.keys().next().expect("a commit");
        let last = *commits.keys().next_back().expect("a commit");
        assert!(commits.keys().copied().eq(first..=last), "a gap in the journal");
        for (seq, _, number) in self.heard.runs.values().flat_map(|run| &run.delivered) {
            assert!(*seq <= last, "a phantom was delivered");
            assert_eq!(commits.entry(*seq).or_insert(*number), number, "a phantom was delivered");
        }
        commits
    }

    /// Each run goes on where the one before was killed, at most an event earlier, and leaves none out.
    fn assert_delivered(&self, at: usize, commits: &BTreeMap<u64, u64>) {
        let all = plan::positions(commits);
        let mut next = 0;
        for run in self.heard.runs.values().filter(|run| run.subscription == at) {
            let mut got = run.delivered.iter().map(|(seq, idx, _)| (*seq, *idx)).peekable();
            // The last that was written out may not have been acked.
            if next > 0 && got.peek() == Some(&all[next - 1]) {
                next -= 1;
            }
            for position in got {
                assert_eq!(Some(&position), all.get(next), "in order, and none left out");
                next += 1;
            }
        }
        assert_eq!(next, all.len(), "every event was delivered");
    }
}
