//! Instructions of a commit, a delivery, a look at an event that is passed over, and two reads, as valgrind's
//! callgrind counts them: the same on a busy machine as on an idle one, so that a change which makes them
//! twice as dear is seen.
//!
//! What the kernel does is not in it, nor what the disk does.

#![expect(clippy::disallowed_methods, reason = "it works on folders of its own")]

mod bound;
#[path = "../workload.rs"]
#[expect(dead_code, reason = "the benchmark needs more of it")]
mod workload;

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use docbox::{Event, Start, Store, Transaction};
use workload::{Agent, Orders};

use bound::Bounds;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What is counted is the difference of two runs, so that opening and closing fall out.
const FEW: usize = 200;
const MANY: usize = 700;
/// Among so many documents.
const HOT: usize = 100;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => compare(false),
        ["--write"] => compare(true),
        ["child", verb, folder, times] => child(verb, Path::new(folder), times),
        _ => {
            Err("cargo bench --manifest-path tests/bench/Cargo.toml --bench counts [-- --write]"
                .into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(write: bool) -> Result<()> {
    let counted = Bounds {
        commit: count("commit")?,
        delivery: count("delivery")?,
        look: count("look")?,
        read: count("read")?,
        read_anew: count("read anew")?,
    };
    if write {
        return counted.write();
    }
    counted.check(&Bounds::read()?)
}

/// Instructions of one more.
fn count(verb: &str) -> Result<u64> {
    let (few, many) = (instructions(verb, FEW)?, instructions(verb, MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW) as u64)
}

/// Instructions of a whole process that does it so many times.
fn instructions(verb: &str, times: usize) -> Result<u64> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    // What is there beforehand is not counted: documents to be replaced, events to be delivered.
    let store = Store::open(folder.path())?;
    let mut orders = Orders::new(HOT);
    for piece in workload::pieces(HOT, HOT, 0) {
        piece.iter().try_for_each(|order| commit(&store, order))?;
    }
    let backlog = match verb {
        "delivery" => MANY,
        "look" => times,
        _ => 0,
    };
    (0..backlog).try_for_each(|_| commit(&store, &orders.take()))?;
    store.close()?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["child", verb])
        .arg(folder.path())
        .arg(times.to_string())
        .output()
        .map_err(|error| {
            format!("valgrind cannot be run ({error}); install the package valgrind")
        })?;
    let said = String::from_utf8_lossy(&run.stderr);
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match collected {
        Some(count) if run.status.success() => Ok(count),
        _ => Err(format!("valgrind failed:\n{said}").into()),
    }
}

/// What runs under valgrind.
fn child(verb: &str, folder: &Path, times: &str) -> Result<()> {
    let times: usize = times.parse()?;
    // Its own thread would run as often as the clock has it.
    let store = Store::options().housekeeping(false).open(folder)?;
    if verb == "commit" {
        let mut orders = Orders::new(HOT);
        return (0..times).try_for_each(|_| commit(&store, &orders.take()));
    }
    if verb.starts_with("read") {
        return (0..times).try_for_each(|time| {
            let key = workload::key(time % HOT);
            if verb == "read anew" {
                // Somebody touched it just now.
                File::open(folder.join(format!("{key}.json")))?.set_modified(SystemTime::now())?;
            }
            let found = store.get::<Agent>(&key)?;
            found.map(drop).ok_or_else(|| "a document is missing".into())
        });
    }
    let builder = store.subscribe("count").from(Start::Beginning);
    let builder = if verb == "look" { builder.types(["Nothing*"]) } else { builder };
    let mut subscription = builder.open()?;
    for delivery in subscription.catch_up().take(times) {
        delivery?.ack()?;
    }
    Ok(())
}

fn commit(store: &Store, order: &workload::Order) -> Result<()> {
    let event = Event::bare(order.kind).subject(&*order.key).with_json(&order.event)?;
    store.commit(Transaction::new().put_json(&order.key, &order.document)?.emit(event))?;
    Ok(())
}
