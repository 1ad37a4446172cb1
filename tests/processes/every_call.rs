//! A process that is killed at every one of its calls, and whoever comes next or was there all along.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::thread;

use docbox::{Severity, Subscription};
use serde_json::Value;

use crate::home::Home;
use crate::plan;
use crate::role::{NAME, Role};
use crate::scene::{At, Company, Left, Played, SCENES, Scene, commit, play, subscribe};
use crate::{asked_for, dice};

const KILLS: u64 = 40;

/// Where a process dies.
struct Death {
    scene: &'static Scene,
    in_company: bool,
    dies_at: u64,
    is_cut: bool,
    /// What it is about to do.
    call: String,
}

#[test]
fn a_kill_at_any_call_breaks_no_promise() {
    let kills = usize::try_from(asked_for("DOCBOX_KILLS", KILLS)).expect("a number");
    let mut dice = dice();
    let mut deaths: Vec<Death> = SCENES.iter().flat_map(deaths_in).collect();
    let all = deaths.len();
    let mut killed = BTreeMap::new();
    for _ in 0..kills.min(all) {
        let death = deaths.swap_remove(dice.below(deaths.len()));
        death.happens();
        *killed.entry(death.scene.name).or_insert(0) += 1;
    }
    println!("killed at {} of {all} calls: {killed:?}", kills.min(all));
}

/// Every call of a scene, and the middle of every write.
fn deaths_in(scene: &'static Scene) -> Vec<Death> {
    let mut deaths = Vec::new();
    for in_company in [false, true].into_iter().take(1 + usize::from(scene.in_company)) {
        let (home, _company) = scene.set(in_company);
        let played = play(&scene.role(&home));
        assert!(played.status.success(), "{}: {}", scene.name, played.stderr);
        for call in played.calls() {
            for is_cut in [false, true].into_iter().take(1 + usize::from(call.what == "write_at")) {
                let (dies_at, call) = (call.number, format!("{} {}", call.what, call.path));
                deaths.push(Death { scene, in_company, dies_at, is_cut, call });
            }
        }
    }
    deaths
}

/// Says in which death a test failed.
struct Failed(String);

impl Drop for Failed {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.0);
        }
    }
}

impl Death {
    fn happens(&self) {
        let Self { scene, in_company, dies_at, is_cut, call } = self;
        let name = scene.name;
        let _failed =
            Failed(format!("{name}, company {in_company}: {dies_at} {call}, cut {is_cut}"));
        let (home, company) = scene.set(*in_company);
        let role = Role { dies_at: *dies_at, is_cut: *is_cut, ..scene.role(&home) };
        let played = play(&role);
        assert_eq!(played.status.signal(), Some(9), "{}", played.stderr);
        let (store, witness) = if let Some(Company { store, witness }) = company {
            (store, Some(witness))
        } else {
            let store = scene.open(&home);
            assert_no_leftovers(&home);
            (store, None)
        };
        let heard = Heard::new(scene, &played);
        let last = last(&home);
        assert!(heard.acknowledged <= last, "{last}: an acknowledged commit is lost");
        assert!(last <= heard.begun, "{last}: more than was begun");
        commit(&store, last + 1);
        assert_journal(&home, last + 1);
        heard.assert_goes_on(subscribe(&store, NAME), last + 1);
        if let Some(witness) = witness {
            assert_eq!(caught_up(witness), positions(last + 1), "all, in order, and none twice");
        }
        plan::assert_documents(&home, 1..=last + 1);
        let report = store.verify().expect("it can be read");
        assert!(report.worst().unwrap_or(Severity::Note) == Severity::Note, "{report:?}");
        let keeps_a_tail = *is_cut || scene.left == Left::HalfALine;
        assert!(keeps_a_tail || home.recovered().is_empty(), "nothing was in the way");
        store.close().expect("it closes");
    }
}

/// What the process said before it was killed.
struct Heard {
    /// The last commit that was acknowledged.
    acknowledged: u64,
    /// The last that was begun.
    begun: u64,
    /// So many events are settled.
    settled: usize,
    /// Another was handed over.
    in_hand: bool,
    /// A reset to the beginning was begun, and not done.
    in_reset: bool,
}

impl Heard {
    fn new(scene: &Scene, played: &Played) -> Self {
        let found = scene.first() - 1;
        let settled =
            if scene.subscription == At::End { positions(scene.commits).len() } else { 0 };
        let mut this =
            Self { acknowledged: found, begun: found, settled, in_hand: false, in_reset: false };
        played.said.iter().for_each(|said| this.hear(said));
        this
    }

    fn hear(&mut self, said: &Value) {
        if let Some(seq) = said["seq"].as_u64() {
            assert_eq!((seq, Some(seq)), (self.acknowledged + 1, said["ref"].as_u64()));
            self.acknowledged = seq;
        } else if let Some(step) = said["begins"].as_str() {
            if self.in_reset {
                (self.settled, self.in_reset) = (0, false);
            }
            self.begun += match step {
                "Commit" => 1,
                "Batch" => 3,
                _ => 0,
            };
            self.in_reset = step == "Reset";
        } else if let Some(position) = said["sequence"].as_str() {
            assert_eq!(position, padded(positions(self.begun)[self.settled]), "in order");
            self.in_hand = true;
        } else if said["acked"].is_string() {
            self.in_hand = false;
            self.settled += 1;
        }
    }

    /// The next consumer gets what was not settled, in order, and nothing else but the one in hand.
    fn assert_goes_on(&self, subscription: Subscription, last: u64) {
        let all = positions(last);
        let got = caught_up(subscription);
        let mut first = vec![self.settled];
        first.extend(self.in_hand.then_some(self.settled + 1));
        first.extend(self.in_reset.then_some(0));
        let goes_on = |first: &usize| got == all[*first..];
        assert!(first.iter().any(goes_on), "{first:?} of {all:?}: {got:?}");
    }
}

fn caught_up(mut subscription: Subscription) -> Vec<(u64, u32)> {
    let mut got = Vec::new();
    for delivery in subscription.catch_up() {
        let delivery = delivery.expect("an event");
        let position = delivery.event().position();
        assert_eq!(delivery.event().data::<u64>().expect("a number"), position.seq);
        got.push((position.seq, position.idx));
        delivery.ack().expect("an ack");
    }
    got
}

fn positions(last: u64) -> Vec<(u64, u32)> {
    plan::positions(&(1..=last).map(|number| (number, number)).collect())
}

fn padded((seq, idx): (u64, u32)) -> String {
    docbox::Position::new(seq, idx).padded()
}

/// The last commit that is there; it may be behind the head.
fn last(home: &Home) -> u64 {
    let head = home.register("head")["seq"].as_u64().expect("a head");
    home.lines().last().map_or(head, |line| line.seq().max(head))
}

/// Whole commits, without a gap, up to the last. The first may have been dropped.
fn assert_journal(home: &Home, last: u64) {
    let lines = home.lines();
    let first = lines.first().expect("a line").seq();
    assert!(lines.iter().map(crate::home::Line::seq).eq(first..=last), "no gap");
    for line in &lines {
        assert_eq!(plan::number_of(line), line.seq());
    }
}

/// Whoever opens next clears what was half-made.
fn assert_no_leftovers(home: &Home) {
    for folder in ["", ".docbox", ".docbox/journal", ".docbox/cursors"] {
        let names = home.names(folder);
        let is_half_made =
            |name: &String| name.starts_with(".new-") || name.starts_with(".docbox-new-");
        assert!(!names.iter().any(is_half_made), "{folder}: {names:?}");
    }
    assert!(home.left_in_spool().is_empty());
}
