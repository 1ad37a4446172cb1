//! Scenes: a workload up to where something happened, and the crash states that dice make of it.

use std::cmp::Ordering;

use super::case::{Kind, Spot};
use super::faults::{Fault, Span};
use super::throws::{mixed, survival};
use crate::history::{History, Outcome};
use crate::oracle::{check_again, check_all, limits};
use crate::support::sim::{Answer, Call, Dice, Disk, Op, ROOT, crash_at};
use crate::workloads::{Workload, second_life};

/// A workload, ready to run.
pub struct Stage {
    pub workload: Workload,
    disk: Disk,
    history: History,
    /// The calls of a run in which nothing happens.
    pub calls: Vec<Call>,
}

impl Stage {
    pub fn new(workload: Workload) -> Self {
        let (disk, history) = workload.begin();
        let mut stage = Self { workload, disk, history, calls: Vec::new() };
        let (disk, history) = (stage.disk.fork(), stage.history.fork());
        (workload.steps)(&disk, &history).expect("a workload without faults");
        stage.calls = disk.trace();
        stage
    }

    /// The calls at which something of this kind can happen. A crash before a call that changes nothing
    /// is a crash before the next one that does.
    pub fn calls_for(&self, kind: Kind) -> Vec<u64> {
        let processes = self.calls.iter().any(|call| call.process != self.calls[0].process);
        let fits = |op: Op| match kind {
            Kind::Cut | Kind::Again => op.changes(),
            Kind::Kill => processes && op.changes(),
            Kind::Part => op == Op::WriteAt,
            Kind::Fails(fault, _) => fault.meets(op),
            Kind::Ill => Fault::ALL.iter().any(|fault| fault.meets(op)),
        };
        (0..).zip(&self.calls).filter(|(_, call)| fits(call.op)).map(|(at, _)| at).collect()
    }

    fn run(&self, hook: impl Fn(u64, &Call) -> Answer + Send + Sync + 'static) -> (Disk, History) {
        let (disk, history) = (self.disk.fork(), self.history.fork());
        disk.hook(hook);
        let _ = (self.workload.steps)(&disk, &history);
        disk.unhook();
        (disk, history)
    }
}

/// What came of it.
pub struct Scene {
    disk: Disk,
    history: History,
    dice: u64,
}

impl Scene {
    pub fn new(stage: &Stage, spot: Spot) -> Self {
        let at = spot.call;
        let call = &stage.calls[usize::try_from(at).expect("small")];
        let dice = mixed(at, spot.way);
        let (disk, history) = match spot.kind {
            Kind::Cut | Kind::Again => {
                stage.run(move |index, _| if index >= at { Answer::Crash } else { Answer::Go })
            }
            Kind::Kill => stage.run(crash_at(at)),
            Kind::Part => stage.run(cut(at, call, spot.way)),
            Kind::Fails(fault, span) => {
                let end = at.saturating_add(span.calls(at));
                stage.run(failing(fault, at, end))
            }
            Kind::Ill => stage.run(ill(at, call, spot.way)),
        };
        if let Kind::Fails(fault, Span::Once) = spot.kind
            && fault.is_no_error(call.op)
        {
            assert_no_refusal(&history);
        }
        let mut scene = Self { disk, history, dice };
        scene.look_as_it_is();
        if spot.kind == Kind::Again {
            scene.live_again(spot.way);
        }
        scene
    }

    /// What anybody sees of it now must stay.
    fn look_as_it_is(&self) {
        self.history.note_documents(&self.disk);
        let process = self.disk.fork().process();
        let options = docbox::Store::options().disk(process).limits(limits());
        if let Ok(store) = options.housekeeping(false).open_read_only(ROOT) {
            self.history.note_events(&store);
        }
    }

    /// Throws the dice; a number for the outcome.
    fn crash(&self, throw: u64) -> (Disk, History, u64) {
        let (disk, history) = (self.disk.fork(), self.history.fork());
        let outcome = survival(self.dice, throw).map_or(0, |survival| {
            history.note_power_cut();
            disk.power_cut_with(survival)
        });
        (disk.fork(), history, outcome)
    }

    /// Looks at one crash state, if its outcome is new.
    pub fn look(&self, throw: u64, is_new: impl FnOnce(u64) -> bool) {
        let (disk, history, outcome) = self.crash(throw);
        if !is_new(outcome) {
            return;
        }
        check_all(&disk, &history);
        if throw % 8 == 1 {
            check_again(&disk, &history);
        }
    }

    /// Crashes, lives on, and crashes again at some call; now and then once more.
    fn live_again(&mut self, way: u64) {
        let mut dice = Dice::new(mixed(self.dice, way));
        for _ in 0..=usize::from(dice.below(4) == 0) {
            let (disk, history, _) = self.crash(dice.below(64) as u64);
            let dry = disk.fork();
            second_life(&dry, &history.fork()).expect("a second life without a crash");
            let calls = dry.trace();
            let calls: Vec<u64> =
                (0..).zip(&calls).filter(|(_, call)| call.op.changes()).map(|it| it.0).collect();
            disk.hook(crash_at(calls[dice.below(calls.len())]));
            let _ = second_life(&disk, &history);
            disk.unhook();
            *self = Self { disk, history, dice: dice.roll() };
            self.look_as_it_is();
        }
    }
}

/// The process dies in the middle of a write.
fn cut(at: u64, call: &Call, way: u64) -> impl Fn(u64, &Call) -> Answer + Send + Sync + 'static {
    let (len, process) = (usize::try_from(call.len).expect("small"), call.process);
    let part = match way {
        0 => 1,
        1 => len / 2,
        2 => len.saturating_sub(1),
        _ => Dice::new(at).below(len),
    };
    move |index, call| match index.cmp(&at) {
        Ordering::Equal => Answer::Short(part),
        Ordering::Greater if call.process == process => Answer::Crash,
        Ordering::Less | Ordering::Greater => Answer::Go,
    }
}

/// Calls `at..end` fail, those that can.
fn failing(
    fault: Fault,
    at: u64,
    end: u64,
) -> impl Fn(u64, &Call) -> Answer + Send + Sync + 'static {
    move |index, call| {
        let meets = if end - at > 1 { fault.meets_with_others(call) } else { fault.meets(call.op) };
        if index < at || index >= end || !meets {
            return Answer::Go;
        }
        fault.answer(call, index == at)
    }
}

/// A call fails in some way, and everything dies some calls later.
fn ill(at: u64, call: &Call, way: u64) -> impl Fn(u64, &Call) -> Answer + Send + Sync + 'static {
    let mut dice = Dice::new(mixed(at, way));
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| fault.meets(call.op)).collect();
    let fault = faults[dice.below(faults.len())];
    let end = at + 1 + if dice.heads() { 0 } else { dice.below(4) as u64 };
    let crash = at + 1 + dice.below(40) as u64;
    let fails = failing(fault, at, end);
    move |index, call| if index >= crash { Answer::Crash } else { fails(index, call) }
}

/// Nobody was told that anything failed, but for what the workload itself does wrong.
fn assert_no_refusal(history: &History) {
    let known = history.known();
    for attempt in &known.attempts {
        let is_wrong =
            attempt.writes.iter().any(|(key, _)| key == "agents/link" || key == "agents/none");
        let is_well = !matches!(attempt.outcome, Outcome::Refused | Outcome::InDoubt(_));
        assert!(is_well || is_wrong, "{} came to {:?}", attempt.kind, attempt.outcome);
    }
}
