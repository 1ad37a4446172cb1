//! Dead letters: written, delivered again, edited, dropped.

use std::fs;
use std::time::{Duration, Instant};

use docbox::{
    DeadLetter, Delivery, Error, Event, Letters, Position, Publisher, RetryPolicy, Start, Store,
    Subscription, Transaction,
};

use crate::home::{Home, LONG, emit, number};
use crate::take_all;

fn policy() -> RetryPolicy {
    RetryPolicy { max_attempts: 3, backoff_ms: vec![0], ..RetryPolicy::default() }
}

fn open(store: &Store, name: &str) -> Subscription {
    store.subscribe(name).from(Start::Beginning).retry(policy()).open().unwrap()
}

fn next(subscription: &mut Subscription) -> Delivery {
    subscription.next(LONG).unwrap().expect("there is one more")
}

fn letters(store: &Store, name: &str) -> Vec<DeadLetter> {
    store.dead_letters(name).unwrap().into_iter().map(Result::unwrap).collect()
}

fn errors(letter: &DeadLetter) -> Vec<(u32, &str)> {
    letter.attempts().iter().map(|it| (it.attempt, it.error.as_str())).collect()
}

/// A store whose first two of three events are dead letters of `ui`.
fn with_letters(home: &Home) -> Store {
    let store = home.still();
    emit(&store, 1..=3);
    let mut ui = open(&store, "ui");
    next(&mut ui).reject("one").unwrap();
    next(&mut ui).reject("two").unwrap();
    assert_eq!(take_all(&mut ui), [3]);
    store
}

fn path(seq: u64) -> String {
    format!(".docbox/dead/ui/{}.json", Position::new(seq, 0).padded())
}

#[test]
fn an_event_whose_attempts_are_used_is_a_dead_letter_with_all_of_them() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = open(&store, "ui");
    next(&mut ui).nack("first");
    drop(next(&mut ui));
    next(&mut ui).nack("last");
    // At once: who ends now leaves nothing to be done.
    drop(ui);
    let all = letters(&store, "ui");
    assert_eq!(errors(&all[0]), [(1, "first"), (2, "dropped unsettled"), (3, "last")]);
    assert_eq!((number(all[0].event()), all[0].subscription()), (1, "ui"));
    let line = &home.lines()[2].value;
    assert_eq!(line["acks"]["ui"], "1", "letter, cursor and event are one line");
    assert_eq!(line["writes"][0]["key"], ".docbox/dead/ui/0000000000000001-00000");
    assert_eq!(line["events"][0]["type"], "docbox.dead_lettered");
    let data = &line["events"][0]["data"];
    assert_eq!((&data["subscription"], &data["position"]), (&"ui".into(), &"1-0".into()));
    assert_eq!((&data["attempts"], &data["error"]), (&3.into(), &"last".into()));
    assert_eq!(take_all(&mut open(&store, "ui")), [2], "and the rest goes on");
    let verified = store.verify().unwrap();
    assert!(verified.is_clean(), "{verified:?}");
}

#[test]
fn a_letter_is_a_file_as_it_is_written_down() {
    let home = Home::new();
    let store = with_letters(&home);
    let letter: serde_json::Value = serde_json::from_str(&home.text(&path(1))).unwrap();
    let members: Vec<&String> = letter.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 4, "{letter}");
    assert_eq!((&letter["subscription"], &letter["position"]), (&"ui".into(), &"1-0".into()));
    assert_eq!(
        (&letter["attempts"][0]["attempt"], &letter["attempts"][0]["error"]),
        (&1.into(), &"one".into())
    );
    assert!(letter["attempts"][0]["time"].is_string());
    assert_eq!(
        (&letter["event"]["specversion"], &letter["event"]["id"]),
        (&"1.0".into(), &"1-1-0".into())
    );
    assert!(letter["event"].get("attempt").is_none());
    assert_eq!(store.subscriptions().unwrap()[0].dead, 2);
}

/// So many arrays in each other.
fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn what_has_as_many_levels_as_may_be_is_given_up_and_comes_again_too() {
    let home = Home::new();
    let store = home.still();
    let event = Event::bare("Deep").with_json(nested(128)).unwrap();
    let event = event.meta(&serde_json::value::RawValue::from_string(nested(128)).unwrap());
    let transaction = Transaction::new().emit(event.unwrap());
    store.commit(transaction.put_json("deep", nested(128)).unwrap()).unwrap();
    let mut ui = store.subscribe("ui").from(Start::Beginning).changes(true).open().unwrap();
    let mut data = Vec::new();
    for _ in 0..2 {
        let delivery = next(&mut ui);
        data.push(delivery.event().data_json().unwrap().to_owned());
        delivery.reject("as a test").unwrap();
    }
    assert!(data[1].contains(&nested(128)), "the document");
    // Put in place from the journal once more, as it was.
    let file = home.text(&path(1));
    drop((ui, store));
    home.lose_page_cache();
    home.write(&path(1), "damaged");
    let store = home.still();
    assert_eq!(home.text(&path(1)), file);
    assert!(store.verify().unwrap().is_clean());
    assert_eq!(store.redrive("ui", &Letters::default()).unwrap().len(), 2);
    let mut ui = store.subscribe("ui").changes(true).open().unwrap();
    for data in data {
        let delivery = next(&mut ui);
        assert_eq!(delivery.event().data_json(), Some(&*data));
        delivery.event().data::<serde_json::Value>().unwrap();
        delivery.ack().unwrap();
    }
}

#[test]
fn the_death_of_its_consumer_is_an_attempt_that_may_be_the_last() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    std::mem::forget(next(&mut open(&store, "ui")));
    // As by a kill: the next process knows the files alone.
    let mut home = home;
    for attempt in 2..=3 {
        home = home.copy();
        let store = home.still();
        let delivery = next(&mut open(&store, "ui"));
        assert_eq!((number(delivery.event()), delivery.attempt()), (1, attempt));
        std::mem::forget(delivery);
    }
    let home = home.copy();
    let store = home.still();
    assert_eq!(take_all(&mut open(&store, "ui")), [2]);
    let all = letters(&store, "ui");
    assert_eq!(all[0].attempts().len(), 3);
    assert!(all[0].attempts().iter().all(|it| it.error.contains("consumer ended")), "{all:?}");
}

#[test]
fn a_letter_that_cannot_be_written_is_tried_again_later_and_its_event_is_not_lost() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    let mut ui = open(&store, "ui");
    // Where its folder must be.
    home.write(".docbox/dead/ui", "");
    let delivery = next(&mut ui);
    let refused = Instant::now();
    delivery.reject("no").unwrap_err();
    fs::remove_file(home.path(".docbox/dead/ui")).unwrap();
    let again = next(&mut ui);
    // Not at once: a disk that is full would be asked without end. And nothing comes before it.
    assert!(refused.elapsed() >= Duration::from_secs(1));
    again.reject("no, again").unwrap();
    assert_eq!(take_all(&mut ui), [2]);
    assert_eq!(letters(&store, "ui").len(), 1);
}

#[test]
fn a_dead_letter_of_the_stores_own_event_emits_nothing_further() {
    let home = Home::new();
    let store = with_letters(&home);
    let before = store.events(Start::Beginning).unwrap().count();
    let mut monitor =
        store.subscribe("monitor").from(Start::Beginning).types(["docbox.*"]).open().unwrap();
    let delivery = next(&mut monitor);
    assert_eq!(delivery.event().kind(), "docbox.dead_lettered");
    delivery.reject("not today").unwrap();
    assert_eq!(letters(&store, "monitor").len(), 1);
    assert_eq!(store.events(Start::Beginning).unwrap().count(), before);
}

#[test]
fn a_redriven_letter_comes_before_newer_events_and_an_ack_removes_it() {
    let home = Home::new();
    let store = with_letters(&home);
    emit(&store, 4..=5);
    let cursor = home.register("cursors/ui")["next"].clone();
    // With nothing running.
    let which = Letters { positions: vec![Position::new(1, 0)], types: Vec::new() };
    assert_eq!(store.would_redrive("ui", &which).unwrap(), [Position::new(1, 0)]);
    assert!(!letters(&store, "ui")[0].is_redriven(), "that was a question");
    assert_eq!(store.redrive("ui", &which).unwrap(), [Position::new(1, 0)]);
    assert!(store.redrive("ui", &which).unwrap().is_empty(), "it is marked already");
    let mut ui = open(&store, "ui");
    let delivery = next(&mut ui);
    assert_eq!(
        (number(delivery.event()), delivery.attempt(), delivery.is_redriven()),
        (1, 1, true)
    );
    assert_eq!(home.register("cursors/ui")["next"], cursor, "the cursor does not move");
    delivery.ack().unwrap();
    assert_eq!(home.register("cursors/ui")["next"], cursor);
    assert!(!home.path(&path(1)).exists());
    assert_eq!(take_all(&mut ui), [4, 5]);
    assert_eq!(letters(&store, "ui").len(), 1, "the other one stays");
}

#[test]
fn the_consumer_that_runs_delivers_again_what_another_process_asks_for() {
    let home = Home::new();
    let store = with_letters(&home);
    emit(&store, 4..=5);
    let mut ui = open(&store, "ui");
    next(&mut ui).ack().unwrap();
    home.still().redrive("ui", &Letters::default()).unwrap();
    assert_eq!(take_all(&mut ui), [1, 2, 5], "before what is newer");
    assert!(letters(&store, "ui").is_empty());
}

#[test]
fn what_fails_once_more_is_put_back_with_its_attempts_added() {
    let home = Home::new();
    let store = with_letters(&home);
    let which = Letters { positions: vec![Position::end_of(1)], types: Vec::new() };
    store.redrive("ui", &which).unwrap();
    let mut ui = open(&store, "ui");
    next(&mut ui).nack("again");
    assert_eq!(store.subscriptions().unwrap()[0].dead, 2);
    drop(ui);
    // Its attempts are counted over consumers.
    let mut ui = open(&store, "ui");
    let delivery = next(&mut ui);
    assert_eq!((delivery.attempt(), delivery.is_redriven()), (2, true));
    delivery.nack("and again");
    next(&mut ui).nack("for the last time");
    assert!(take_all(&mut ui).is_empty());
    let all = letters(&store, "ui");
    let put_back = [(1, "one"), (1, "again"), (2, "and again"), (3, "for the last time")];
    assert_eq!(errors(&all[0]), put_back);
    assert!(!all[0].is_redriven());
    drop(ui);
    // Anew.
    store.redrive("ui", &which).unwrap();
    assert_eq!(next(&mut open(&store, "ui")).attempt(), 1);
}

#[test]
fn a_letter_may_be_edited_and_is_settled_by_a_commit_too() {
    let home = Home::new();
    let store = with_letters(&home);
    let text = home.text(&path(1));
    let edited =
        text.replace("\"Counted\"", "\"Mended\"").replace("\"number\": 1", "\"number\": 100");
    assert_ne!(edited, text, "{text}");
    fs::write(home.path(&path(1)), edited).unwrap();
    store
        .redrive("ui", &Letters { positions: vec![Position::new(1, 0)], types: Vec::new() })
        .unwrap();
    let mut ui = open(&store, "ui");
    let delivery = next(&mut ui);
    assert_eq!((number(delivery.event()), delivery.event().kind()), (100, "Mended"));
    delivery.commit(Transaction::new().put("seen", &100).unwrap()).unwrap();
    assert_eq!(home.text("seen.json"), "100\n");
    assert!(!home.path(&path(1)).exists(), "one line did both");
}

#[test]
fn a_letter_that_is_no_json_is_refused_with_line_and_column_and_none_is_redriven() {
    let home = Home::new();
    let store = with_letters(&home);
    let text = home.text(&path(2)).replacen("\"ui\",", "\"ui\"", 1);
    fs::write(home.path(&path(2)), text).unwrap();
    let error = store.redrive("ui", &Letters::default()).unwrap_err();
    assert!(matches!(error, Error::Json { line: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("00002-00000.json"), "{error}");
    assert!(!store.dead_letter("ui", Position::new(1, 0)).unwrap().unwrap().is_redriven());
    assert!(store.dead_letters("ui").unwrap()[1].is_err());
    assert!(take_all(&mut open(&store, "ui")).is_empty());
    // What was marked and then broken holds nobody up, and stays.
    store
        .drop_dead_letters("ui", &Letters { positions: vec![Position::new(2, 0)], types: vec![] })
        .unwrap();
    store.redrive("ui", &Letters::default()).unwrap();
    fs::write(home.path(&path(1)), "{").unwrap();
    emit(&store, 4..=4);
    assert_eq!(take_all(&mut open(&store, "ui")), [4]);
    assert_eq!(home.text(&path(1)), "{");
}

#[test]
fn letters_are_dropped_for_good_also_while_one_is_in_hand() {
    let home = Home::new();
    let store = with_letters(&home);
    store.redrive("ui", &Letters::default()).unwrap();
    let mut ui = open(&store, "ui");
    let delivery = next(&mut ui);
    assert_eq!(store.drop_dead_letters("ui", &Letters::default()).unwrap().len(), 2);
    delivery.reject("too late").unwrap();
    assert!(take_all(&mut ui).is_empty(), "the other one is not there any more");
    assert!(letters(&store, "ui").is_empty(), "what was dropped is not put back");
}

#[test]
fn what_the_cursor_knows_of_a_letter_is_forgotten_once_the_letter_is_dropped() {
    let home = Home::new();
    let store = with_letters(&home);
    store.redrive("ui", &Letters::default()).unwrap();
    let mut ui = open(&store, "ui");
    next(&mut ui).nack("again");
    drop(ui);
    let tried = home.register("cursors/ui")["tried"].clone();
    assert!(tried[0]["at"] == "1-0" && tried[0]["redriven"] == true, "{tried}");
    store.drop_dead_letters("ui", &Letters::default()).unwrap();
    emit(&store, 4..=4);
    assert_eq!(take_all(&mut open(&store, "ui")), [4]);
    let left = home.register("cursors/ui")["tried"].clone();
    assert!(left.as_array().is_none_or(Vec::is_empty), "{left}");
}

#[test]
fn letters_are_chosen_by_type() {
    let home = Home::new();
    let store = with_letters(&home);
    let which = |glob: &str| Letters { positions: Vec::new(), types: vec![glob.to_owned()] };
    assert!(store.redrive("ui", &which("Nothing*")).unwrap().is_empty());
    assert_eq!(store.redrive("ui", &which("*")).unwrap().len(), 2);
}

#[test]
fn an_unknown_subscription_has_no_letters() {
    let home = Home::new();
    let store = home.still();
    for result in [
        store.dead_letters("nobody").map(drop),
        store.redrive("nobody", &Letters::default()).map(drop),
        store.drop_dead_letters("nobody", &Letters::default()).map(drop),
        store.dead_letter("nobody", Position::new(1, 0)).map(drop),
    ] {
        assert!(matches!(result, Err(Error::NoSubscription { .. })), "{result:?}");
    }
    assert!(matches!(store.dead_letters("../head"), Err(Error::Invalid(_))));
}

#[test]
fn an_event_that_dies_twice_after_a_reset_keeps_the_attempts_of_both_times() {
    let home = Home::new();
    let store = with_letters(&home);
    store.reset("ui", Start::Beginning).unwrap();
    let mut ui = open(&store, "ui");
    next(&mut ui).reject("once more").unwrap();
    let all = letters(&store, "ui");
    assert_eq!(errors(&all[0]), [(1, "one"), (1, "once more")]);
}

#[test]
fn a_poison_event_and_a_handler_that_panics_hold_nobody_for_ever() {
    let home = Home::new();
    let store = home.open();
    emit(&store, 1..=4);
    let builder = store.subscribe("ui").from(Start::Beginning).retry(policy());
    let running = Publisher::new(&store)
        .handle(builder, |delivery| match number(delivery.event()) {
            2 => panic!("as a test"),
            3 => Err("poison".into()),
            _ => Ok(()),
        })
        .start()
        .unwrap();
    assert!(running.drain(LONG).unwrap());
    let all = letters(&store, "ui");
    assert_eq!(errors(&all[0]), [1, 2, 3].map(|n| (n, "the handler panicked")));
    assert_eq!(errors(&all[1]), [1, 2, 3].map(|n| (n, "poison")));
    store.close().unwrap();
}
