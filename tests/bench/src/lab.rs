//! The folder where it all happens, and stores that several rows share.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use docbox::{Retain, Store, Transaction};
use tempfile::TempDir;

use crate::Result;
use crate::args::{Args, Size};
use crate::peer::Peer as _;
use crate::peers::docbox::transaction;
use crate::peers::sqlite::Sqlite;
use crate::race::Pace;
use crate::workload::{self, Order};

/// So many transactions are handed to a store at once where it is filled.
const PIECE: usize = 1000;

pub struct Lab {
    folder: TempDir,
    size: Size,
    pace: Pace,
    /// Stores of so many documents: where, and what they took on the disk when they were made.
    grown: BTreeMap<usize, (PathBuf, Footprint)>,
}

/// Bytes on the disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footprint {
    /// What was to be kept: keys, documents, events.
    pub committed: u64,
    pub documents: u64,
    /// `.docbox` with all in it.
    pub home: u64,
    /// Both, by blocks.
    pub blocks: u64,
}

impl Lab {
    pub fn new(args: &Args) -> Result<Self> {
        fs::create_dir_all(&args.dir)?;
        let (seconds, rounds) = match args.size {
            Size::Quick => (0.12, 3),
            Size::Default | Size::Full => (0.6, 5),
        };
        let pace = Pace {
            seconds: args.seconds.unwrap_or(seconds),
            rounds: args.rounds.unwrap_or(rounds).max(1),
        };
        let folder = tempfile::Builder::new().prefix("docbox-bench-").tempdir_in(&args.dir)?;
        Ok(Self { folder, size: args.size, pace, grown: BTreeMap::new() })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder of this name.
    pub fn place(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder().join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// By the size of the run.
    pub fn by_size<T>(&self, quick: T, default: T, full: T) -> T {
        match self.size {
            Size::Quick => quick,
            Size::Default => default,
            Size::Full => full,
        }
    }

    /// The most documents that a store has in this run.
    pub fn most_documents(&self) -> usize {
        self.by_size(20_000, 100_000, 1_000_000)
    }

    /// A store of so many documents, closed.
    pub fn docbox(&mut self, documents: usize) -> Result<(PathBuf, Footprint)> {
        if let Some(grown) = self.grown.get(&documents) {
            return Ok(grown.clone());
        }
        let path = self.place(&format!("docbox-{documents}"))?;
        let store = Store::open(&path)?;
        let committed = fill(&store, workload::pieces(documents, PIECE, 0))?;
        store.close()?;
        let grown = (path.clone(), Footprint { committed, ..footprint(&path)? });
        self.grown.insert(documents, grown.clone());
        Ok(grown)
    }

    /// SQLite with so many documents.
    pub fn sqlite(&self, documents: usize) -> Result<PathBuf> {
        let path = self.folder().join(format!("sqlite-{documents}"));
        if !path.is_dir() {
            let mut writer = Sqlite::new(&path)?.writer()?;
            for piece in workload::pieces(documents, PIECE, 0) {
                writer.commit(&piece)?;
            }
        }
        Ok(path)
    }

    /// Stores with so many events that nobody has seen: docbox's, closed, and SQLite's.
    pub fn backlog(&self, events: usize) -> Result<(PathBuf, PathBuf)> {
        let (docbox, sqlite) =
            (self.folder().join("backlog"), self.folder().join("backlog-sqlite"));
        if !docbox.is_dir() {
            // A million of them are more than is kept of what nobody has asked for yet.
            let store = Store::options().retain(Retain::new().keep_all()).open(&docbox)?;
            fill(&store, workload::backlog(events, PIECE))?;
            store.close()?;
            let mut writer = Sqlite::new(&sqlite)?.writer()?;
            for piece in workload::backlog(events, PIECE) {
                writer.commit(&piece)?;
            }
        }
        Ok((docbox, sqlite))
    }
}

/// A commit for each order. How many bytes that was.
pub fn fill(store: &Store, pieces: impl Iterator<Item = Vec<Order>>) -> Result<u64> {
    let mut committed = 0;
    for piece in pieces {
        committed += piece.iter().map(|order| workload::committed_bytes(order) as u64).sum::<u64>();
        let transactions: Vec<Transaction> =
            piece.iter().map(transaction).collect::<Result<_>>()?;
        for commit in store.commit_all(transactions) {
            commit?;
        }
    }
    Ok(committed)
}

/// What a store takes on the disk.
pub fn footprint(root: &Path) -> Result<Footprint> {
    let mut footprint = Footprint::default();
    let mut folders = vec![(root.to_owned(), false)];
    while let Some((folder, is_home)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let stat = entry.metadata()?;
            if stat.is_dir() {
                folders.push((entry.path(), is_home || entry.file_name() == ".docbox"));
            } else {
                *(if is_home { &mut footprint.home } else { &mut footprint.documents }) +=
                    stat.len();
            }
            footprint.blocks += stat.blocks() * 512;
        }
    }
    Ok(footprint)
}
