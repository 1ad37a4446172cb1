//! Looks at what a power cut left, and says what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::dice::Dice;
use crate::disk::Disk;
use crate::history::{Given, History, SUBSCRIPTIONS};
use crate::program::{Outcome, Program};
use crate::stirrer::files_below;
use crate::workload::{OWN, position_of};

/// What must be there.
#[derive(Clone)]
pub struct Expected<'a> {
    pub history: &'a History,
    /// The transaction of every commit that was ever heard of.
    pub numbers: BTreeMap<u64, usize>,
    /// Commits that were told of before the cut.
    pub told: BTreeSet<u64>,
    pub is_made: bool,
    /// Of each subscription: an event was delivered before the cut.
    pub has_consumed: [bool; 2],
    /// The transactions of this rig's own, after the last one given.
    pub probes: Vec<Given>,
}

impl<'a> Expected<'a> {
    pub fn at(history: &'a History, cut: usize) -> Self {
        let acked = history.acks.iter().filter(|ack| ack.at <= cut).map(|ack| ack.seq);
        let delivered = || history.delivered.iter().filter(|delivered| delivered.at <= cut);
        let told = acked.chain(delivered().map(|delivered| delivered.seq)).collect();
        let consumed = |which| delivered().any(|delivered| delivered.subscription == which);
        Self {
            history,
            numbers: history.numbers.clone(),
            told,
            is_made: history.made <= cut,
            has_consumed: [consumed(0), consumed(1)],
            probes: Vec::new(),
        }
    }

    fn given(&self, number: usize) -> Option<&Given> {
        let given = &self.history.given;
        given.get(number).or_else(|| self.probes.get(number - given.len()))
    }
}

/// What was found, each thing with the position when it was told.
#[derive(Default)]
pub struct Found {
    pub numbers: BTreeMap<u64, usize>,
    /// When the commits were shown; since then they are durable.
    pub shown: usize,
    /// The transaction that was added, and when it was acknowledged.
    pub probe: Option<(u64, Given, usize)>,
    pub redelivered: usize,
    pub kept_aside: usize,
}

pub struct Judge<'a> {
    pub program: &'a Program,
    pub root: &'a Path,
    pub disk: &'a Disk,
    pub expected: &'a Expected<'a>,
}

impl Judge<'_> {
    pub fn look(&self, dice: &mut Dice) -> Result<Found, String> {
        self.own_files()?;
        if !self.root.join(".docbox").exists() {
            if self.expected.is_made || !self.expected.told.is_empty() {
                return Err("the store is gone".to_owned());
            }
            self.ok(&["init"], "")?;
        }
        self.first(dice)?;
        self.verify()?;
        let mut found = Found { numbers: self.commits()?, ..Found::default() };
        found.shown = self.disk.position();
        self.documents(&found.numbers, None, dice)?;
        for which in 0..SUBSCRIPTIONS.len() {
            found.redelivered = found.redelivered.max(self.resume(which, &found.numbers)?);
        }
        self.add(&mut found, dice)?;
        self.verify()?;
        let added = found.probe.as_ref().map(|(_, given, _)| given);
        self.documents(&found.numbers, added, dice)?;
        self.own_files()?;
        found.kept_aside = files_below(&self.root.join(".docbox/recovered")).len();
        Ok(found)
    }

    fn ok(&self, args: &[&str], stdin: &str) -> Result<Outcome, String> {
        let outcome = self.program.run(self.root, args, stdin);
        if outcome.status.success() {
            return Ok(outcome);
        }
        Err(format!("{args:?} ends with {}: {}{}", outcome.status, outcome.stdout, outcome.stderr))
    }

    /// Whoever is first recovers.
    fn first(&self, dice: &mut Dice) -> Result<(), String> {
        match dice.roll(5) {
            0 => self.ok(&["status"], "").map(drop),
            1 => self.ok(&["events"], "").map(drop),
            2 => self.ok(&["ls"], "").map(drop),
            3 => self.ok(&["subscriptions"], "").map(drop),
            // `verify` itself.
            _ => Ok(()),
        }
    }

    fn verify(&self) -> Result<(), String> {
        let found = self.ok(&["verify", "--json"], "")?.stdout;
        let is_note = |line: &str| line.contains(r#""severity":"note""#);
        if found.lines().all(is_note) { Ok(()) } else { Err(format!("verify finds {found}")) }
    }

    /// The transaction of each commit in the journal.
    fn commits(&self) -> Result<BTreeMap<u64, usize>, String> {
        let mut commits: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for line in self.ok(&["events", "--json"], "")?.stdout.lines() {
            let event: Value =
                serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            let (seq, idx) = position_of(&event).ok_or_else(|| format!("no position: {line}"))?;
            let events = commits.entry(seq).or_default();
            if idx != events.len() as u64 {
                return Err(format!("{seq}-{idx} follows {} events of its commit", events.len()));
            }
            events.push(event["data"].as_u64().ok_or_else(|| format!("no number: {line}"))?);
        }
        self.whole(&commits)
    }

    fn whole(&self, commits: &BTreeMap<u64, Vec<u64>>) -> Result<BTreeMap<u64, usize>, String> {
        let mut numbers = BTreeMap::new();
        let mut all = BTreeSet::new();
        let first = commits.keys().next().copied().unwrap_or(1);
        for (expected, (seq, events)) in (first..).zip(commits) {
            if expected != *seq {
                return Err(format!("there is no commit {expected}, and there is a {seq}"));
            }
            let number = usize::try_from(events[0]).expect("a number of ours");
            let given = self.expected.given(number).ok_or(format!("nobody gave {number}"))?;
            if *events != vec![events[0]; given.events] {
                return Err(format!("half of commit {seq} is there: {events:?}"));
            }
            if self.expected.numbers.get(seq).is_some_and(|before| *before != number) {
                return Err(format!("commit {seq} was another transaction than {number}"));
            }
            if !all.insert(number) {
                return Err(format!("transaction {number} is there twice"));
            }
            numbers.insert(*seq, number);
        }
        let head = numbers.keys().next_back().copied().unwrap_or(0);
        let lost: Vec<_> = self.expected.told.iter().filter(|seq| **seq > head).collect();
        if !lost.is_empty() {
            return Err(format!(
                "LOST: the journal ends with {head}, and these were told of: {lost:?}"
            ));
        }
        // What retention has dropped is known from then.
        for seq in 1..first {
            numbers.extend(self.expected.numbers.get(&seq).map(|number| (seq, *number)));
        }
        Ok(numbers)
    }

    fn documents(
        &self,
        numbers: &BTreeMap<u64, usize>,
        added: Option<&Given>,
        dice: &mut Dice,
    ) -> Result<(), String> {
        let mut expected = BTreeMap::new();
        for number in numbers.values() {
            let given = self.expected.given(*number).or(added);
            for (key, document) in &given.expect("it was found").writes {
                expected.insert(key.as_str(), document.as_deref());
            }
        }
        expected.retain(|_, document| document.is_some());
        let listed = self.ok(&["ls"], "")?.stdout;
        if !listed.lines().eq(expected.keys().copied()) {
            let listed: BTreeSet<_> = listed.lines().collect();
            let missing: Vec<_> = expected.keys().filter(|key| !listed.contains(**key)).collect();
            let others: Vec<_> =
                listed.iter().filter(|key| !expected.contains_key(**key)).collect();
            return Err(format!("documents missing: {missing:?}; too many: {others:?}"));
        }
        for (key, document) in &expected {
            let bytes = fs::read(self.root.join(format!("{key}.json")))
                .map_err(|error| format!("{key}: {error}"))?;
            if Some(&bytes[..]) != document.map(str::as_bytes) {
                return Err(format!(
                    "{key} is not as it was committed: {}",
                    String::from_utf8_lossy(&bytes)
                ));
            }
        }
        let keys: Vec<_> = expected.iter().collect();
        if let Some((key, document)) = keys.get(dice.roll(keys.len().max(1)))
            && Some(self.ok(&["get", key], "")?.stdout.as_str()) != **document
        {
            return Err(format!("get {key} gives something else"));
        }
        Ok(())
    }

    /// Goes on where the subscription stands; how many events come again.
    fn resume(&self, which: usize, numbers: &BTreeMap<u64, usize>) -> Result<usize, String> {
        let name = SUBSCRIPTIONS[which];
        let from = ["subscribe", name, "--from", "beginning"];
        // Whoever has consumed has a place, and need not say where to begin.
        let args = if self.expected.has_consumed[which] { &from[..2] } else { &from[..] };
        let printed = self.ok(args, "")?.stdout;
        let before: BTreeSet<_> = self
            .expected
            .history
            .delivered
            .iter()
            .filter(|delivered| delivered.subscription == which)
            .map(|delivered| (delivered.seq, delivered.idx))
            .collect();
        let mut came = Vec::new();
        for line in printed.lines() {
            let event: Value =
                serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            came.push(position_of(&event).ok_or_else(|| format!("no position: {line}"))?);
        }
        let events = |(seq, number): (&u64, &usize)| {
            let given = self.expected.given(*number);
            let (seq, count) = (*seq, given.expect("it was found").events);
            (0..count as u64).map(move |idx| (seq, idx))
        };
        let all: Vec<_> = numbers.iter().flat_map(events).collect();
        if came.len() > all.len() || came != all[all.len() - came.len()..] {
            return Err(format!(
                "{name} gets {:?}… to {:?}, not what ends the journal",
                came.first(),
                came.last()
            ));
        }
        let settled = &all[..all.len() - came.len()];
        let never: Vec<_> = settled.iter().filter(|position| !before.contains(position)).collect();
        if !never.is_empty() && self.expected.probes.is_empty() {
            return Err(format!("{name} passes over {never:?}"));
        }
        Ok(came.iter().filter(|position| before.contains(position)).count())
    }

    /// The next commit follows without a gap.
    fn add(&self, found: &mut Found, dice: &mut Dice) -> Result<(), String> {
        let number = self.expected.history.given.len() + self.expected.probes.len();
        let given = Given::roll(number, dice);
        let printed = self.ok(&["commit", "--lines"], &given.line(number))?.stdout;
        let answer: Value =
            serde_json::from_str(&printed).map_err(|error| format!("{printed}: {error}"))?;
        let seq = found.numbers.keys().next_back().copied().unwrap_or(0) + 1;
        if answer["seq"] != seq {
            return Err(format!("the next commit is not {seq}: {printed}"));
        }
        found.probe = Some((seq, given, self.disk.position()));
        found.numbers.insert(seq, number);
        Ok(())
    }

    fn own_files(&self) -> Result<(), String> {
        for (name, text) in OWN {
            if fs::read_to_string(self.root.join(name)).ok().as_deref() != Some(text) {
                return Err(format!("{name} is not as its owner left it"));
            }
        }
        Ok(())
    }
}
