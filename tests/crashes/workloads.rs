//! Workloads that together use every verb. A step that fails is noted, and the program goes on; a
//! workload ends when its process dies.

mod delivery;
mod documents;
mod journal;
mod opening;
mod processes;

pub use opening::second_life;

use docbox::Result;

use crate::beginnings::{self, Beginning};
use crate::history::History;
use crate::support::sim::Disk;

/// What some processes do on a disk.
#[derive(Clone, Copy)]
pub struct Workload {
    name: &'static str,
    beginning: fn() -> Beginning,
    pub steps: fn(&Disk, &History) -> Result<()>,
    lacks: Lacks,
}

/// What the filesystem cannot do from the beginning on. (What was there before, another one has made.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    Nothing,
    /// No file can be leased.
    Leases,
    /// Nor can names change places.
    Both,
}

impl Lacks {
    const ALL: [Self; 3] = [Self::Nothing, Self::Leases, Self::Both];

    fn suffix(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Leases => "-without-leases",
            Self::Both => "-by-rename",
        }
    }
}

impl Workload {
    pub fn on(self, lacks: Lacks) -> Self {
        Self { lacks, ..self }
    }

    /// Its beginning, on such a filesystem.
    pub fn begin(&self) -> Beginning {
        let (disk, history) = (self.beginning)();
        if self.lacks != Lacks::Nothing {
            disk.take_leases_away();
        }
        if self.lacks == Lacks::Both {
            disk.take_exchange_away();
        }
        (disk, history)
    }

    pub fn lacks(&self) -> Lacks {
        self.lacks
    }

    pub fn name(&self) -> String {
        format!("{}{}", self.name, self.lacks.suffix())
    }

    pub fn named(name: &str) -> Option<Self> {
        let all = Lacks::ALL.into_iter().flat_map(|lacks| ALL.iter().map(move |it| it.on(lacks)));
        all.into_iter().find(|workload| workload.name() == name)
    }
}

const fn workload(
    name: &'static str,
    beginning: fn() -> Beginning,
    steps: fn(&Disk, &History) -> Result<()>,
) -> Workload {
    Workload { name, beginning, steps, lacks: Lacks::Nothing }
}

/// All of them.
pub const ALL: &[Workload] = &[
    workload("creation", beginnings::empty, documents::creation),
    workload("documents", beginnings::new_store, documents::changes),
    workload("conditions", beginnings::used, documents::conditions),
    workload("groups", beginnings::used, documents::groups),
    workload("large", beginnings::used, documents::large),
    workload("segments", beginnings::new_store, journal::segments),
    workload("checkpoints", beginnings::used, journal::checkpoints),
    workload("retention", beginnings::used, journal::retention),
    workload("acks", beginnings::used, delivery::acks),
    workload("nacks", beginnings::used, delivery::nacks),
    workload("resets", beginnings::used, delivery::resets),
    workload("settling", beginnings::used, delivery::settling),
    workload("renames", beginnings::used, delivery::renames),
    workload("removals", beginnings::used, delivery::removals),
    workload("changes", beginnings::used, delivery::changes),
    workload("mirrors", beginnings::used, delivery::mirrors),
    workload("pauses", beginnings::used, delivery::pauses),
    workload("renamers", beginnings::used, processes::renamers),
    workload("two-writers", beginnings::new_store, processes::two_writers),
    workload("two-makers", beginnings::empty, processes::two_makers),
    workload("take-over", beginnings::used, processes::take_over),
    workload("feeds", beginnings::used, processes::feeds),
    workload("reader", beginnings::used, processes::reader),
    workload("roll-forward", beginnings::before_putting_in_place, second_life),
    workload("roll-forward-half", beginnings::half_in_place, second_life),
    workload("roll-forward-head", beginnings::before_the_head, second_life),
    workload("unsynced-line", beginnings::before_the_sync, second_life),
    workload("cut-line", beginnings::line_cut_by_a_kill, second_life),
    workload("torn-line", beginnings::line_torn_by_a_power_cut, second_life),
    workload("left-open", beginnings::left_open, second_life),
    workload("redo", beginnings::redo_of_all, second_life),
    workload("redo-some", beginnings::redo_of_some, second_life),
];
