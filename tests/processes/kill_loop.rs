//! The kill loop: writers and subscribers that are killed at random instants and started anew at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crowd::{Crowd, Id};
use crate::dice::Dice;
use crate::home::Home;
use crate::program::{LIMIT, program, run};
use crate::{asked_for, dice, docbox, made};

const WRITERS: usize = 3;
const SUBSCRIPTIONS: [&str; 2] = ["ui", "daemon"];
/// One kill of so many hits a subscriber.
const SUBSCRIBER_EVERY: usize = 5;
/// So many transactions of each writer wait for their answer.
const IN_FLIGHT: usize = 8;
/// Documents of each writer, so that they are replaced again and again.
const DOCUMENTS: u64 = 20;
const KILLS: u64 = 40;

#[test]
fn whoever_is_killed_no_acknowledged_commit_is_lost_and_every_event_is_delivered() {
    let kills = asked_for("DOCBOX_KILLS", KILLS);
    let mut kill_loop = KillLoop::start(dice());
    for _ in 0..kills {
        kill_loop.kill_one();
    }
    kill_loop.end().assert_nothing_is_lost();
}

#[test]
fn status_and_verify_find_no_damage_while_others_are_killed() {
    let kills = asked_for("DOCBOX_KILLS", KILLS);
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
    for _ in 0..kills {
        if looking.is_finished() {
            break;
        }
        kill_loop.kill_one();
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
    /// The living writer of each slot.
    writers: [Id; WRITERS],
    /// The living consumer of each subscription.
    consumers: [Id; 2],
    /// What each writer, dead ones included, was given and has not answered, by the `ref`.
    waiting: BTreeMap<Id, VecDeque<u64>>,
    next: u64,
    is_feeding: bool,
    heard: Heard,
}

/// What the processes said.
#[derive(Default)]
struct Heard {
    /// The `ref` of each acknowledged commit, by seq.
    acknowledged: BTreeMap<u64, u64>,
    /// What each run of a consumer delivered: the seq and the `ref` of each event.
    runs: BTreeMap<Id, Run>,
    kills: usize,
}

struct Run {
    subscription: usize,
    delivered: Vec<(u64, u64)>,
}

impl KillLoop {
    fn start(dice: Dice) -> Self {
        let home = made();
        let crowd = Crowd::new(home.root());
        let mut this = Self {
            home,
            crowd,
            dice,
            writers: [0; WRITERS],
            consumers: [0; 2],
            waiting: BTreeMap::new(),
            next: 1,
            is_feeding: true,
            heard: Heard::default(),
        };
        (0..WRITERS).for_each(|slot| this.start_writer(slot));
        (0..SUBSCRIPTIONS.len()).for_each(|slot| this.start_consumer(slot));
        this
    }

    fn start_writer(&mut self, slot: usize) {
        let id = self.crowd.start(&["commit", "--lines"]);
        self.writers[slot] = id;
        self.waiting.insert(id, VecDeque::new());
        (0..IN_FLIGHT).for_each(|_| self.feed(slot));
    }

    fn start_consumer(&mut self, slot: usize) {
        let name = SUBSCRIPTIONS[slot];
        let args = ["subscribe", name, "--from", "beginning", "--follow", "--json"];
        let id = self.crowd.start(&args);
        self.consumers[slot] = id;
        self.heard.runs.insert(id, Run { subscription: slot, delivered: Vec::new() });
    }

    /// Gives a writer one transaction more: a document and an event, both with a `ref` of their own.
    fn feed(&mut self, slot: usize) {
        let (id, number) = (self.writers[slot], self.next);
        self.next += 1;
        let key = format!("w{slot}/{}", number % DOCUMENTS);
        let transaction = json!({
            "writes": [{ "key": key, "doc": { "ref": number } }],
            "events": [{ "type": "Wrote", "subject": key, "data": number }],
            "ref": number,
        });
        self.waiting.get_mut(&id).expect("a writer").push_back(number);
        self.crowd.give(id, &format!("{transaction}\n"));
    }

    /// Lets them work for a moment, kills one, and starts another in its place.
    fn kill_one(&mut self) {
        // Some are hit while they start.
        let most_us = if self.dice.heads() { 15_000 } else { 80_000 };
        let pause = Duration::from_micros(self.dice.below(most_us) as u64);
        self.listen(Instant::now() + pause);
        self.heard.kills += 1;
        if self.dice.below(SUBSCRIBER_EVERY) == 0 {
            let slot = self.dice.below(SUBSCRIPTIONS.len());
            self.crowd.kill(self.consumers[slot]);
            self.start_consumer(slot);
        } else {
            let slot = self.dice.below(WRITERS);
            self.crowd.kill(self.writers[slot]);
            self.start_writer(slot);
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
            assert_eq!(idx, "00000", "one event a commit");
            let number = said["data"].as_u64().expect("a ref");
            run.delivered.push((seq.parse().expect("a seq"), number));
            return;
        }
        let expected = self.waiting.get_mut(&id).and_then(VecDeque::pop_front);
        assert_eq!(said["ref"].as_u64(), expected, "answered in order: {said}");
        let seq = said["seq"].as_u64().unwrap_or_else(|| panic!("a writer was refused: {said}"));
        let number = expected.expect("it was asked for");
        assert_eq!(self.heard.acknowledged.insert(seq, number), None, "seq {seq} twice");
        if self.is_feeding
            && let Some(slot) = self.writers.iter().position(|one| *one == id)
        {
            self.feed(slot);
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

    /// Lets everybody come to a clean end.
    fn end(mut self) -> Ended {
        self.is_feeding = false;
        self.writers.into_iter().for_each(|id| self.crowd.end_input(id));
        self.listen_until("the writers end", |this| {
            !this.writers.iter().any(|id| this.crowd.is_alive(*id))
        });
        for id in self.writers {
            assert!(self.waiting[&id].is_empty(), "a line was not answered");
        }
        let lines = self.home.lines();
        let last = lines.last().expect("a commit").seq();
        self.listen_until("the last event was delivered to all", |this| {
            let has_last = |run: &Run| run.delivered.last().is_some_and(|(seq, _)| *seq == last);
            let runs = || this.heard.runs.values();
            // Not always by the run that is alive.
            (0..SUBSCRIPTIONS.len())
                .all(|slot| runs().any(|run| run.subscription == slot && has_last(run)))
        });
        self.consumers.into_iter().for_each(|id| self.crowd.terminate(id));
        self.listen_until("the consumers end", |this| {
            !this.consumers.iter().any(|id| this.crowd.is_alive(*id))
        });
        self.listen_until("the dead were heard", |this| this.crowd.has_heard_the_dead());
        docbox(&self.home, &["verify"], "").ok();
        let journal = lines
            .iter()
            .map(|line| (line.seq(), line.value["events"][0]["data"].as_u64().expect("a ref")));
        let journal = journal.collect();
        Ended { home: self.home, heard: self.heard, journal }
    }
}

struct Ended {
    home: Home,
    heard: Heard,
    /// The seq and the `ref` of every commit.
    journal: Vec<(u64, u64)>,
}

impl Ended {
    fn assert_nothing_is_lost(&self) {
        let Heard { acknowledged, runs, kills } = &self.heard;
        let in_journal: BTreeMap<u64, u64> = self.journal.iter().copied().collect();
        assert!(self.journal.iter().map(|(seq, _)| *seq).eq(1..=self.journal.len() as u64));
        let refs: BTreeSet<u64> = in_journal.values().copied().collect();
        assert_eq!(refs.len(), self.journal.len(), "a transaction was committed twice");
        for (seq, number) in acknowledged {
            assert_eq!(in_journal.get(seq), Some(number), "commit {seq} was acknowledged");
        }
        for slot in 0..SUBSCRIPTIONS.len() {
            self.assert_delivered(slot, &in_journal);
        }
        self.assert_documents();
        println!(
            "{kills} kills, {} commits, {} of them acknowledged, {} deliveries in {} runs",
            self.journal.len(),
            acknowledged.len(),
            runs.values().map(|run| run.delivered.len()).sum::<usize>(),
            runs.len()
        );
    }

    /// Each run goes on where the one before was killed, at most an event or so earlier, and leaves none
    /// out.
    fn assert_delivered(&self, slot: usize, journal: &BTreeMap<u64, u64>) {
        let mut next = 1;
        for run in self.heard.runs.values().filter(|run| run.subscription == slot) {
            for (at, (seq, number)) in run.delivered.iter().enumerate() {
                assert_eq!(journal.get(seq), Some(number), "a phantom was delivered");
                if at == 0 {
                    // The last that was written out may not have been acked.
                    assert!((next - 1..=next).contains(seq), "{seq} came after {}", next - 1);
                } else {
                    assert_eq!(*seq, next, "in order, and none left out");
                }
                next = seq + 1;
            }
        }
        assert_eq!(next, journal.len() as u64 + 1, "every event was delivered");
    }

    /// Each document is as its last commit has it.
    fn assert_documents(&self) {
        let mut documents = BTreeMap::new();
        for line in self.home.lines() {
            let write = &line.value["writes"][0];
            let key = write["key"].as_str().expect("a key").to_owned();
            documents.insert(key, write["doc"].clone());
        }
        for (key, doc) in documents {
            let found: Value = serde_json::from_slice(&self.home.read(&format!("{key}.json")))
                .expect("a whole document");
            assert_eq!(found, doc, "{key}");
        }
    }
}
