//! One piece of code under many schedules. What is wrong in one of them is printed with that schedule,
//! which `shuttle::replay` runs again.
//!
//! `DOCBOX_SCHEDULES=n` tries n times as many, `DOCBOX_SEED=n` others.

use std::env;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};

/// Threads that are still at it after so many steps wake each other for nothing, for ever.
const STEPS: usize = 200_000;
/// The real code needs more than the little that is usual.
const STACK_BYTES: usize = 1 << 20;
/// More than this is not for every day: then the code that is tried must be made smaller.
const ALL: usize = 1_000_000;

/// Tries all schedules, one after the other. How many there were.
#[track_caller]
pub fn under_every_schedule(test: impl Fn() + Send + Sync + 'static) -> usize {
    let tried = Runner::new(DfsScheduler::new(Some(ALL), false), config()).run(test);
    println!("all {tried} schedules");
    assert!(tried < ALL, "they were too many to be tried all");
    tried
}

/// Tries schedules by dice: half of them with every step left to chance, half with a few changes of
/// threads at the worst moments (as PCT has it).
pub fn under_many_schedules(count: usize, test: impl Fn() + Send + Sync + Clone + 'static) {
    let seed = asked_for("DOCBOX_SEED", 1);
    let half = count * usize::try_from(asked_for("DOCBOX_SCHEDULES", 1)).unwrap() / 2;
    println!("seed {seed}, {} schedules", 2 * half);
    Runner::new(RandomScheduler::new_from_seed(seed, half), config()).run(test.clone());
    Runner::new(PctScheduler::new_from_seed(seed, 3, half), config()).run(test);
}

/// Runs what needs no other thread.
pub fn alone(test: impl Fn() + Send + Sync + 'static) {
    assert_eq!(under_every_schedule(test), 1);
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true;
    config
}

/// A number from the environment.
fn asked_for(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}
