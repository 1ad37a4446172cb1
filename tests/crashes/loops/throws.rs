//! What a power cut leaves, by number.

use crate::support::sim::{Dice, Fate, Survival};

/// What survives by throw number `throw` of a scene; `None` where the power does not fail at all. The
/// first are few and telling: nothing survives, everything does, of bytes, lengths and names one sort
/// does and another does not. The rest are dice.
pub fn survival(scene: u64, throw: u64) -> Option<Survival> {
    let corner = |bits: u64| {
        let fate = |bit: u64| if bits & bit == 0 { Fate::Lost } else { Fate::Kept };
        Survival { bytes: fate(1), lengths: fate(2), entries: fate(4), seed: 0 }
    };
    match throw {
        0 => None,
        1 => Some(Survival::NOTHING),
        4 => Some(Survival::EVERYTHING),
        8..=28 if throw.is_multiple_of(4) => Some(corner(throw / 4 - 1)),
        _ => Some(Survival::dice(mixed(scene, throw))),
    }
}

/// One number of two.
pub fn mixed(one: u64, other: u64) -> u64 {
    Dice::new(Dice::new(one).roll() ^ other).roll()
}

#[test]
fn every_corner_is_thrown_once() {
    let corners: Vec<_> = (0..40)
        .filter_map(|throw| survival(7, throw))
        .filter(|it| it.bytes != Fate::Dice)
        .collect();
    assert_eq!(corners.len(), 8);
    for bytes in [Fate::Lost, Fate::Kept] {
        for lengths in [Fate::Lost, Fate::Kept] {
            for entries in [Fate::Lost, Fate::Kept] {
                let corner = Survival { bytes, lengths, entries, seed: 0 };
                assert!(corners.contains(&corner), "{corner:?}");
            }
        }
    }
}
