//! Expected revisions, and what a transaction is refused for.

use docbox::{Error, Event, Position, Revision, Start, Store, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, put};

fn conflict(result: Result<docbox::Commit, Error>) -> (String, Option<Revision>, Option<Revision>) {
    match result {
        Err(Error::Conflict { key, expected, found }) => (key.to_string(), expected, found),
        other => panic!("a conflict, not {other:?}"),
    }
}

fn revision(store: &Store, key: &str) -> Revision {
    store.get::<Value>(key).unwrap().unwrap().revision
}

#[test]
fn put_new_refuses_a_document_that_is_there_and_names_what_it_found() {
    let home = Home::new();
    let store = home.still();
    put(&store, "agents/a", &json!(1));
    let refused = store.commit(Transaction::new().put_new("agents/a", &json!(2)).unwrap());
    let found = revision(&store, "agents/a");
    assert_eq!(conflict(refused), ("agents/a".to_owned(), None, Some(found)));
    assert_eq!(home.text("agents/a.json"), "1\n");
}

#[test]
fn put_if_takes_the_revision_that_is_there_and_refuses_every_other() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let first = revision(&store, "a");
    store.commit(Transaction::new().put_if("a", first, &json!(2)).unwrap()).unwrap();
    let second = revision(&store, "a");
    let refused = store.commit(Transaction::new().put_if("a", first, &json!(3)).unwrap());
    assert_eq!(conflict(refused), ("a".to_owned(), Some(first), Some(second)));
    let missing = store.commit(Transaction::new().put_if("b", first, &json!(3)).unwrap());
    assert_eq!(conflict(missing), ("b".to_owned(), Some(first), None));
    assert_eq!(home.text("a.json"), "2\n");
}

#[test]
fn remove_if_removes_only_at_its_revision_and_remove_takes_whatever_is_there() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let wrong = Revision::of(b"something else");
    let refused = store.commit(Transaction::new().remove_if("a", wrong).unwrap());
    assert_eq!(conflict(refused).1, Some(wrong));
    assert!(home.is_there("a.json"));
    let right = revision(&store, "a");
    let commit = store.commit(Transaction::new().remove_if("a", right).unwrap()).unwrap();
    assert_eq!(commit.revisions()[0].1, None);
    assert!(!home.is_there("a.json"));
    put(&store, "a", &json!(2));
    store.commit(Transaction::new().remove("a").unwrap().remove("never").unwrap()).unwrap();
    assert!(!home.is_there("a.json"));
}

#[test]
fn a_conflict_leaves_no_write_and_no_event_of_its_transaction_and_no_gap() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let transaction = Transaction::new()
        .put("fresh/b", &json!(2))
        .unwrap()
        .put_new("a", &json!(2))
        .unwrap()
        .emit(Event::bare("Never"));
    conflict(store.commit(transaction));
    assert!(!home.is_there("fresh"));
    assert_eq!(home.lines().len(), 1);
    assert_eq!(put(&store, "a", &json!(3)), 2);
}

#[test]
fn several_writes_and_events_are_one_commit_in_the_order_given() {
    let home = Home::new();
    let store = home.still();
    put(&store, "gone", &json!(0));
    let transaction = Transaction::new()
        .put_new("b", &json!("b"))
        .unwrap()
        .remove("gone")
        .unwrap()
        .put("a", &json!("a"))
        .unwrap()
        .emit(Event::bare("Second").subject("b"))
        .emit(Event::bare("First"));
    let commit = store.commit(transaction).unwrap();
    let keys: Vec<&str> = commit.revisions().iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!((commit.seq(), keys), (2, vec!["b", "gone", "a"]));
    assert_eq!(commit.revision("a"), Some(revision(&store, "a")));
    assert_eq!((commit.revision("gone"), commit.revision("other")), (None, None));
    let events: Vec<_> = store.events(Start::Beginning).unwrap().map(Result::unwrap).collect();
    assert_eq!(events.iter().map(|event| event.kind()).collect::<Vec<_>>(), ["Second", "First"]);
    assert_eq!(events[1].position(), Position::new(2, 1));
}

#[test]
fn an_empty_transaction_the_same_key_twice_and_types_of_the_stores_own_are_refused() {
    let home = Home::new();
    let store = home.still();
    let composed = Transaction::new().put("é", &json!(1)).unwrap();
    let refused = [
        Transaction::new(),
        Transaction::new().put("a", &json!(1)).unwrap().remove("a").unwrap(),
        composed.put("e\u{301}", &json!(2)).unwrap(),
        Transaction::new().emit(Event::bare("docbox.dead_lettered")),
        Transaction::new().emit(Event::bare("")),
    ];
    for transaction in refused {
        let error = store.commit(transaction).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert_eq!(put(&store, "a", &json!(1)), 1);
}

#[test]
fn of_many_who_make_the_same_document_one_wins_and_the_rest_conflict_alone() {
    let home = Home::new();
    let store = home.still();
    let results: Vec<_> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|maker| {
                let transaction = Transaction::new()
                    .put(format!("each/{maker}"), &json!(maker))
                    .unwrap()
                    .put_new("one", &json!(maker))
                    .unwrap();
                let store = &store;
                scope.spawn(move || (maker, store.commit(transaction)))
            })
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    let winners: Vec<i32> =
        results.iter().filter(|(_, result)| result.is_ok()).map(|(maker, _)| *maker).collect();
    let [winner] = winners[..] else { panic!("one winner, not {winners:?}") };
    assert_eq!(home.text("one.json"), format!("{winner}\n"));
    assert_eq!(home.names("each"), [format!("{winner}.json")]);
    assert_eq!(home.lines().len(), 1);
    assert!(home.left_in_spool().is_empty());
}

#[test]
fn update_from_many_threads_loses_no_increment() {
    let home = Home::new();
    let store = home.still();
    put(&store, "count", &json!({"n": 0, "kept": [1.0]}));
    let change = |value: &mut Value| {
        value["n"] = json!(value["n"].as_u64().unwrap() + 1);
        Event::bare("Counted")
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    store.update("count", change).unwrap().unwrap();
                }
            });
        }
    });
    let count = store.get::<Value>("count").unwrap().unwrap();
    assert_eq!(count.value, json!({"n": 400, "kept": [1.0]}));
    assert_eq!(store.events(Start::Beginning).unwrap().count(), 400);
    assert!(store.update("missing", |_: &mut Value| ()).unwrap().is_none());
}
