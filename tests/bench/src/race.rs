//! Contestants that take turns: A B C, A B C, …

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::figure::{Spread, median};
use crate::peer::{Peer, Writer};
use crate::workload::{self, DOCUMENT_BYTES, EVENT_BYTES, Orders};

/// A commit's line in a journal, nearly.
const COMMIT_BYTES: usize = DOCUMENT_BYTES + EVENT_BYTES + 270;

/// Where a thread made no commit in a whole turn.
const STARVED: f64 = 999.0;

/// Documents that are written again and again.
pub const HOT: usize = 1000;
/// Of the many documents of a warm-up so many are committed at once.
const PIECE: usize = 100;

#[derive(Clone)]
pub struct Contestant {
    pub name: String,
    pub peer: Arc<dyn Peer>,
    /// Its documents: hot ones, most often a thousand.
    pub documents: usize,
}

impl Contestant {
    pub fn new(name: impl Into<String>, peer: Arc<dyn Peer>) -> Self {
        Self { name: name.into(), peer, documents: HOT }
    }

    pub fn among(self, documents: usize) -> Self {
        Self { documents, ..self }
    }

    /// Makes documents that are hot so: each was written and replaced. (docbox makes two files of each then, which it
    /// exchanges from then on.)
    pub fn warm(&self) -> Result<()> {
        if self.documents > HOT {
            return Ok(());
        }
        let mut writer = Arc::clone(&self.peer).writer()?;
        for change in 0..2 {
            for piece in workload::pieces(self.documents, PIECE, change) {
                writer.commit(&piece)?;
            }
        }
        self.peer.settle()
    }
}

/// One turn of one contestant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Commits of each thread, those that returned in time.
    pub commits: Vec<u64>,
    /// How long it lasted, with its share of what was owed at its end.
    pub seconds: f64,
    /// Of every commit, how long its caller waited.
    #[serde(skip)]
    pub waits_us: Vec<f64>,
}

impl Turn {
    pub fn rate(&self) -> f64 {
        self.commits.iter().sum::<u64>() as f64 / self.seconds
    }

    /// Commits of the median thread over those of the slowest.
    fn unfairness(&self) -> f64 {
        match self.commits.iter().copied().min().unwrap_or(0) {
            0 => STARVED,
            slowest => median(self.commits.iter().map(|commits| *commits as f64)) / slowest as f64,
        }
    }
}

/// All turns of one contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Score {
    pub name: String,
    pub threads: usize,
    /// Commits a second: the median of the turns.
    pub rate: f64,
    pub rates: Vec<f64>,
    pub wait: Spread,
    /// Median thread over slowest thread: the median of the turns, and the worst.
    pub unfairness: f64,
    pub worst_unfairness: f64,
}

impl Score {
    fn of(name: &str, turns: Vec<Turn>) -> Self {
        let rates: Vec<f64> = turns.iter().map(Turn::rate).collect();
        let unfair: Vec<f64> = turns.iter().map(Turn::unfairness).collect();
        Self {
            name: name.to_owned(),
            threads: turns.first().map_or(0, |turn| turn.commits.len()),
            rate: median(rates.iter().copied()),
            rates,
            unfairness: median(unfair.iter().copied()),
            worst_unfairness: unfair.into_iter().fold(0.0, f64::max),
            wait: Spread::of(turns.into_iter().flat_map(|turn| turn.waits_us).collect()),
        }
    }
}

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub seconds: f64,
    pub rounds: usize,
}

impl Pace {
    pub fn times(self, factor: f64) -> Self {
        Self { seconds: self.seconds * factor, ..self }
    }
}

/// Lets all of them have their turns.
pub fn race(contestants: &[Contestant], threads: usize, pace: Pace) -> Result<Vec<Score>> {
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); contestants.len()];
    for contestant in contestants {
        contestant.warm().map_err(|error| format!("{}: {error}", contestant.name))?;
    }
    // The first round is to warm up too, and counts for nothing.
    for round in 0..=pace.rounds {
        let seconds = if round == 0 { pace.seconds * 0.4 } else { pace.seconds };
        for (contestant, turns) in contestants.iter().zip(&mut turns) {
            let turn = turn(contestant, threads, seconds)
                .map_err(|error| format!("{}: {error}", contestant.name))?;
            if round > 0 {
                turns.push(turn);
            }
        }
    }
    let names = contestants.iter().map(|contestant| contestant.name.as_str());
    Ok(names.zip(turns).map(|(name, turns)| Score::of(name, turns)).collect())
}

/// One turn: `threads` commit as fast as they can.
pub fn turn(contestant: &Contestant, threads: usize, seconds: f64) -> Result<Turn> {
    let mut lanes = Vec::new();
    for _ in 0..threads {
        let writer = Arc::clone(&contestant.peer).writer()?;
        lanes.push((writer, Orders::new(contestant.documents)));
    }
    let start = Barrier::new(threads);
    let lasts = Duration::from_secs_f64(seconds);
    let mut turn = Turn { seconds, ..Turn::default() };
    let done: Vec<Result<Vec<f64>>> = thread::scope(|scope| {
        let start = &start;
        let running: Vec<_> = lanes
            .into_iter()
            .map(|(writer, orders)| scope.spawn(move || lane(writer, orders, start, lasts)))
            .collect();
        running.into_iter().map(|lane| lane.join().map_err(|_| "a thread panicked")?).collect()
    });
    for waits in done {
        let waits = waits?;
        // The last one came back after the end.
        turn.commits.push(waits.len() as u64 - 1);
        turn.waits_us.extend(waits);
    }
    let began = Instant::now();
    contestant.peer.settle()?;
    let owed_s = began.elapsed().as_secs_f64();
    if let Some(after) = contestant.peer.settles_after() {
        let committed = turn.commits.iter().sum::<u64>() * COMMIT_BYTES as u64;
        turn.seconds += owed_s * (committed as f64 / after as f64).min(1.0);
    }
    Ok(turn)
}

fn lane(
    mut writer: Box<dyn Writer>,
    mut orders: Orders,
    start: &Barrier,
    lasts: Duration,
) -> Result<Vec<f64>> {
    let mut waits = Vec::with_capacity(1 << 14);
    start.wait();
    let began = Instant::now();
    loop {
        let order = orders.take();
        let asked = Instant::now();
        writer.commit(std::slice::from_ref(&order))?;
        let returned = Instant::now();
        waits.push((returned - asked).as_secs_f64() * 1e6);
        if returned - began >= lasts {
            return Ok(waits);
        }
    }
}
