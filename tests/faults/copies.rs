//! Copies of a store that is in use, as `cp -r` makes them: every file of another moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use docbox::{Error, Severity, Start, Store, Transaction};
use serde_json::{Value, json};

use crate::disk::say;
use crate::home::{Home, emit, number, numbered};

const COPIES: usize = 20;
const DOCUMENTS: u64 = 12;

/// What is copied after what.
#[derive(Clone, Copy, Debug)]
enum Order {
    AsItLies,
    HomeFirst,
    HomeLast,
}

#[test]
fn a_copy_of_a_store_in_use_opens_and_says_what_it_found() {
    // Where a sync costs nothing more is written while a copy is made.
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { Home::within(memory) } else { Home::new() };
    let stores = [home.open(), home.open()];
    let done = AtomicBool::new(false);
    let copies: Vec<(Order, Home)> = thread::scope(|scope| {
        for (thread, store) in (0..4).zip(stores.iter().cycle()) {
            let done = &done;
            scope.spawn(move || write(store, thread, done));
        }
        for (name, store) in ["ui", "mail"].iter().zip(&stores) {
            let done = &done;
            scope.spawn(move || consume(store, name, done));
        }
        let copies = (0..COPIES).map(|at| copy(&home, at)).collect();
        done.store(true, Ordering::SeqCst);
        copies
    });
    let lines: BTreeMap<u64, String> =
        home.lines().into_iter().map(|line| (line.seq(), line.text)).collect();
    let mut findings = Findings::default();
    for (order, copy) in &copies {
        look(copy, &lines, &mut findings).unwrap_or_else(|error| panic!("{order:?}: {error:?}"));
    }
    println!("{} commits, {COPIES} copies: {findings:?}", lines.len());
    assert!(findings.damaged * 2 <= COPIES, "most copies open: {findings:?}");
    // Once nobody writes, every copy opens.
    let (order, still) = copy(&home, 0);
    let mut last = Findings::default();
    look(&still, &lines, &mut last).unwrap_or_else(|error| panic!("{order:?}: {error:?}"));
    assert_eq!((last.damaged, last.drift, last.shortest), (0, 0, Some(lines.len())));
    for store in stores {
        store.close().unwrap();
    }
}

/// Writes all documents over and over, two at once.
fn write(store: &Store, thread: u64, done: &AtomicBool) {
    for round in 0.. {
        if done.load(Ordering::SeqCst) {
            return;
        }
        let number = round * 4 + thread;
        let text = "x".repeat(usize::try_from(number % 3000).unwrap());
        let value = json!({ "by": number, "text": text });
        let key = |at: u64| format!("d/{}", (number + at) % DOCUMENTS);
        let transaction = Transaction::new().put(key(0), &value).unwrap();
        let transaction = transaction.put(key(1), &value).unwrap().emit(numbered(number));
        store.commit(transaction).unwrap();
    }
}

fn consume(store: &Store, name: &str, done: &AtomicBool) {
    let mut subscription = store.subscribe(name).from(Start::Beginning).open().unwrap();
    while !done.load(Ordering::SeqCst) {
        if let Some(delivery) = subscription.next(Duration::from_millis(50)).unwrap() {
            delivery.ack().unwrap();
        }
    }
}

/// Copies while the others go on.
fn copy(home: &Home, at: usize) -> (Order, Home) {
    let copy = Home::within(home.root().parent().expect("a folder"));
    let order = [Order::AsItLies, Order::HomeFirst, Order::HomeLast][at % 3];
    let cp = |from: &str| {
        let mut cp = Command::new("cp");
        say(cp.arg("-r").arg(home.path(from)).arg(copy.root())).map(drop)
    };
    // What is renamed away while it is copied is no longer there to be copied: `cp` says so, and goes on.
    let _ = match order {
        Order::AsItLies => cp("."),
        Order::HomeFirst => cp(".docbox").and(cp("d")),
        Order::HomeLast => cp("d").and(cp(".docbox")),
    };
    (order, copy)
}

/// How often what was found.
#[derive(Debug, Default)]
struct Findings {
    drift: usize,
    beyond: usize,
    damaged: usize,
    shortest: Option<usize>,
}

fn look(copy: &Home, lines: &BTreeMap<u64, String>, findings: &mut Findings) -> Result<(), Error> {
    let store = match Store::open(copy.root()) {
        // `cp` read on while lines were written on both sides of where it was: a hole, which cannot be told
        // from damage. It is named, and nothing behind it is served.
        Err(error @ Error::Corrupt { .. }) => {
            assert!(error.to_string().contains("make it again"), "{error}");
            println!("{error}");
            findings.damaged += 1;
            return Ok(());
        }
        other => other?,
    };
    // What it has is a beginning of what was committed, commit by commit.
    let found = copy.lines();
    for (line, seq) in found.iter().zip(1..) {
        assert_eq!(lines.get(&seq), Some(&line.text), "commit {seq}");
    }
    findings.shortest = Some(found.len().min(findings.shortest.unwrap_or(usize::MAX)));
    // A document is one that some commit wrote, whole.
    let versions: Vec<&str> = lines.values().map(String::as_str).collect();
    for key in store.list("")? {
        let value: Value = store.get(&key)?.expect("it is there").value;
        let by = format!("{{\"number\":{}}}", value["by"]);
        assert!(versions.iter().any(|line| line.contains(&by)), "{key}: {value}");
    }
    for name in ["ui", "mail"] {
        match store.subscribe(name).from(Start::Beginning).open() {
            Ok(_) => {}
            Err(error @ Error::Cursor { .. }) => {
                assert!(error.to_string().contains("docbox reset"), "{error}");
                findings.beyond += 1;
                store.reset(name, Start::Now)?;
            }
            Err(error) => return Err(error),
        }
    }
    let report = store.verify()?;
    assert!(report.worst() < Some(Severity::Damage), "{report:?}");
    findings.drift += report.findings.iter().filter(|one| one.severity == Severity::Drift).count();
    // It goes on as a store of its own.
    let mut ui = store.subscribe("ui").open()?;
    emit(&store, [u64::MAX]);
    let last = ui.catch_up().map(|delivery| {
        let delivery = delivery.expect("it is handed over");
        let number = number(delivery.event());
        delivery.ack().map(|()| number)
    });
    assert_eq!(last.last().transpose()?, Some(u64::MAX));
    Ok(())
}
