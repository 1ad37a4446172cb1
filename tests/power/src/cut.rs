//! What a power cut leaves of a disk: all that was flushed, and of the writes since whatever the dice say.

use std::collections::BTreeSet;

use crate::dice::Dice;
use crate::disk::Op;
use crate::pages::Pages;

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A log, played forward; cuts are asked for in their order.
pub struct Timeline<'a> {
    log: &'a [Op],
    /// What is durable by the last flush before `at`.
    durable: Pages,
    at: usize,
}

/// What a cut left.
pub struct Image {
    pub pages: Pages,
    /// In words: what became of the writes that were not flushed.
    pub said: String,
}

impl<'a> Timeline<'a> {
    pub fn new(before: Pages, log: &'a [Op]) -> Self {
        Self { log, durable: before, at: 0 }
    }

    /// What is left when the power goes after the first `cut` entries of the log.
    pub fn cut(&mut self, cut: usize, dice: &mut Dice) -> Image {
        let flushed = self.log[..cut].iter().rposition(|op| matches!(op, Op::Flush)).unwrap_or(0);
        while self.at < flushed {
            if let Op::Write { offset, bytes } = &self.log[self.at] {
                self.durable.write(*offset, bytes);
            }
            self.at += 1;
        }
        let pending: Vec<(u64, &[u8])> = self.log[self.at..cut]
            .iter()
            .filter_map(|op| match op {
                Op::Write { offset, bytes } => Some((*offset, &bytes[..])),
                Op::Flush => None,
            })
            .collect();
        survive(self.durable.clone(), &pending, dice)
    }
}

/// Which of the pending writes survive.
enum Fate {
    None,
    All,
    /// The first so many: written in order.
    First(usize),
    /// All but this one.
    AllBut(usize),
    Only(usize),
    /// Each write by itself, so many in 16 kept.
    Writes(usize),
    /// Each sector by itself, so many in 16 kept.
    Sectors(usize),
}

fn survive(mut pages: Pages, pending: &[(u64, &[u8])], dice: &mut Dice) -> Image {
    let (fate, said) = fate(pending.len(), dice);
    let mut kept = BTreeSet::new();
    for (index, (offset, bytes)) in pending.iter().enumerate() {
        let whole = match fate {
            Fate::None => false,
            Fate::All | Fate::Sectors(_) => true,
            Fate::First(count) => index < count,
            Fate::AllBut(one) => index != one,
            Fate::Only(one) => index == one,
            Fate::Writes(of_16) => dice.roll(16) < of_16,
        };
        if !whole {
            continue;
        }
        for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            if let Fate::Sectors(of_16) = fate
                && dice.roll(16) >= of_16
            {
                continue;
            }
            let at = offset + (number * SECTOR_BYTES) as u64;
            if pages.read(at, sector.len()) != sector {
                pages.write(at, sector);
                kept.insert(at);
            }
        }
    }
    Image {
        pages,
        said: format!("{} writes pending, {said}, {} sectors changed", pending.len(), kept.len()),
    }
}

fn fate(pending: usize, dice: &mut Dice) -> (Fate, String) {
    let one = dice.roll(pending.max(1));
    let of_16 = [2, 8, 14][dice.roll(3)];
    match dice.roll(8) {
        0 => (Fate::None, "none kept".to_owned()),
        1 => (Fate::All, "all kept".to_owned()),
        2 => (Fate::First(one), format!("the first {one} kept")),
        3 => (Fate::AllBut(one), format!("all but number {one} kept")),
        4 => (Fate::Only(one), format!("only number {one} kept")),
        5 => (Fate::Writes(of_16), format!("{of_16} of 16 writes kept")),
        _ => (Fate::Sectors(of_16), format!("{of_16} of 16 sectors kept")),
    }
}
