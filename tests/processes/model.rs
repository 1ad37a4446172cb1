//! Real threads in two processes against a plain model: eight committers, two subscribers and a reader in
//! each. `DOCBOX_SECONDS=n` lets them commit longer.

use std::collections::BTreeMap;
use std::io::{Read, stdin};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use docbox::{Commit, Error, Event, Publisher, Revision, Start, Store, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::home::Home;
use crate::program::Running;
use crate::{asked_for, docbox, made};

const COMMITTERS: usize = 8;
const SUBSCRIBERS: usize = 2;
/// The whole of a test's name, by which a second process of this binary is started.
const PROCESS: &str = "model::a_process_of_the_model";

/// What one process was told.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    /// Of each acknowledged commit: its seq, what it was, and its revisions.
    commits: Vec<(u64, Value, BTreeMap<String, Option<String>>)>,
    conflicts: u64,
    views: u64,
    /// What each subscriber was given, in order: the position, and the event's data.
    given: Vec<Vec<(String, Value)>>,
}

#[test]
fn many_threads_of_two_processes_do_what_a_plain_model_says() {
    let home = made();
    let seconds = asked_for("DOCBOX_SECONDS", 3).to_string();
    docbox(&home, &["put", "shared/count"], "0").ok();
    docbox(&home, &["put", "c/taken"], "0").ok();
    let processes: Vec<(Running, _)> = (0..2)
        .map(|process| {
            let told = tempfile::NamedTempFile::new().unwrap();
            let mut command = Command::new(env::current_exe().unwrap());
            command
                .args([PROCESS, "--exact", "--ignored", "--nocapture"])
                .env("DOCBOX_SECONDS", &seconds)
                .env("DOCBOX_MODEL_STORE", home.root())
                .env("DOCBOX_MODEL_TOLD", told.path())
                .env("DOCBOX_MODEL_PROCESS", process.to_string());
            (Running::start(&mut command), told)
        })
        .collect();
    // Both have committed all before either subscriber asks where the end is.
    for (running, _) in &processes {
        while !running.line().contains("all is committed") {}
    }
    let told: Vec<Told> = processes
        .into_iter()
        .map(|(running, told)| {
            let ended = running.end();
            assert_eq!(ended.code, 0, "{ended:?}");
            serde_json::from_slice(&fs::read(told.path()).unwrap()).unwrap()
        })
        .collect();
    check(&home, &told);
    docbox(&home, &["verify"], "").ok();
}

/// Compares what was told with the journal, and the journal with the documents.
fn check(home: &Home, told: &[Told]) {
    let lines = home.lines();
    let mut acknowledged = BTreeMap::new();
    for (seq, what, revisions) in told.iter().flat_map(|told| &told.commits) {
        assert!(acknowledged.insert(*seq, (what, revisions)).is_none(), "{seq} was given twice");
    }
    let mut documents: BTreeMap<String, Value> = BTreeMap::new();
    let mut events = Vec::new();
    let mut increments = 0;
    for (seq, line) in (1..).zip(&lines) {
        assert_eq!(line.seq(), seq, "no gap");
        let writes = line.value["writes"].as_array().unwrap();
        for write in writes {
            documents.insert(write["key"].as_str().unwrap().into(), write["doc"].clone());
        }
        // The two documents that were there at the beginning.
        if seq <= 2 {
            continue;
        }
        let (what, revisions) = acknowledged.remove(&seq).expect("nobody was told of it");
        let event = &line.value["events"][0];
        assert_eq!(event["data"], *what, "the result of another was told");
        let written: BTreeMap<String, Option<String>> = writes
            .iter()
            .map(|write| {
                let revision = write["rev"].as_str().map(str::to_owned);
                (write["key"].as_str().unwrap().to_owned(), revision)
            })
            .collect();
        assert_eq!(written, *revisions);
        assert_ne!(event["type"], "Void", "a conflict was applied");
        increments += u64::from(event["type"] == "Counted");
        events.push((format!("{seq}-0"), event["data"].clone()));
    }
    assert!(acknowledged.is_empty(), "acknowledged and not there: {acknowledged:?}");
    for (key, doc) in &documents {
        let there: Value = serde_json::from_str(&home.text(&format!("{key}.json"))).unwrap();
        assert_eq!(there, *doc, "{key} is not what the journal says");
    }
    assert_eq!(documents["shared/count"], increments, "an increment was lost");
    for given in told.iter().flat_map(|told| &told.given) {
        assert!(*given == events, "{} events of {} in order", given.len(), events.len());
    }
    let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    let (conflicts, views) = (sum(|told| told.conflicts), sum(|told| told.views));
    println!(
        "{} commits, {increments} of them increments, {conflicts} conflicts, {views} views",
        lines.len()
    );
    assert!(increments > 0 && conflicts > 0 && views > 0 && events.len() as u64 > increments);
}

/// Not a test of its own: what each of the two processes does.
#[test]
#[ignore = "it is started by `many_threads_of_two_processes_do_what_a_plain_model_says`"]
fn a_process_of_the_model() {
    let variable = |name| env::var(name).expect("it is not started by hand");
    let store = Store::open(variable("DOCBOX_MODEL_STORE")).unwrap();
    let process: usize = variable("DOCBOX_MODEL_PROCESS").parse().unwrap();
    let until = Instant::now() + Duration::from_secs(asked_for("DOCBOX_SECONDS", 3));
    let given: Vec<Arc<Mutex<Vec<_>>>> = (0..SUBSCRIBERS).map(|_| Arc::default()).collect();
    let mut publisher = Publisher::new(&store);
    for (n, given) in given.iter().enumerate() {
        let given = Arc::clone(given);
        let name = format!("s{process}-{n}");
        publisher = publisher.handler(&name, Start::Beginning, move |delivery| {
            let event = delivery.event();
            given.lock().unwrap().push((event.position().to_string(), event.data::<Value>()?));
            Ok(())
        });
    }
    let publisher = publisher.start().unwrap();
    let told = Mutex::new(Told::default());
    thread::scope(|scope| {
        for n in 0..COMMITTERS {
            let (store, told) = (&store, &told);
            scope.spawn(move || commit_until(until, store, process * COMMITTERS + n, told));
        }
        scope.spawn(|| look_until(until, &store, &told));
    });
    println!("\nall is committed");
    stdin().read_to_end(&mut Vec::new()).unwrap();
    assert!(publisher.drain(Duration::from_mins(2)).unwrap(), "not all was delivered");
    store.close().unwrap();
    let mut told = told.into_inner().unwrap();
    told.given = given.iter().map(|given| std::mem::take(&mut *given.lock().unwrap())).collect();
    fs::write(Path::new(&variable("DOCBOX_MODEL_TOLD")), serde_json::to_vec(&told).unwrap())
        .unwrap();
}

/// One committer: documents of its own, an increment, a pair that everybody writes, and a conflict.
fn commit_until(until: Instant, store: &Store, who: usize, told: &Mutex<Told>) {
    let mut n = 0;
    while Instant::now() < until || n < 4 {
        let what = json!({"who": who, "n": n});
        let event = |kind: &str| Event::new(kind, &what).unwrap();
        let made: Commit = match n % 4 {
            0 => {
                let key = format!("c/{who}/{}", n % 5);
                let both = Transaction::new().put(key, &what).unwrap();
                let both = both.put(format!("c/{who}/last"), &what).unwrap();
                store.commit(both.emit(event("Own"))).unwrap()
            }
            1 => {
                let increment = |count: &mut u64| {
                    *count += 1;
                    event("Counted")
                };
                store.update("shared/count", increment).unwrap().unwrap()
            }
            2 => {
                let pair = Transaction::new().put("pair/a", &what).unwrap();
                let pair = pair.put("pair/b", &what).unwrap().emit(event("Pair"));
                store.commit(pair).unwrap()
            }
            _ => {
                let nowhere = Revision::of(b"what was never there");
                let void = Transaction::new().put_if("c/taken", nowhere, &what).unwrap();
                let void = store.commit(void.emit(event("Void")));
                assert!(matches!(void, Err(Error::Conflict { .. })), "{void:?}");
                told.lock().unwrap().conflicts += 1;
                n += 1;
                continue;
            }
        };
        let revisions = made.revisions().iter().map(|(key, revision)| {
            (key.as_str().to_owned(), revision.map(|revision| revision.to_string()))
        });
        told.lock().unwrap().commits.push((made.seq(), what.clone(), revisions.collect()));
        n += 1;
    }
}

/// Looks at the pair, of which no half is ever seen.
fn look_until(until: Instant, store: &Store, told: &Mutex<Told>) {
    let mut last = 0;
    while Instant::now() < until {
        let (a, b, count) = store
            .read(|view| {
                let doc = |key| Ok(view.get::<Value>(key)?.map(|document| document.value));
                let count = view.get::<u64>("shared/count")?.unwrap().value;
                Ok((doc("pair/a")?, doc("pair/b")?, count))
            })
            .unwrap();
        assert_eq!(a, b, "half of a commit was seen");
        assert!(count >= last, "a document went backwards");
        last = count;
        told.lock().unwrap().views += 1;
        thread::sleep(Duration::from_millis(1));
    }
}
