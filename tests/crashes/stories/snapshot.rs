//! Stories of subscriptions that begin with a snapshot: killed at each call of taking it, passing it, leaving it,
//! with and without a power cut; each call failing; commits of others at each call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docbox::{Delivery, Event, Position, Result, Start, Store, Subscription, Transaction};

use crate::oracle::{disk, open};
use crate::support::sim::{Answer, Disk, Op, SimFs, Survival, crash_at};

const COUNTERS: u64 = 4;

/// A subscription that has nothing to do with any snapshot.
const OTHER: &str = "other";

/// What a subscription may be told.
type Verb = dyn Fn(&Store) -> Result<()>;

/// One more, with an event that says how many it is now.
fn count(store: &Store, key: &str) -> Result<()> {
    let now = store.get::<u64>(key)?.map_or(0, |found| found.value) + 1;
    let event = Event::new("Counted", &now)?.subject(key);
    store.commit(Transaction::new().put(key, &now)?.emit(event)).map(drop)
}

/// A store with counters; all of it durable.
fn counters() -> Disk {
    let disk = disk();
    let store = open(&disk.process()).expect("opens");
    for number in 0..COUNTERS {
        count(&store, &format!("c/{number}")).expect("a commit");
    }
    count(&store, "c/1").expect("a commit");
    store.close().expect("closes");
    disk.settle();
    disk.fork()
}

/// The same with a subscription in the midst of its snapshot, durably, and a commit after it.
fn in_the_midst() -> (Disk, Told) {
    let (disk, told) = (counters(), Told::default());
    let store = open(&disk.process()).expect("opens");
    drop(store.subscribe(OTHER).from(Start::Now).open().expect("opens"));
    let mut mirror = store.subscribe("mirror").from(Start::Snapshot).open().expect("opens");
    told.take(&mut mirror, 2).expect("two of four");
    count(&store, "c/3").expect("a commit");
    store.close().expect("closes");
    drop((mirror, store));
    disk.settle();
    (disk.fork(), told)
}

/// What a subscription was told in all its lives, by position: which counter, and how many it is.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<BTreeMap<Position, (String, u64)>>>);

impl Told {
    fn note(&self, delivery: &Delivery) {
        let event = delivery.event();
        let number = if event.position().is_in_snapshot() {
            let data: serde_json::Value = event.data().expect("data");
            data["document"].as_u64().expect("a number")
        } else {
            event.data().expect("a number")
        };
        let what = (event.about().expect("a key").to_owned(), number);
        let before = self.0.lock().expect("alive").insert(event.position(), what.clone());
        assert!(before.is_none_or(|before| before == what), "the same each time");
    }

    fn take(&self, mirror: &mut Subscription, most: usize) -> Result<()> {
        for _ in 0..most {
            let Some(delivery) = mirror.next(Duration::ZERO)? else { break };
            self.note(&delivery);
            delivery.ack()?;
        }
        Ok(())
    }

    /// Another that begins with what is known of this one.
    fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().expect("alive").clone())))
    }

    /// What it was told from its last snapshot on is the state, without a gap.
    fn check(&self, store: &Store, what: &str) {
        let told = self.0.lock().expect("alive");
        let last = told.keys().filter(|it| it.is_in_snapshot()).map(|it| it.seq).max();
        let last = last.unwrap_or(0);
        let is_before = |at: &&Position| !at.is_in_snapshot() && at.seq <= COUNTERS + 1;
        assert_eq!(told.keys().find(is_before), None, "{what}: what was before the first snapshot");
        let mut state = BTreeMap::new();
        for (position, (key, number)) in
            told.iter().filter(|(at, _)| at.seq > last || at.seq == last && at.is_in_snapshot())
        {
            let before = state.insert(key.clone(), *number);
            if position.is_in_snapshot() {
                assert_eq!(before, None, "{what}: {key} twice in one snapshot");
            } else {
                assert_eq!(
                    before.unwrap_or(0) + 1,
                    *number,
                    "{what}: {key} at {position}: {told:?}"
                );
            }
        }
        for key in store.list("").expect("they are listed") {
            let found = store.get::<u64>(key.as_str()).expect("it reads").expect("it is there");
            assert_eq!(state.get(key.as_str()), Some(&found.value), "{what}: {key}: {told:?}");
        }
    }
}

/// The files of snapshots, and of those that were being taken.
fn files(disk: &Disk) -> Vec<String> {
    let is_one = |name: &str| name.contains(".jsonl") || name.starts_with('.');
    let paths = disk.tree().into_iter().map(|(path, _)| path);
    let inside = paths.filter_map(|path| {
        path.strip_prefix("/s/.docbox/cursors/").ok()?.to_str().map(str::to_owned)
    });
    inside.filter(|name| is_one(name)).collect()
}

/// Whatever is there after a crash is sound, goes on to the end, and leaves no file. Which subscriptions there
/// are.
fn go_on(disk: &Disk, told: &Told, what: &str) -> Vec<String> {
    let store = open(&disk.process()).unwrap_or_else(|error| panic!("{what}: it opens: {error}"));
    let report = store.verify().expect("verify reads");
    assert!(report.is_clean(), "{what}: {:?}", report.findings);
    let mut names = Vec::new();
    for one in store.subscriptions().expect("they are listed") {
        assert_eq!(one.error, None, "{what}");
        if one.name == OTHER {
            continue;
        }
        let opened = store.subscribe(&one.name).open();
        let mut mirror = opened.unwrap_or_else(|error| panic!("{what}: it goes on: {error}"));
        count(&store, "c/0").expect("a commit");
        told.take(&mut mirror, usize::MAX).unwrap_or_else(|error| panic!("{what}: {error}"));
        names.push(one.name);
    }
    store.close().unwrap_or_else(|error| panic!("{what}: it closes: {error}"));
    names
}

/// Runs something, killed at each call that changes anything; then everything that a power cut may leave. What
/// `look` gets: whether all was done, what was told, and the disk.
fn killed_everywhere(
    (base, told): &(Disk, Told),
    run: impl Fn(&Arc<SimFs>, &Told) -> Result<()>,
    look: impl Fn(&Disk, &Told, bool, &str),
) {
    let dry = base.fork();
    run(&dry.process(), &told.fork()).expect("without a crash");
    let calls = dry.trace();
    let changes = (0..).zip(&calls).filter(|(_, call)| call.op.changes()).map(|(k, _)| k);
    for k in changes.chain([calls.len() as u64]) {
        let (disk, told) = (base.fork(), told.fork());
        disk.hook(crash_at(k));
        let done = run(&disk.process(), &told).is_ok();
        disk.unhook();
        look(&disk.fork(), &told.fork(), done, &format!("killed at call {k}, done: {done}"));
        for seed in 0..16 {
            let disk = disk.fork();
            disk.power_cut_with(match seed {
                0 => Survival::NOTHING,
                1 => Survival::EVERYTHING,
                _ => Survival::dice(seed),
            });
            let what = format!("power cut at call {k}, seed {seed}, done: {done}");
            look(&disk, &told.fork(), done, &what);
        }
    }
}

fn begin(process: &Arc<SimFs>) -> Result<()> {
    let store = open(process)?;
    store.subscribe("mirror").from(Start::Snapshot).open().map(drop)
}

/// Nothing, or a whole subscription from the snapshot on; never a file that stays.
fn nothing_or_right(disk: &Disk, told: &Told, done: bool, what: &str) {
    let names = go_on(disk, told, what);
    assert!(names == ["mirror"] || names.is_empty() && !done, "{what}: {names:?}");
    if !names.is_empty() {
        told.check(&open(&disk.process()).expect("opens"), what);
    }
    assert!(files(disk).is_empty(), "{what}: {:?}", files(disk));
}

#[test]
fn a_snapshot_that_is_cut_anywhere_is_there_whole_or_not_at_all() {
    let base = (counters(), Told::default());
    killed_everywhere(&base, |process, _| begin(process), nothing_or_right);
}

#[test]
fn a_snapshot_of_which_any_call_fails_is_there_whole_or_not_at_all() {
    let base = counters();
    let dry = base.fork();
    begin(&dry.process()).expect("without a fault");
    for k in 0..dry.trace().len() as u64 {
        for (lasting, answer) in [
            (1, Answer::FailOs(5)),
            (1, Answer::Refuse(5)),
            (4, Answer::FailOs(5)),
            (u64::MAX, Answer::FailOs(5)),
        ] {
            let disk = base.fork();
            disk.hook(move |index, _| {
                let fails = index >= k && index - k < lasting;
                if fails { answer } else { Answer::Go }
            });
            let done = begin(&disk.process()).is_ok();
            disk.unhook();
            let what = format!("call {k}, {lasting} {answer:?}, done: {done}");
            nothing_or_right(&disk.fork(), &Told::default(), done, &what);
            // Whoever comes next may remove what it left, before the power fails.
            let swept = disk.fork();
            let _ = open(&swept.process()).and_then(|store| store.close());
            for seed in 0..8 {
                for disk in [&disk, &swept] {
                    let disk = disk.fork();
                    disk.power_cut(seed);
                    let what = format!("{what}, power cut {seed}");
                    nothing_or_right(&disk, &Told::default(), done, &what);
                }
            }
        }
    }
}

/// Whether anybody holds `commit.lock`.
fn is_locked(disk: &Disk) -> bool {
    let calls = disk.trace();
    let of = |op| calls.iter().filter(|it| it.path.ends_with("commit.lock") && it.op == op).count();
    of(Op::Lock) > of(Op::Unlock)
}

#[test]
fn a_snapshot_is_the_state_whatever_others_commit_at_any_call_of_taking_it() {
    let base = counters();
    let dry = base.fork();
    begin(&dry.process()).expect("without others");
    // Every second call: all of them would take long, and none of them is alone.
    for step in [1, 5] {
        for k in 0..dry.trace().len() as u64 {
            let disk = base.fork();
            let other = open(&disk.process()).expect("opens");
            let first = disk.trace().len() as u64;
            let (held, outside, inside) = (disk.clone(), other.clone(), AtomicBool::new(false));
            disk.hook(move |index, call| {
                let waits = matches!(call.op, Op::Lock | Op::TryLock(_) | Op::Unlock);
                let is_time = index >= first + k && (index - first - k).is_multiple_of(step);
                if !is_time || waits || inside.swap(true, Ordering::SeqCst) {
                    return Answer::Go;
                }
                if !is_locked(&held) && index < first + k + 40 {
                    count(&outside, &format!("c/{}", index % (COUNTERS + 2))).expect("a commit");
                }
                inside.store(false, Ordering::SeqCst);
                Answer::Go
            });
            begin(&disk.process()).expect("it is taken");
            disk.unhook();
            drop(other);
            let disk = disk.fork();
            nothing_or_right(&disk, &Told::default(), true, &format!("call {k}, each {step}"));
        }
    }
}

#[test]
fn a_document_that_is_half_written_by_hand_while_it_is_read_is_read_again() {
    let disk = counters();
    let process = disk.process();
    let held = disk.clone();
    let count = Mutex::new(0);
    disk.hook(move |_, call| {
        if call.op == Op::Open(docbox::fs::Open::Read) && call.path.ends_with("c/2.json") {
            let mut count = count.lock().expect("alive");
            *count += 1;
            held.write("/s/c/2.json", if *count == 1 { "[1, " } else { "17\n" });
        }
        Answer::Go
    });
    let store = open(&process).expect("opens");
    let mut mirror = store.subscribe("mirror").from(Start::Snapshot).open().expect("it is taken");
    disk.unhook();
    let told = Told::default();
    told.take(&mut mirror, usize::MAX).expect("all is taken");
    told.check(&store, "by hand");
}

/// Takes all that is left, and another process looks for what nobody needs, before it is durable and after.
fn pass(process: &Arc<SimFs>, told: &Told, other: Option<&Store>) -> Result<()> {
    let store = open(process)?;
    let mut mirror = store.subscribe("mirror").open()?;
    told.take(&mut mirror, usize::MAX)?;
    if let Some(other) = other {
        // The first looks what nobody needs; the second makes that durable.
        other.reset(OTHER, Start::Now)?;
        other.reset(OTHER, Start::Now)?;
    }
    drop(mirror);
    store.close()
}

#[test]
fn a_snapshot_is_passed_without_a_gap_wherever_its_consumer_is_cut() {
    let base = in_the_midst();
    killed_everywhere(&base, |process, told| pass(process, told, None), nothing_or_right);
}

#[test]
fn no_file_of_a_snapshot_goes_before_it_is_durable_that_it_was_passed() {
    let (base, told) = in_the_midst();
    let other = |disk: &Disk| open(&disk.process()).expect("opens");
    let dry = base.fork();
    let looks = other(&dry);
    pass(&dry.process(), &told.fork(), Some(&looks)).expect("without a crash");
    for k in 0..=dry.trace().len() as u64 {
        let (disk, told) = (base.fork(), told.fork());
        let looks = other(&disk);
        let process = disk.process();
        let id = process.id();
        disk.hook(
            move |index, call| {
                if index >= k && call.process == id { Answer::Crash } else { Answer::Go }
            },
        );
        let done = pass(&process, &told, Some(&looks)).is_ok();
        disk.unhook();
        let _ = looks.reset(OTHER, Start::Now).and_then(|_| looks.reset(OTHER, Start::Now));
        for seed in 0..8 {
            let disk = disk.fork();
            disk.power_cut_with(if seed == 0 { Survival::NOTHING } else { Survival::dice(seed) });
            let what = format!("call {k}, seed {seed}, done: {done}");
            nothing_or_right(&disk, &told.fork(), true, &what);
        }
    }
}

fn after(text: &str) -> Result<Start> {
    text.parse().map(Start::After)
}

#[test]
fn leaving_a_snapshot_that_is_cut_anywhere_leaves_a_right_subscription_or_none() {
    let base = in_the_midst();
    let verbs: [(&str, &Verb); 5] = [
        ("removed", &|store| store.remove("mirror")),
        ("renamed", &|store| store.rename("mirror", "copy")),
        ("to a new one", &|store| store.reset("mirror", Start::Snapshot).map(drop)),
        ("within it", &|store| store.reset("mirror", after("5-s0")?).map(drop)),
        ("elsewhere", &|store| store.reset("mirror", after("5")?).map(drop)),
    ];
    for (name, verb) in verbs {
        let run = |process: &Arc<SimFs>, _: &Told| {
            let store = open(process)?;
            verb(&store)?;
            store.close()
        };
        killed_everywhere(&base, run, |disk, told, done, what| {
            let what = format!("{name}: {what}");
            let names = go_on(disk, told, &what);
            let wanted: &[&str] = match name {
                "removed" if done => &[],
                "renamed" if done => &["copy"],
                _ => &["mirror"],
            };
            let other: &[&str] = match name {
                "removed" => &[],
                "renamed" => &["copy"],
                _ => wanted,
            };
            assert!(names == wanted || !done && names == other, "{what}: {names:?}");
            let store = open(&disk.process()).expect("opens");
            if !names.is_empty() && name != "elsewhere" {
                told.check(&store, &what);
            }
            // A removal that was cut leaves something void, which is removed by removing it again.
            let _ = store.remove("mirror");
            store.close().expect("closes");
            assert!(files(disk).is_empty(), "{what}: {:?}", files(disk));
        });
    }
}
