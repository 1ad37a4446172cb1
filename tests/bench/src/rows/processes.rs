//! Two processes of eight threads on one store, against one of sixteen.

use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::child::{self, Other};
use crate::figure::median;
use crate::lab::Lab;
use crate::peers::docbox::Docbox;
use crate::race::{Contestant, Turn, turn};
use crate::report::{Line, Report, Unit};

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let folder = lab.place("processes")?;
    let pace = lab.pace();
    let start = |threads: usize| {
        let words = [threads.to_string(), format!("{:.0}", pace.seconds * 1000.0)];
        Other::start("commit", &folder, &words)
    };
    let mut one = vec![start(16)?];
    let mut two = vec![start(8)?, start(8)?];
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..=pace.rounds {
        let rates = (side(&mut one)?, side(&mut two)?);
        if round > 0 {
            alone.push(rates.0);
            together.push(rates.1);
        }
    }
    one.into_iter().chain(two).try_for_each(Other::end)?;
    report.add(
        Line::new("processes", "two processes × 8 threads", median(together), Unit::PerSecond)
            .against("one × 16", median(alone))
            .at_least(0.8),
    );
    Ok(())
}

/// All of one side at once; how many commits a second they made together.
fn side(children: &mut [Other]) -> Result<f64> {
    for child in &mut *children {
        child.go()?;
    }
    children.iter_mut().map(|child| Ok(child.answer::<Turn>()?.rate())).sum()
}

pub fn child(folder: &Path, threads: usize, lasts: Duration) -> Result<()> {
    let contestant = Contestant::new("docbox", Docbox::new(folder)?);
    contestant.warm()?;
    child::say(&"ready")?;
    while child::hear()? {
        child::say(&turn(&contestant, threads, lasts.as_secs_f64())?)?;
    }
    Ok(())
}
