//! One crash state by name: `workload/kind/call/dice`.

use std::fmt;
use std::str::FromStr;

use super::faults::{Fault, Span};
use crate::workloads::Workload;

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Every process dies.
    Cut,
    /// The process that calls dies, the others live on.
    Kill,
    /// A part of a write happens, and the process dies.
    Part,
    /// Every process dies, and the next one, which opens the store, dies too.
    Again,
    /// The call fails, or calls from it on.
    Fails(Fault, Span),
    /// The call fails, and every process dies soon after.
    Ill,
}

impl Kind {
    /// How many ways there are in which it happens at one call; each takes a run of its own.
    pub fn ways(self) -> u64 {
        match self {
            Self::Cut | Self::Kill | Self::Fails(..) => 1,
            Self::Part => 4,
            Self::Again | Self::Ill => 1 << 16,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let fails = Fault::ALL.into_iter().flat_map(|fault| Span::ALL.map(|span| (fault, span)));
        [Self::Cut, Self::Kill, Self::Part, Self::Again, Self::Ill]
            .into_iter()
            .chain(fails.map(|(fault, span)| Self::Fails(fault, span)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("cut"),
            Self::Kill => f.write_str("kill"),
            Self::Part => f.write_str("part"),
            Self::Again => f.write_str("again"),
            Self::Ill => f.write_str("ill"),
            Self::Fails(fault, span) => write!(f, "{fault}-{span}"),
        }
    }
}

/// Where it happens: at one call of a workload, in one way. What comes of it is a scene, of which dice
/// make crash states.
#[derive(Clone, Copy)]
pub struct Spot {
    pub workload: Workload,
    pub kind: Kind,
    pub call: u64,
    pub way: u64,
}

/// A crash state.
#[derive(Clone, Copy)]
pub struct Case {
    pub spot: Spot,
    /// Which dice.
    pub throw: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { workload, kind, call, way } = self.spot;
        let dice = self.throw * kind.ways() + way;
        write!(f, "{}/{kind}/{call}/{dice}", workload.name())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || format!("`{text}` is no crash state: workload/kind/call/dice");
        let parts: Vec<&str> = text.split('/').collect();
        let [name, kind, call, dice] = parts[..] else { return Err(usage()) };
        let workload = Workload::named(name).ok_or_else(usage)?;
        let kind = Kind::all().find(|known| known.to_string() == kind).ok_or_else(usage)?;
        let call = call.parse().map_err(|_| usage())?;
        let dice: u64 = dice.parse().map_err(|_| usage())?;
        let spot = Spot { workload, kind, call, way: dice % kind.ways() };
        Ok(Self { spot, throw: dice / kind.ways() })
    }
}

#[test]
fn the_name_of_a_crash_state_is_read_as_it_is_written() {
    let workloads = ["two-writers", "redo-without-leases", "roll-forward-half-by-rename"];
    let dice = [0, 7, 70_000, 1_u64 << 40].into_iter().cycle();
    for ((kind, dice), workload) in Kind::all().zip(dice).zip(workloads.into_iter().cycle()) {
        let name = format!("{workload}/{kind}/17/{dice}");
        assert_eq!(name.parse::<Case>().map(|case| case.to_string()), Ok(name));
    }
    for wrong in ["documents/cut/1", "documents/cut/1/2/3", "nowhere/cut/1/2", "documents/bang/1/2"]
    {
        assert!(wrong.parse::<Case>().is_err(), "{wrong}");
    }
}
