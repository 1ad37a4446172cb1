//! Changes of documents, delivered as events that nobody emitted.

use std::collections::BTreeMap;
use std::time::Duration;

use docbox::{
    Delivery, Event, Letters, Order, Position, RecordedEvent, RetryPolicy, Revision, Start, Store,
    Subscription, SubscriptionBuilder, Transaction,
};
use serde_json::{Value, json};

use crate::home::{Home, LONG, emit, put};

const HOUR: u64 = 3_600_000;

fn feed(store: &Store, name: &str) -> SubscriptionBuilder {
    store.subscribe(name).from(Start::Beginning).changes(true)
}

fn next(subscription: &mut Subscription) -> Delivery {
    subscription.next(LONG).unwrap().expect("there is one more")
}

/// Id, type and subject, as one text.
fn said(event: &RecordedEvent) -> String {
    format!("{} {} {}", event.id(), event.kind(), event.about().unwrap_or("-"))
}

/// Takes and acks so many, or all up to the head.
fn take(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let take = |delivery: docbox::Result<Delivery>| {
        let delivery = delivery.unwrap();
        let said = said(delivery.event());
        delivery.ack().unwrap();
        said
    };
    subscription.catch_up().take(count).map(take).collect()
}

fn all(subscription: &mut Subscription) -> Vec<String> {
    take(subscription, usize::MAX)
}

fn letter(subscription: &str, position: Position) -> String {
    format!(".docbox/dead/{subscription}/{}.json", position.padded())
}

/// Two commits of two events and three writes in all, a dead letter, and one more event.
fn lived(store: &Store) {
    let first = Transaction::new().put("a", &1).unwrap().emit(Event::bare("MailSent").subject("a"));
    store.commit(first).unwrap();
    let second = Transaction::new().emit(Event::bare("Tick")).put("b", &2).unwrap();
    store.commit(second.remove("a").unwrap()).unwrap();
    let mut other = store.subscribe("other").from(Start::Beginning).open().unwrap();
    next(&mut other).reject("as a test").unwrap();
    store.commit(Transaction::new().emit(Event::bare("MailSent").subject("b"))).unwrap();
}

/// All of it, as one who wants everything sees it.
const LIVED: [&str; 7] = [
    "1-1-0 MailSent a",
    "1-1-1 docbox.put a",
    "1-2-0 Tick -",
    "1-2-1 docbox.put b",
    "1-2-2 docbox.remove a",
    "1-3-0 docbox.dead_lettered a",
    "1-4-0 MailSent b",
];

fn of_lived(places: &[usize]) -> Vec<&'static str> {
    places.iter().map(|place| LIVED[*place]).collect()
}

/// Types, subjects, whether changes are asked for; what of [`LIVED`] comes.
type Case = (&'static [&'static str], &'static [&'static str], bool, &'static [usize]);

#[test]
fn type_globs_of_the_stores_own_hold_for_changes_and_the_others_for_events() {
    let home = Home::new();
    let store = home.still();
    lived(&store);
    let cases: [Case; 13] = [
        (&[], &[], true, &[0, 1, 2, 3, 4, 6]),
        (&["docbox.*"], &[], true, &[1, 3, 4, 5]),
        (&["docbox.put", "docbox.remove"], &[], true, &[1, 3, 4]),
        (&["Mail*"], &[], true, &[0, 1, 3, 4, 6]),
        (&["docbox.put"], &[], true, &[1, 3]),
        (&["docbox.r*"], &[], true, &[4]),
        (&["Mail*", "docbox.put"], &[], true, &[0, 1, 3, 6]),
        (&["docbox.dead*"], &[], true, &[1, 3, 4, 5]),
        (&["*"], &[], true, &[0, 1, 2, 3, 4, 6]),
        (&[], &["b"], true, &[3, 6]),
        (&["docbox.*"], &["a"], true, &[1, 4, 5]),
        (&[], &[], false, &[0, 2, 6]),
        (&["docbox.*"], &[], false, &[5]),
    ];
    for (case, (types, subjects, changes, places)) in cases.into_iter().enumerate() {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let builder = store.subscribe(format!("case-{case}")).from(Start::Beginning);
        let builder = builder.types(types.iter().copied()).subjects(subjects.iter().copied());
        let mut subscription = builder.changes(changes).open().unwrap();
        assert_eq!(all(&mut subscription), of_lived(places), "{types:?} {subjects:?} {changes}");
        // A look has the store's own events too, as far as the types let it.
        let look = || store.events(Start::Beginning).unwrap();
        let matching = look().matching(owned(types), owned(subjects)).unwrap().changes(changes);
        let seen: Vec<String> = matching.map(|event| said(&event.unwrap())).collect();
        let in_either_order = look().changes(changes).matching(owned(types), owned(subjects));
        assert_eq!(seen.len(), in_either_order.unwrap().count());
        if !types.is_empty() && !types.contains(&"*") {
            assert_eq!(seen, of_lived(places), "{types:?} {subjects:?} {changes}");
        }
        let listed = store.subscriptions().unwrap();
        let listed = listed.iter().find(|one| one.name == format!("case-{case}")).unwrap();
        assert_eq!((listed.changes, listed.lag_events), (changes, 0));
    }
    let look = store.events(Start::Beginning).unwrap().changes(true);
    assert_eq!(look.map(|event| said(&event.unwrap())).collect::<Vec<_>>(), LIVED);
}

#[test]
fn wherever_in_a_commit_a_consumer_ends_the_next_goes_on_there() {
    let home = Home::new();
    let store = home.still();
    let commit = |n: u32| {
        let transaction = Transaction::new().emit(Event::bare("A")).emit(Event::bare("B"));
        let transaction = transaction.put("a", &n).unwrap().put("b", &n).unwrap();
        store.commit(transaction.remove("c").unwrap()).unwrap();
    };
    commit(1);
    emit(&store, [1]);
    commit(2);
    let wanted = all(&mut feed(&store, "whole").open().unwrap());
    assert_eq!(wanted.len(), 11);
    let changes = ["docbox.put a", "docbox.put b", "docbox.remove c"];
    for (idx, change) in changes.iter().enumerate() {
        assert_eq!(wanted[2 + idx], format!("1-1-{} {change}", 2 + idx));
        assert_eq!(wanted[8 + idx], format!("1-3-{} {change}", 2 + idx));
    }
    let puts = ["docbox.put"];
    let some = all(&mut feed(&store, "some").types(puts).subjects(["b"]).open().unwrap());
    assert_eq!(some, [wanted[3].clone(), wanted[9].clone()], "each has the id that it has for all");
    for taken in 0..=wanted.len() {
        let name = format!("cut-{taken}");
        let mut cut = feed(&store, &name).open().unwrap();
        assert_eq!(take(&mut cut, taken), wanted[..taken]);
        let stood = cut.position();
        drop(cut);
        let listed = store.subscriptions().unwrap();
        let lag = listed.iter().find(|one| one.name == name).unwrap().lag_events;
        assert_eq!(lag, (wanted.len() - taken) as u64, "after {taken}");
        let is_settled = |position| store.wait_for(&name, position, Duration::ZERO).unwrap();
        if taken > 0 {
            assert!(is_settled(stood));
        }
        if let Some(following) = wanted.get(taken) {
            let (seq, idx) = following[2..].split(' ').next().unwrap().split_once('-').unwrap();
            let following = Position::new(seq.parse().unwrap(), idx.parse().unwrap());
            assert!(!is_settled(following), "{following} is not settled after {taken}");
            let mut from_there = store
                .subscribe(format!("from-{taken}"))
                .from(Start::After(stood))
                .changes(true)
                .open()
                .unwrap();
            assert_eq!(all(&mut from_there), wanted[taken..], "{stood}");
        }
        if taken < wanted.len() {
            let mut again = feed(&store, &name).open().unwrap();
            let first = next(&mut again);
            assert_eq!((said(first.event()), first.attempt()), (wanted[taken].clone(), 1));
            first.nack("as a test");
        }
        let retry = RetryPolicy { backoff_ms: vec![0], ..RetryPolicy::default() };
        let mut last = feed(&store, &name).retry(retry).open().unwrap();
        assert_eq!(all(&mut last), wanted[taken..], "with the same ids");
        drop(last);
        store.reset(&name, Start::After(stood)).unwrap();
        assert_eq!(all(&mut feed(&store, &name).open().unwrap()), wanted[taken..]);
    }
}

#[test]
fn revisions_are_a_chain_and_documents_are_those_that_were_there() {
    let home = Home::new();
    let store = home.still();
    let odd = r#"{ "n": 1.0, "n": [123456789012345678901234567890, "\u0041é"] }"#;
    let texts = [Some(odd), Some("null"), Some("null"), None, None, Some("[]")];
    let mut there = Vec::new();
    for text in texts {
        let transaction = Transaction::new();
        let transaction = match text {
            Some(text) => transaction.put_json("María/a.json", text).unwrap(),
            None => transaction.remove("María/a.json").unwrap(),
        };
        store.commit(transaction.meta(&json!({ "actor": "jake" })).unwrap()).unwrap();
        there.push(store.get_bytes("María/a.json").unwrap());
    }
    let mut feed = feed(&store, "feed").open().unwrap();
    let mut was = Value::Null;
    for bytes in there {
        let delivery = next(&mut feed);
        let event = delivery.event();
        assert_eq!(event.about(), Some("María/a.json"));
        assert_eq!(
            (event.commit_meta_json(), event.meta_json()),
            (Some(r#"{"actor":"jake"}"#), None)
        );
        let data: Value = event.data().unwrap();
        assert_eq!(data["was"], was, "what it replaced is what the one before made");
        if let Some(bytes) = bytes {
            let revision = Revision::of(&bytes).to_string();
            let compact = docbox::layout::compact(&bytes).unwrap();
            let text = format!(r#"{{"revision":"{revision}","was":{was},"document":{compact}}}"#);
            assert_eq!((event.kind(), event.data_json()), ("docbox.put", Some(&*text)));
            was = revision.into();
        } else {
            assert_eq!((event.kind(), &data), ("docbox.remove", &json!({ "was": was })));
            was = Value::Null;
        }
        delivery.ack().unwrap();
    }
    let events = store.events(Start::Beginning).unwrap().changes(true);
    let events: Vec<RecordedEvent> = events.map(Result::unwrap).collect();
    let same: Value = events[2].data().unwrap();
    assert_eq!(same["revision"], same["was"], "identical bytes are a commit like any other");
    let times: Vec<_> = home.lines().iter().map(|line| line.value["time"].clone()).collect();
    for (event, time) in events.iter().zip(times) {
        assert_eq!(format!("{:.6}", event.time()), time, "the time of its commit");
    }
}

#[test]
fn an_edit_by_hand_is_no_change_until_it_is_committed() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    home.write("a.json", "2\n");
    home.write("never.json", "1\n");
    put(&store, "a", &json!(3));
    let events = store.events(Start::Beginning).unwrap().changes(true);
    let data: Vec<Value> = events.map(|event| event.unwrap().data().unwrap()).collect();
    assert_eq!(data.len(), 2);
    assert_eq!(data[1]["was"], Revision::of(b"2\n").to_string(), "what was found there");
}

#[test]
fn a_change_that_is_given_up_is_a_dead_letter_and_delivered_again_as_it_was() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!({ "n": 1 }));
    put(&store, "b", &json!(2));
    let mut sub = feed(&store, "feed").open().unwrap();
    let first = next(&mut sub);
    let (id, data) = (first.event().id(), first.event().data_json().unwrap().to_owned());
    first.reject("cannot be mirrored").unwrap();
    let file: Value =
        serde_json::from_str(&home.text(&letter("feed", Position::new(1, 0)))).unwrap();
    assert_eq!((&file["event"]["type"], &file["event"]["id"]), (&json!("docbox.put"), &json!(id)));
    assert_eq!(file["event"]["data"]["document"], json!({ "n": 1 }));
    let line = &home.lines()[2].value;
    assert_eq!(line["events"][0]["type"], "docbox.dead_lettered", "failures are seen");
    let announced = &line["events"][0];
    assert_eq!(
        (&announced["subject"], &announced["data"]["type"]),
        (&json!("a"), &json!("docbox.put"))
    );
    assert_eq!(all(&mut sub), ["1-2-0 docbox.put b"], "its letter is no change");
    assert_eq!(store.redrive("feed", &Letters::default()).unwrap().len(), 1);
    let again = next(&mut sub);
    assert_eq!((again.event().id(), again.event().data_json()), (id, Some(&*data)));
    again.ack().unwrap();
    assert!(store.dead_letters("feed").unwrap().is_empty());
    assert!(all(&mut sub).is_empty(), "nor is what redrives and removes it");
    next_of(&store, &mut sub, "c").reject("again").unwrap();
    let which = Letters { types: vec!["docbox.remove".into()], ..Letters::default() };
    assert!(store.redrive("feed", &which).unwrap().is_empty());
    let which = Letters { types: vec!["docbox.put".into()], ..Letters::default() };
    assert_eq!(store.redrive("feed", &which).unwrap().len(), 1);
    let verified = store.verify().unwrap();
    assert!(verified.is_clean(), "{verified:?}");
}

/// Writes a document; the change of it.
fn next_of(store: &Store, subscription: &mut Subscription, key: &str) -> Delivery {
    put(store, key, &json!(key));
    let delivery = next(subscription);
    assert_eq!(delivery.event().about(), Some(key));
    delivery
}

#[test]
fn by_subject_a_change_that_fails_holds_its_document_alone() {
    let home = Home::new();
    let store = home.still();
    for n in 1..=2 {
        let transaction = Transaction::new().put("a", &n).unwrap().put("b", &n).unwrap();
        store.commit(transaction.emit(Event::bare("Tick"))).unwrap();
    }
    let open = |backoff_ms| {
        let retry = RetryPolicy { backoff_ms: vec![backoff_ms], ..RetryPolicy::default() };
        let order = Order::PerSubject { parallel: 2 };
        feed(&store, "feed").order(order).retry(retry).open().unwrap()
    };
    let mut sub = open(HOUR);
    let mut seen = Vec::new();
    while let Some(delivery) = sub.next(Duration::from_millis(5)).unwrap() {
        let what = said(delivery.event());
        if what == "1-1-1 docbox.put a" {
            delivery.nack("a does not do");
            continue;
        }
        seen.push(what);
        delivery.ack().unwrap();
    }
    assert_eq!(seen, ["1-1-0 Tick -", "1-1-2 docbox.put b", "1-2-0 Tick -", "1-2-2 docbox.put b"]);
    drop(sub);
    let one = store.subscriptions().unwrap().remove(0);
    assert_eq!((one.blocked.len(), one.lag_events), (1, 2));
    assert_eq!((one.blocked[0].subject.as_deref(), one.blocked[0].attempt), (Some("a"), 1));
    assert_eq!(one.blocked[0].position, Position::new(1, 1));
    let mut sub = open(0);
    assert_eq!(all(&mut sub), ["1-1-1 docbox.put a", "1-2-1 docbox.put a"], "in its order");
    assert_eq!(sub.position(), Position::end_of(2));
}

#[test]
fn batches_and_commits_settle_changes_and_what_they_write_is_a_change_too() {
    let home = Home::new();
    let store = home.still();
    for n in 1..=3 {
        put(&store, "a", &json!(n));
    }
    let mut sub = feed(&store, "feed").subjects(["a", "count"]).open().unwrap();
    let batch = sub.next_batch(2, LONG).unwrap();
    let ids: Vec<String> = batch.iter().map(|delivery| delivery.event().id()).collect();
    assert_eq!(ids, ["1-1-0", "1-2-0"]);
    batch.ack().unwrap();
    next(&mut sub).commit(Transaction::new()).unwrap();
    assert!(all(&mut sub).is_empty(), "a commit that writes no document begets nothing");
    let last = next_of(&store, &mut sub, "a");
    last.commit(Transaction::new().put("count", &4).unwrap().emit(Event::bare("Tick"))).unwrap();
    assert_eq!(all(&mut sub), ["1-6-1 docbox.put count"]);
    assert_eq!(home.register("cursors/feed")["next"], "7-0");
}

#[test]
fn who_asks_for_changes_later_gets_those_from_there_on_and_who_does_not_ask_any_more_none() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let mut ui = store.subscribe("ui").from(Start::Beginning).open().unwrap();
    assert!(all(&mut ui).is_empty());
    drop(ui);
    put(&store, "a", &json!(2));
    assert_eq!(store.subscriptions().unwrap()[0].lag_events, 0);
    let mut asking = feed(&store, "ui").open().unwrap();
    assert_eq!(all(&mut asking), ["1-2-0 docbox.put a"]);
    drop(asking);
    store.rename("ui", "screen").unwrap();
    put(&store, "a", &json!(3));
    let one = store.subscriptions().unwrap().remove(0);
    assert_eq!((one.changes, one.lag_events), (true, 1), "under another name it still asks");
    let definition: Value =
        serde_json::from_str(&home.text(".docbox/cursors/screen.json")).unwrap();
    assert_eq!(definition["filter"]["changes"], true);
    let mut ui = store.subscribe("screen").open().unwrap();
    assert!(all(&mut ui).is_empty());
    let definition: Value =
        serde_json::from_str(&home.text(".docbox/cursors/screen.json")).unwrap();
    assert!(definition["filter"].get("changes").is_none());
}

#[test]
fn what_is_committed_as_one_is_handed_over_in_the_order_of_its_writes() {
    let home = Home::new();
    let store = home.still();
    let keys: Vec<String> = (0..500).map(|n| format!("k/{}", (n * 7) % 500)).collect();
    let fold = |all: Transaction, key: &String| all.put(key, key).unwrap();
    store.commit(keys.iter().fold(Transaction::new(), fold)).unwrap();
    let mut sub = feed(&store, "feed").open().unwrap();
    let mut places = BTreeMap::new();
    for batch in sub.catch_up_in_batches(64) {
        let batch = batch.unwrap();
        for delivery in batch.iter() {
            let event = delivery.event();
            places.insert(event.position(), event.about().unwrap().to_owned());
        }
        batch.ack().unwrap();
    }
    assert_eq!(places.keys().map(|it| it.idx).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    assert_eq!(places.into_values().collect::<Vec<_>>(), keys);
}
