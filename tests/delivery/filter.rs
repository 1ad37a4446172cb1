//! Which events come, and what happens to the rest.

use docbox::{Event, Position, Start, Store, Transaction};

use crate::home::Home;

fn emit(store: &Store, events: &[(&str, &str)]) {
    let transaction = events.iter().fold(Transaction::new(), |all, (kind, subject)| {
        let event = Event::bare(*kind);
        all.emit(if subject.is_empty() { event } else { event.subject(*subject) })
    });
    store.commit(transaction).unwrap();
}

fn kinds(store: &Store, name: &str, types: &[&str], subjects: &[&str]) -> Vec<String> {
    let builder = store.subscribe(name).from(Start::Beginning);
    let mut subscription =
        builder.types(types.iter().copied()).subjects(subjects.iter().copied()).open().unwrap();
    let kinds = subscription.catch_up().map(|delivery| {
        let delivery = delivery.unwrap();
        let kind = delivery.event().kind().to_owned();
        delivery.ack().unwrap();
        kind
    });
    kinds.collect()
}

#[test]
fn globs_of_types_and_of_subjects_say_which() {
    let home = Home::new();
    let store = home.still();
    emit(&store, &[("AgentSpawned", "agents/a"), ("MessageSent", "messages/1")]);
    emit(&store, &[("AgentDone", "agents/b"), ("Tick", ""), ("Tock", "agents/a")]);
    let all = ["AgentSpawned", "MessageSent", "AgentDone", "Tick", "Tock"];
    assert_eq!(kinds(&store, "all", &[], &[]), all);
    assert_eq!(kinds(&store, "types", &["Agent*", "T?ck"], &[]), [all[0], all[2], "Tick", "Tock"]);
    assert_eq!(kinds(&store, "subjects", &[], &["agents/*"]), [all[0], all[2], "Tock"]);
    assert_eq!(kinds(&store, "both", &["Agent*"], &["*/a"]), ["AgentSpawned"]);
    assert_eq!(kinds(&store, "with-subject", &["T*"], &["*"]), ["Tock"]);
    assert!(kinds(&store, "case", &["agent*"], &[]).is_empty());
}

#[test]
fn events_that_do_not_match_move_the_cursor_all_the_same() {
    let home = Home::new();
    let store = home.still();
    for _ in 0..20 {
        emit(&store, &[("Other", "")]);
    }
    let mut ui = store.subscribe("ui").from(Start::Beginning).types(["Agent*"]).open().unwrap();
    assert_eq!(ui.catch_up().count(), 0);
    assert_eq!(ui.position(), Position::end_of(20));
    assert_eq!(home.register("cursors/ui")["next"], "21-0");
    assert_eq!(store.subscriptions().unwrap()[0].lag_events, 0);
}

#[test]
fn what_follows_in_a_commit_and_is_not_wanted_is_settled_along() {
    let home = Home::new();
    let store = home.still();
    emit(&store, &[("Other", ""), ("Agent", ""), ("Other", ""), ("Agent", ""), ("Other", "")]);
    let mut ui = store.subscribe("ui").from(Start::Beginning).types(["Agent"]).open().unwrap();
    let first = ui.next(crate::home::LONG).unwrap().unwrap();
    assert_eq!(first.event().position(), Position::new(1, 1));
    first.ack().unwrap();
    assert_eq!(home.register("cursors/ui")["next"], "1-3");
    ui.next(crate::home::LONG).unwrap().unwrap().ack().unwrap();
    assert_eq!(home.register("cursors/ui")["next"], "2-0");
    assert_eq!(ui.position(), Position::end_of(1));
}

#[test]
fn each_opening_states_the_filter_whole() {
    let home = Home::new();
    let store = home.still();
    emit(&store, &[("A", ""), ("B", "")]);
    assert_eq!(kinds(&store, "ui", &["A"], &[]), ["A"]);
    emit(&store, &[("A", ""), ("B", "")]);
    assert_eq!(kinds(&store, "ui", &[], &[]), ["A", "B"]);
    assert_eq!(store.subscriptions().unwrap()[0].types, Vec::<String>::new());
}

#[test]
fn an_event_keeps_its_data_its_meta_its_time_and_its_id() {
    let home = Home::new();
    let store = home.still();
    let event = Event::bare("E").with_json(r#"{"n": 1.0,"n":123456789012345678901}"#).unwrap();
    let transaction = Transaction::new().emit(Event::bare("First")).emit(event);
    store.commit(transaction.meta(&["actor"]).unwrap()).unwrap();
    let mut ui = store.subscribe("ui").from(Start::After(Position::new(1, 0))).open().unwrap();
    let delivery = ui.next(crate::home::LONG).unwrap().unwrap();
    let event = delivery.event();
    assert_eq!((event.id().as_str(), event.about()), ("1-1-1", None));
    assert_eq!(event.data_json(), Some(r#"{"n":1.0,"n":123456789012345678901}"#));
    assert_eq!(event.commit_meta_json(), Some(r#"["actor"]"#));
    let time = home.lines()[0].value["time"].as_str().unwrap().to_owned();
    assert_eq!(format!("{:.6}", event.time()), time);
}
