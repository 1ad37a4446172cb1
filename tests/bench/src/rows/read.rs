//! Reading one document, parsed.

use std::fs;
use std::time::{Duration, Instant};

use docbox::Store;
use rusqlite::OptionalExtension as _;

use crate::Result;
use crate::figure::Spread;
use crate::lab::Lab;
use crate::peers::sqlite::Sqlite;
use crate::report::{Line, Report, Unit};
use crate::workload::{Agent, Dice, key};

const DOCUMENTS: usize = 1000;

/// A way to read: whether the document was there.
type Read<'a> = Box<dyn FnMut(&str) -> Result<bool> + 'a>;

pub fn measure(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let (root, _) = lab.docbox(DOCUMENTS)?;
    let store = Store::open(&root)?;
    let sqlite = Sqlite::new(&lab.sqlite(DOCUMENTS)?)?.connect()?;
    let mut select = sqlite.prepare("SELECT body FROM documents WHERE key = ?1")?;
    let mut ways: [(&str, Read<'_>); 3] = [
        (
            "floor",
            Box::new(|key| {
                let text = fs::read(root.join(format!("{key}.json")))?;
                Ok(!serde_json::from_slice::<Agent>(&text)?.id.is_empty())
            }),
        ),
        ("docbox", Box::new(|key| Ok(store.get::<Agent>(key)?.is_some()))),
        (
            "SQLite",
            Box::new(|key| {
                let body: Option<Vec<u8>> = select.query_row([key], |row| row.get(0)).optional()?;
                let agent = body.map(|body| serde_json::from_slice::<Agent>(&body)).transpose()?;
                Ok(agent.is_some())
            }),
        ),
    ];
    let mut took = [const { Vec::new() }; 3];
    let mut dice = Dice::new(11);
    let lasts = Duration::from_secs_f64(lab.pace().seconds * 0.5);
    for _ in 0..lab.pace().rounds {
        for ((name, way), took) in ways.iter_mut().zip(&mut took) {
            let end = Instant::now() + lasts;
            while Instant::now() < end {
                let key = key(dice.below(DOCUMENTS));
                let began = Instant::now();
                let is_there = way(&key)?;
                took.push(began.elapsed().as_secs_f64() * 1e6);
                if !is_there {
                    return Err(format!("{name} does not have {key}").into());
                }
            }
        }
    }
    drop(ways);
    let [floor, docbox, sqlite] = took.map(Spread::of);
    let line = || {
        Line::new("read", "one document read and parsed, median", docbox.p50_us, Unit::Microseconds)
    };
    report.add(line().against("floor", floor.p50_us).at_most(1.5));
    report.add(line().against("SQLite", sqlite.p50_us).at_most(1.0));
    store.close()?;
    Ok(())
}
