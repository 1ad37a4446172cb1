//! What survives a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::content::{CELL, Content, Unsynced, holds};
use super::dice::Dice;
use super::edits::{Edits, Inode, Rename};
use super::image::{Image, PAGE, Page, bytes};

/// What becomes of one sort of thing that is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The medium has none of it.
    Lost,
    /// The medium has all of it.
    Kept,
    /// The dice decide, for each on its own.
    Dice,
}

/// How a power cut treats what is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    pub bytes: Fate,
    pub lengths: Fate,
    pub entries: Fate,
    /// Of the dice.
    pub seed: u64,
}

impl Survival {
    /// Only what is durable survives.
    pub const NOTHING: Self =
        Self { bytes: Fate::Lost, lengths: Fate::Lost, entries: Fate::Lost, seed: 0 };
    /// The page cache was on the medium by chance.
    pub const EVERYTHING: Self =
        Self { bytes: Fate::Kept, lengths: Fate::Kept, entries: Fate::Kept, seed: 0 };

    /// One possible state, chosen by dice.
    pub const fn dice(seed: u64) -> Self {
        Self { bytes: Fate::Dice, lengths: Fate::Dice, entries: Fate::Dice, seed }
    }
}

/// Dice thrown for each cell alone would hardly ever keep or lose all of a large write, and just that is
/// what disks do. So dice are thrown for the mood first, then within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Lose,
    Keep,
    Mix,
}

impl Mood {
    fn of(fate: Fate, dice: &mut Dice) -> Self {
        match (fate, dice.below(4)) {
            (Fate::Lost, _) | (Fate::Dice, 0) => Self::Lose,
            (Fate::Kept, _) | (Fate::Dice, 1) => Self::Keep,
            (Fate::Dice, _) => Self::Mix,
        }
    }
}

/// Which of the edits survive, in their order.
pub fn surviving_edits(edits: &Edits, fate: Fate, dice: &mut Dice) -> Vec<bool> {
    let mood = Mood::of(fate, dice);
    let mut renames = Renames::new(edits, dice);
    edits
        .iter()
        .map(|edit| match (mood, edit.rename) {
            (Mood::Lose, _) => false,
            (Mood::Keep, _) => true,
            (Mood::Mix, None) => dice.heads(),
            (Mood::Mix, Some(rename)) => match renames.part(rename) {
                Part::Whole => true,
                Part::Some => dice.heads(),
                Part::None => false,
            },
        })
        .collect()
}

/// How much of a rename survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    None,
    Some,
    Whole,
}

/// Which renames survive: those of one inode in order.
struct Renames {
    /// Of each inode the rename from which on nothing is certain; none when all survive whole.
    limits: BTreeMap<Inode, Option<u64>>,
    /// Of each rename that was asked for, what survives.
    parts: BTreeMap<u64, Part>,
    /// Inodes of which one rename did not survive whole: no later one does.
    stopped: BTreeSet<Inode>,
}

impl Renames {
    fn new(edits: &Edits, dice: &mut Dice) -> Self {
        let mut renames = BTreeMap::<Inode, Vec<u64>>::new();
        for rename in edits.iter().filter_map(|edit| edit.rename) {
            for inode in rename.inodes() {
                let ids = renames.entry(inode).or_default();
                if ids.last() != Some(&rename.id) {
                    ids.push(rename.id);
                }
            }
        }
        let limits = renames
            .into_iter()
            .map(|(inode, ids)| (inode, ids.get(dice.below(ids.len() + 1)).copied()))
            .collect();
        Self { limits, parts: BTreeMap::new(), stopped: BTreeSet::new() }
    }

    /// What survives of a rename. Asked for in the order in which they were made.
    fn part(&mut self, rename: Rename) -> Part {
        if let Some(part) = self.parts.get(&rename.id) {
            return *part;
        }
        let within = rename.inodes().map(|inode| match self.limits[&inode] {
            _ if self.stopped.contains(&inode) => Part::None,
            Some(limit) if rename.id > limit => Part::None,
            Some(limit) if rename.id == limit && rename.whole => Part::None,
            Some(limit) if rename.id == limit => Part::Some,
            Some(_) | None => Part::Whole,
        });
        let part = within.min().unwrap_or(Part::Whole);
        if part != Part::Whole {
            self.stopped.extend(rename.inodes());
        }
        self.parts.insert(rename.id, part);
        part
    }
}

/// The bytes and the length of a file after the power cut.
pub fn surviving_content(content: &Content, survival: &Survival, dice: &mut Dice) -> Image {
    let mood = Mood::of(survival.bytes, dice);
    let mut image = content.durable.clone();
    let len = surviving_len(content, survival.lengths, dice);
    for (index, unsynced) in content.unsynced.range(..len.div_ceil(PAGE)) {
        let page = match mood {
            Mood::Lose => continue,
            Mood::Keep => content.cached.page(*index),
            Mood::Mix => Some(mixed(&content.durable.page(*index), unsynced, dice)),
        };
        image.put_page(*index, page);
    }
    image.resize(len);
    image
}

fn surviving_len(content: &Content, fate: Fate, dice: &mut Dice) -> usize {
    match Mood::of(fate, dice) {
        Mood::Lose => content.durable.len(),
        Mood::Keep => content.cached.len(),
        Mood::Mix => {
            let lengths: Vec<usize> = [content.durable.len()]
                .into_iter()
                .chain(content.lengths.iter().copied())
                .collect();
            let picked = dice.below(lengths.len());
            let len = lengths[picked];
            let before = picked.checked_sub(1).map_or(len, |before| lengths[before]);
            // Growth may have come as far as some cell.
            match (len / CELL).checked_sub(before / CELL) {
                Some(cells @ 1..) if dice.heads() => (before / CELL + 1 + dice.below(cells)) * CELL,
                _ => len,
            }
        }
    }
}

/// A page each of whose cells has a fate of its own.
fn mixed(durable: &Page, unsynced: &Unsynced, dice: &mut Dice) -> Arc<[u8; PAGE]> {
    let mut page = *bytes(durable);
    for cell in 0..PAGE / CELL {
        let range = cell * CELL..(cell + 1) * CELL;
        // From the durable one to the newest; of each, whether it can be torn.
        let versions: Vec<(&[u8], bool)> = [(&bytes(durable)[range.clone()], false)]
            .into_iter()
            .chain(
                unsynced
                    .versions
                    .iter()
                    .filter(|version| holds(version.cells, cell))
                    .map(|version| (&bytes(&version.page)[range.clone()], version.written)),
            )
            .collect();
        let newest = versions.len() - 1;
        let (picked, torn) = match dice.below(4) {
            0 => (0, false),
            1 => (newest, false),
            2 => (dice.below(versions.len()), false),
            _ => (dice.below(versions.len()), true),
        };
        let (new, written) = versions[picked];
        let survivor = &mut page[range];
        survivor.copy_from_slice(new);
        if torn && written {
            tear(survivor, versions[dice.below(picked)].0, dice);
        }
    }
    Arc::new(page)
}

/// Of the bytes that a write changes any may be old, new or damaged. Dice are thrown for each byte, the
/// same for all too, so that the same seed means the same crash whatever the bytes are: times, ids and
/// checksums differ from run to run.
fn tear(new: &mut [u8], old: &[u8], dice: &mut Dice) {
    for (new, old) in new.iter_mut().zip(old) {
        let roll = dice.roll();
        if new != old {
            match roll % 3 {
                0 => {}
                1 => *new = *old,
                _ => *new = roll.to_be_bytes()[0],
            }
        }
    }
}
