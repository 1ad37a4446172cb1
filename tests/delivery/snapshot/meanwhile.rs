//! Snapshots while others commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use docbox::{Event, Start, Subscription, Transaction};
use serde_json::{Value, json};

use super::files;
use crate::home::{Home, put};

const COUNTERS: u64 = 60;

/// The value of each counter, as a subscription was told, in the order in which it was.
fn follow(subscription: &mut Subscription, told: &mut BTreeMap<String, u64>, steps: usize) {
    for _ in 0..steps {
        let Some(delivery) = subscription.next(std::time::Duration::ZERO).unwrap() else { return };
        let event = delivery.event();
        let data: Value = event.data().unwrap();
        let (key, known) = (event.about().unwrap().to_owned(), told.get(event.about().unwrap()));
        if event.kind() == "docbox.snapshot" {
            assert_eq!(known, None, "each document once, and before its events");
            told.insert(key, data["document"].as_u64().unwrap());
        } else if let Some(new) = data.as_u64() {
            // A counter that was deleted begins anew.
            assert_eq!(known.copied().unwrap_or(0) + 1, new, "{key}: no gap, and nothing twice");
            told.insert(key, new);
        } else {
            assert!(known.is_some(), "{key} was there");
            told.remove(&key);
        }
        delivery.ack().unwrap();
    }
}

#[test]
fn a_snapshot_and_what_follows_it_are_the_state_whoever_commits_meanwhile() {
    let home = Home::new();
    let store = home.open();
    for number in 0..COUNTERS {
        put(&store, &format!("c/{number}"), &json!(1));
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers = (0..2_u64).map(|writer| {
            let (store, is_over) = (store.clone(), &is_over);
            scope.spawn(move || {
                let mut step = writer;
                while !is_over.load(Ordering::Relaxed) {
                    step = step
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    // Each writer has counters of its own; new ones come, and some go.
                    let key = format!("c/{}", (step >> 33) % COUNTERS / 2 * 2 + writer);
                    let old = store.get::<u64>(&key).unwrap().map_or(0, |found| found.value);
                    let event = Event::new("Counted", &(old + 1)).unwrap().subject(&key);
                    let transaction = if old > 5 {
                        let event = Event::bare("Gone").subject(&key);
                        Transaction::new().remove(&key).unwrap().emit(event)
                    } else {
                        Transaction::new().put(&key, &(old + 1)).unwrap().emit(event)
                    };
                    store.commit(transaction).unwrap();
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let mut open = Vec::new();
        for round in 0..12 {
            let name = format!("mirror-{round}");
            let opened = store.subscribe(name).from(Start::Snapshot).open().unwrap();
            open.push((opened, BTreeMap::new()));
            for (subscription, told) in &mut open {
                follow(subscription, told, 40);
            }
            if round % 3 == 2 {
                let (subscription, told) = &mut open[round / 2];
                store.reset(subscription.name(), Start::Snapshot).unwrap();
                told.clear();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
        for (subscription, told) in &mut open {
            follow(subscription, told, usize::MAX);
            let keys = store.list("").unwrap();
            let state = keys
                .iter()
                .map(|key| (key.to_string(), store.get(key.as_str()).unwrap().unwrap().value));
            assert_eq!(*told, state.collect::<BTreeMap<String, u64>>(), "{}", subscription.name());
        }
    });
    store.close().unwrap();
    assert!(files(&home).is_empty());
}

#[test]
fn with_changes_a_copy_is_kept_of_every_document_from_the_snapshot_on() {
    let home = Home::new();
    let store = home.still();
    for number in 0..20 {
        put(&store, &format!("d/{number}"), &json!(number));
    }
    let mut copy = store.subscribe("copy").from(Start::Snapshot).changes(true).open().unwrap();
    for number in 10..30 {
        put(&store, &format!("d/{number}"), &json!([number]));
    }
    store.commit(Transaction::new().remove("d/0").unwrap()).unwrap();
    let mut copied = BTreeMap::new();
    for delivery in copy.catch_up() {
        let delivery = delivery.unwrap();
        let (event, data) = (delivery.event(), delivery.event().data::<Value>().unwrap());
        let key = event.about().unwrap().to_owned();
        match event.kind() {
            "docbox.remove" => drop(copied.remove(&key)),
            "docbox.snapshot" => assert_eq!(copied.insert(key, data["document"].clone()), None),
            _ => drop(copied.insert(key, data["document"].clone())),
        }
        delivery.ack().unwrap();
    }
    let keys = store.list("").unwrap();
    let state =
        keys.iter().map(|key| (key.to_string(), store.get(key.as_str()).unwrap().unwrap().value));
    assert_eq!(copied, state.collect::<BTreeMap<String, Value>>());
}
