//! Which crash states are looked at, how many, and by how many threads.

use std::collections::HashSet;
use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::case::{Case, Kind, Spot};
use super::scene::{Scene, Stage};
use super::throws::mixed;
use crate::support::sim::Dice;
use crate::workloads::{ALL, Lacks};

/// How many crash states a default run looks at, in the first seven loops together.
const STATES: u64 = 30_000;
/// From so many on, each call of each workload gets `DICE_MIN` dice.
const STATES_MANY: u64 = 1_000_000;
const DICE_MIN: u64 = 64;

fn number(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// Looks at crash states at every call, `percent` of all; more dice each in every round, until there are
/// enough.
pub fn look_at_all(percent: u64, kinds: &[Kind]) {
    look_at_all_on(&[Lacks::Nothing], percent, kinds);
}

/// The same, on filesystems that lack this.
pub fn look_at_all_on(lacks: &[Lacks], percent: u64, kinds: &[Kind]) {
    if let Some(case) = only() {
        if kinds.contains(&case.spot.kind) && lacks.contains(&case.spot.workload.lacks()) {
            look_alone(case);
        }
        return;
    }
    let stages = stages(lacks);
    let mut dice = Dice::new(number("DOCBOX_SEED", 0));
    let mut spots = Vec::new();
    for stage in &stages {
        for kind in kinds {
            for call in stage.calls_for(*kind) {
                let workload = stage.workload;
                spots.extend((0..kind.ways()).map(|way| Spot { workload, kind: *kind, call, way }));
            }
        }
    }
    // Where there is not time for all, another seed takes others.
    for index in (1..spots.len()).rev() {
        spots.swap(index, dice.below(index + 1));
    }
    let count = spots.len() as u64;
    let run = Run::new(percent, &stages);
    let throws = (run.wanted / count).clamp(2, DICE_MIN);
    let known: Vec<_> = spots.iter().map(|_| Mutex::default()).collect();
    run.work(|job| {
        let (round, index) = (job / count, usize::try_from(job % count).expect("small"));
        let first = number("DOCBOX_SEED", 0) * 1_000_000 + round * throws;
        (spots[index], first..first + throws, Some(&known[index]))
    });
    run.report(&format!(
        "{count} scenes, {throws} dice in each of {} rounds",
        run.jobs() / count + 1
    ));
    if kinds == [Kind::Cut] && run.in_all >= STATES_MANY {
        assert!(run.jobs() / count * throws >= DICE_MIN, "too few dice for each call");
    }
}

/// Looks at crash states in ways of which there are too many for all, `percent` of all.
pub fn look_at_some(percent: u64, kind: Kind) {
    look_at_some_on(&[Lacks::Nothing], percent, kind);
}

/// The same, on filesystems that lack this.
pub fn look_at_some_on(lacks: &[Lacks], percent: u64, kind: Kind) {
    if let Some(case) = only() {
        if kind == case.spot.kind && lacks.contains(&case.spot.workload.lacks()) {
            look_alone(case);
        }
        return;
    }
    let stages = stages(lacks);
    let calls: Vec<Vec<u64>> = stages.iter().map(|stage| stage.calls_for(kind)).collect();
    let spots: Vec<(usize, u64)> = (0..)
        .zip(&calls)
        .flat_map(|(index, calls)| calls.iter().map(move |at| (index, *at)))
        .collect();
    let seed = number("DOCBOX_SEED", 0);
    let run = Run::new(percent, &stages);
    run.work(|job| {
        let mut dice = Dice::new(mixed(seed, job));
        let (stage, call) = spots[dice.below(spots.len())];
        let way = dice.roll() % kind.ways();
        let first = dice.below(64) as u64;
        let spot = Spot { workload: stages[stage].workload, kind, call, way };
        (spot, first..first + 3, None)
    });
    run.report(&format!("{} scenes", run.jobs()));
}

fn stages(lacks: &[Lacks]) -> Vec<Stage> {
    let on = |lacks: &Lacks| {
        let lacks = *lacks;
        ALL.iter().map(move |workload| Stage::new(workload.on(lacks)))
    };
    lacks.iter().flat_map(on).collect()
}

/// The one crash state that is asked for.
fn only() -> Option<Case> {
    let name = env::var("DOCBOX_ONLY").ok()?;
    Some(name.parse().unwrap_or_else(|error| panic!("DOCBOX_ONLY: {error}")))
}

fn look_alone(case: Case) {
    eprintln!("only {case}");
    let stage = Stage::new(case.spot.workload);
    let call = usize::try_from(case.spot.call).expect("small");
    eprintln!("call {}: {}", case.spot.call, stage.calls[call]);
    Scene::new(&stage, case.spot).look(case.throw, |_| true);
}

/// Several threads that look until enough was seen, or something failed.
struct Run<'a> {
    stages: &'a [Stage],
    /// How many states in all loops together, and in this one.
    in_all: u64,
    wanted: u64,
    seen: AtomicU64,
    next_job: AtomicU64,
    is_over: AtomicBool,
}

/// What is to be done next: a scene, the dice to throw in it, and what was found in it before.
type Job<'a> = (Spot, Range<u64>, Option<&'a Mutex<Found>>);

/// What was found in a scene.
#[derive(Default)]
struct Found {
    outcomes: HashSet<u64>,
    throws: u64,
    /// Throws since the last one whose outcome was new.
    in_vain: u64,
}

impl Found {
    /// Whether an outcome is new.
    fn add(&mut self, outcome: u64) -> bool {
        let is_new = self.outcomes.insert(outcome);
        self.throws += 1;
        self.in_vain = if is_new { 0 } else { self.in_vain + 1 };
        is_new
    }

    /// Nothing was unsynced, or so little that all was seen.
    fn is_exhausted(&self) -> bool {
        self.throws >= DICE_MIN && self.in_vain >= DICE_MIN / 2
    }
}

impl<'a> Run<'a> {
    fn new(percent: u64, stages: &'a [Stage]) -> Self {
        let in_all = number("DOCBOX_STATES", STATES);
        Self {
            stages,
            in_all,
            wanted: (in_all * percent).div_ceil(100),
            seen: AtomicU64::new(0),
            next_job: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    fn jobs(&self) -> u64 {
        self.next_job.load(Ordering::Relaxed)
    }

    /// Does jobs until enough was seen.
    fn work<'b>(&self, job: impl Fn(u64) -> Job<'b> + Sync) {
        let failed = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while !self.is_over.load(Ordering::Relaxed) {
                        let (spot, throws, found) =
                            job(self.next_job.fetch_add(1, Ordering::Relaxed));
                        let new = Mutex::default();
                        let looked = self.look(spot, throws, &mut lock(found.unwrap_or(&new)));
                        if let Err(case) = looked {
                            self.is_over.store(true, Ordering::Relaxed);
                            lock(&failed).get_or_insert(case);
                        }
                    }
                });
            }
        });
        if let Some(case) = lock(&failed).take() {
            panic!(
                "a promise was broken (see above); again, alone:\n  \
                 DOCBOX_ONLY=\"{case}\" cargo test --test crashes loops -- --nocapture\n"
            );
        }
    }

    /// Looks at the crash states of one scene; which one breaks a promise.
    fn look(&self, spot: Spot, throws: Range<u64>, found: &mut Found) -> Result<(), Case> {
        if found.is_exhausted() {
            return Ok(());
        }
        let mut at = Case { spot, throw: throws.start };
        let stage = self.stages.iter().find(|stage| stage.workload.name() == spot.workload.name());
        catch_unwind(AssertUnwindSafe(|| {
            let scene = Scene::new(stage.expect("it is one of them"), spot);
            for throw in throws {
                at.throw = throw;
                scene.look(throw, |outcome| {
                    let is_new = found.add(outcome);
                    if is_new {
                        self.count();
                    }
                    is_new
                });
            }
        }))
        .map_err(|_| at)
    }

    fn count(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 >= self.wanted {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    fn report(&self, how: &str) {
        let seen = self.seen.load(Ordering::Relaxed);
        println!("{seen} crash states ({how})");
        assert!(seen >= self.wanted, "{seen} crash states of {}", self.wanted);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
