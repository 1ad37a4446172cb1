//! Looking at several documents as of one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use docbox::{Error, Result, Store, Transaction, View};
use serde_json::{Value, json};

use crate::home::{Home, in_time, put};

fn both(store: &Store, n: u64) {
    let transaction = Transaction::new().put("a", &json!(n)).unwrap().put("b", &json!(n)).unwrap();
    store.commit(transaction).unwrap();
}

fn pair(view: &View<'_>) -> Result<(Value, Value)> {
    Ok((view.get("a")?.unwrap().value, view.get("b")?.unwrap().value))
}

/// The first pair that `reader` sees apart while `writer` keeps changing both together.
fn seen_apart(writer: &Store, reader: &Store) -> Option<(Value, Value)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                both(writer, n);
            }
        });
        let apart =
            (0..300).map(|_| reader.read(pair)).find(|seen| !matches!(seen, Ok((a, b)) if a == b));
        stop.store(true, Ordering::Release);
        apart.map(Result::unwrap)
    })
}

/// Looks while commits keep moving the head, until the look is taken under the lock: that is the one in
/// which `locked` is called.
fn look_under_lock<R>(store: &Store, mut locked: impl FnMut() -> R) -> R {
    let mut looks = 0;
    let result = store.read(|_| {
        looks += 1;
        if looks <= 5 {
            put(store, "moving", &json!(looks));
            return Ok(None);
        }
        Ok(Some(locked()))
    });
    result.unwrap().expect("the sixth look is under the lock")
}

#[test]
fn two_documents_of_one_commit_are_never_seen_apart() {
    let home = Home::new();
    let store = home.still();
    both(&store, 0);
    assert_eq!(seen_apart(&store, &store), None);
}

#[test]
fn two_documents_of_one_commit_are_never_seen_apart_by_another_open_store() {
    let home = Home::new();
    let store = home.still();
    both(&store, 0);
    assert_eq!(seen_apart(&store, &home.still()), None);
}

#[test]
fn two_documents_of_one_commit_are_never_seen_apart_by_a_store_that_only_reads() {
    let home = Home::new();
    let store = home.still();
    both(&store, 0);
    let reader = Store::open_read_only(home.root()).unwrap();
    assert_eq!(seen_apart(&store, &reader), None);
}

#[test]
fn a_commit_within_the_locked_view_is_refused_and_what_follows_goes_on() {
    let home = Home::new();
    let store = home.still();
    let error = look_under_lock(&store, || {
        store.commit(Transaction::new().put("within", &json!(1)).unwrap()).unwrap_err()
    });
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    assert!(!home.is_there("within.json"));
    put(&store, "within", &json!(2));
}

#[test]
fn a_commit_within_the_locked_view_is_refused_even_while_another_thread_waits_to_commit() {
    let home = Home::new();
    let store = home.still();
    let refused = in_time(move || {
        let mut waiting = Vec::new();
        let refused = look_under_lock(&store, || {
            for n in 0..4 {
                let store = store.clone();
                waiting.push(thread::spawn(move || put(&store, "other", &json!(n))));
            }
            // Nothing tells that they wait; the longer this is, the likelier a mistake shows.
            thread::sleep(Duration::from_millis(50));
            store.commit(Transaction::new().put("within", &json!(1)).unwrap()).is_err()
        });
        for waiting in waiting {
            waiting.join().unwrap();
        }
        refused
    });
    assert!(refused);
}

#[test]
fn a_look_that_panics_under_the_lock_leaves_the_store_usable() {
    let home = Home::new();
    let store = home.still();
    let look = AssertUnwindSafe(|| look_under_lock(&store, || panic!("as a test")));
    assert!(catch_unwind(look).is_err());
    put(&store, "after", &json!(1));
    assert_eq!(store.read(|view| view.list("after")).unwrap().len(), 1);
}

#[test]
fn what_a_look_says_is_what_read_says() {
    let home = Home::new();
    let store = home.still();
    put(&store, "text", &json!("no number"));
    let error = store.read(|view| view.get::<u64>("text")).unwrap_err();
    assert!(error.to_string().contains("text.json"), "{error}");
    assert_eq!(store.read(|view| view.list("te")).unwrap().len(), 1);
    assert_eq!(store.read(|view| view.get_bytes("none")).unwrap(), None);
}
