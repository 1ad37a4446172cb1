//! One filesystem on one disk: a workload, and then the power cuts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuser::BackgroundSession;

use crate::cut::{Image, Timeline};
use crate::daemon;
use crate::device::{Kind, Loop, Mount};
use crate::dice::Dice;
use crate::disk::{Disk, Op};
use crate::history::{History, Shared};
use crate::is_interrupted;
use crate::judge::{Expected, Found, Judge};
use crate::pages::Pages;
use crate::program::Program;
use crate::tally::Tally;
use crate::workload::{Workload, lay_out};

/// How it is to go.
pub struct Plan {
    pub program: Program,
    pub images: usize,
    pub length: Duration,
    pub seed: u64,
    pub is_direct: bool,
    /// Where the images stay in which something is wrong.
    pub keep: Option<PathBuf>,
}

pub struct Rig<'a> {
    plan: &'a Plan,
    kind: Kind,
    disk: Disk,
    folder: PathBuf,
    session: Option<BackgroundSession>,
}

/// What came of one image.
enum Verdict {
    /// The filesystem itself does not mount.
    Refused(String),
    Wrong(String),
    /// With what recovery and all that followed wrote.
    Holds(Box<Found>, Vec<Op>),
}

impl<'a> Rig<'a> {
    pub fn new(plan: &'a Plan, kind: Kind) -> Result<Self, String> {
        let name = format!("docbox-power-{}-{}", std::process::id(), kind.name);
        let folder = std::env::temp_dir().join(name);
        let mut rig = Self { plan, kind, disk: Disk::default(), folder, session: None };
        for name in ["fuse", "mnt"] {
            fs::create_dir_all(rig.folder.join(name)).map_err(|error| error.to_string())?;
        }
        let session = daemon::serve(rig.disk.clone(), &rig.folder.join("fuse"));
        rig.session = Some(session.map_err(|error| format!("FUSE: {error}"))?);
        Ok(rig)
    }

    fn attach(&self) -> Result<Loop, String> {
        Loop::attach(&self.folder.join("fuse").join(daemon::NAME), self.plan.is_direct)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("mnt").join("tavern")
    }

    /// Makes the filesystem; an error is a reason to pass it over.
    pub fn prepare(&self) -> Result<(), String> {
        let device = self.attach()?;
        self.kind.make(&device)?;
        let mount = Mount::new(self.kind, &device, &self.folder.join("mnt"))?;
        lay_out(&self.root());
        mount.sync()
    }

    pub fn run(&self, dice: &mut Dice) -> Result<Tally, String> {
        let begun = Instant::now();
        let (before, log, history) = self.work(dice)?;
        let mut tally = Tally::of(&log, &history);
        println!("{}: {tally}, in {:.0} s", self.kind.name, begun.elapsed().as_secs_f32());
        tally.wrong.extend(history.wrong.iter().cloned());
        let mut timeline = Timeline::new(before, &log);
        for cut in cuts(&log, &history, self.plan.images, dice) {
            if is_interrupted() {
                break;
            }
            let image = timeline.cut(cut, dice);
            let expected = Expected::at(&history, cut);
            self.check(
                &image,
                &expected,
                &format!("cut at {cut}: {}", image.said),
                dice,
                &mut tally,
            )?;
        }
        Ok(tally)
    }

    /// The log of a workload, up to the instant when all were killed.
    fn work(&self, dice: &mut Dice) -> Result<(Pages, Vec<Op>, History), String> {
        let device = self.attach()?;
        let _mount = Mount::new(self.kind, &device, &self.folder.join("mnt"))?;
        self.disk.begin();
        let history = Shared::default();
        let root = self.root();
        let workload = Workload {
            program: &self.plan.program,
            root: &root,
            disk: &self.disk,
            history: &history,
            dice,
        };
        workload.run(self.plan.length)?;
        let (before, log) = self.disk.take();
        let history = history.lock().clone();
        Ok((before, log, history))
    }

    fn check(
        &self,
        image: &Image,
        expected: &Expected<'_>,
        said: &str,
        dice: &mut Dice,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let (found, log) = match self.judge(image, expected, dice)? {
            Verdict::Holds(found, log) => (found, log),
            Verdict::Refused(why) => {
                tally.refused.push(format!("{said}: {why}"));
                return Ok(());
            }
            Verdict::Wrong(why) => {
                println!("{}: {said}: {why}", self.kind.name);
                self.keep(&image.pages, tally.wrong.len());
                tally.images += 1;
                tally.wrong.push(format!("{said}: {why}"));
                return Ok(());
            }
        };
        tally.add(&found);
        if expected.probes.is_empty() && dice.once_in(4) {
            // The power goes again, while the first to open recovers or soon after.
            let upto = if dice.once_in(2) { log.len() } else { log.len() / 3 };
            let cut = dice.roll(upto + 1);
            let again = Timeline::new(image.pages.clone(), &log).cut(cut, dice);
            let expected = expected_again(expected, &found, cut);
            let said = format!("{said}; again at {cut} of {}: {}", log.len(), again.said);
            tally.again += 1;
            self.check(&again, &expected, &said, dice, tally)?;
        }
        Ok(())
    }

    fn judge(
        &self,
        image: &Image,
        expected: &Expected<'_>,
        dice: &mut Dice,
    ) -> Result<Verdict, String> {
        self.disk.load(image.pages.clone());
        let device = self.attach()?;
        let _mount = match Mount::new(self.kind, &device, &self.folder.join("mnt")) {
            Ok(mount) => mount,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        let root = self.root();
        let judge = Judge { program: &self.plan.program, root: &root, disk: &self.disk, expected };
        let looked = judge.look(dice);
        let (_, log) = self.disk.take();
        if self.disk.stale() > 0 {
            return Err("a device of an earlier image still writes".to_owned());
        }
        Ok(match looked {
            Ok(found) => Verdict::Holds(Box::new(found), log),
            Err(why) => Verdict::Wrong(why),
        })
    }

    fn keep(&self, pages: &Pages, number: usize) {
        let Some(folder) = &self.plan.keep else { return };
        let path = folder.join(format!("{}-{}-{number}.img", self.kind.name, self.plan.seed));
        match pages.save(&path, daemon::DISK_BYTES) {
            Ok(()) => println!("kept: {}", path.display()),
            Err(error) => println!("could not be kept: {}: {error}", path.display()),
        }
    }
}

impl Drop for Rig<'_> {
    fn drop(&mut self) {
        // Unmounts.
        drop(self.session.take());
        remove(&self.folder);
    }
}

/// Empty folders only: what is still mounted stays.
fn remove(folder: &Path) {
    for name in ["fuse", "mnt", ""] {
        let _ = fs::remove_dir(folder.join(name));
    }
}

/// Half of them at the instant when something was told, others around a flush, or anywhere.
fn cuts(log: &[Op], history: &History, count: usize, dice: &mut Dice) -> Vec<usize> {
    let acks = history.acks.iter().map(|ack| ack.at);
    let told: Vec<usize> =
        acks.chain(history.delivered.iter().map(|delivered| delivered.at)).collect();
    let flushes: Vec<usize> = (0..log.len()).filter(|at| matches!(log[*at], Op::Flush)).collect();
    let mut cuts: Vec<usize> = (0..count)
        .map(|_| match dice.roll(4) {
            0 | 1 if !told.is_empty() => told[dice.roll(told.len())],
            2 if !flushes.is_empty() => flushes[dice.roll(flushes.len())] + dice.roll(2),
            _ => dice.roll(log.len() + 1),
        })
        .map(|cut| cut.min(log.len()))
        .collect();
    cuts.sort_unstable();
    cuts
}

/// What the second cut must leave: what the first had to, and what was shown between the two.
fn expected_again<'a>(first: &Expected<'a>, found: &Found, cut: usize) -> Expected<'a> {
    let mut expected = first.clone();
    expected.numbers.clone_from(&found.numbers);
    let probe = found.probe.as_ref();
    if found.shown <= cut {
        expected.is_made = true;
        expected.told.extend(
            found.numbers.keys().filter(|seq| probe.is_none_or(|(added, ..)| *seq != added)),
        );
    }
    if let Some((seq, given, at)) = probe {
        expected.probes.push(given.clone());
        if *at <= cut {
            expected.told.insert(*seq);
        }
    }
    expected
}
