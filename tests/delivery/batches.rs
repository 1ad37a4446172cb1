//! Batches: several deliveries by one write, and one more for all of them.

use std::time::Duration;

use docbox::{Deliveries, Delivery, Error, RetryPolicy, Start, Store, Subscription};

use crate::home::{Home, LONG, emit, number};
use crate::{take_all, ui};

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| number(delivery.event())).collect()
}

fn now(ui: &mut Subscription, max: usize) -> Deliveries {
    ui.next_batch(max, Duration::ZERO).unwrap()
}

fn version(home: &Home) -> u64 {
    home.register("cursors/ui")["version"].as_u64().unwrap()
}

fn hasty(store: &Store) -> Subscription {
    let retry = RetryPolicy { max_attempts: 3, backoff_ms: vec![0], ..RetryPolicy::default() };
    store.subscribe("ui").from(Start::Beginning).retry(retry).open().unwrap()
}

#[test]
fn a_batch_costs_one_write_of_the_cursor_and_one_more_when_it_is_settled() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=100);
    let mut ui = ui(&store);
    let before = version(&home);
    let batch = now(&mut ui, 60);
    assert_eq!(numbers(&batch), (1..=60).collect::<Vec<u64>>());
    assert_eq!(version(&home), before + 1);
    assert_eq!(store.subscriptions().unwrap()[0].attempt, 1, "attempts are counted");
    assert!(matches!(ui.next(LONG), Err(Error::Invalid(_))), "as long as it is not settled");
    batch.ack().unwrap();
    assert_eq!(version(&home), before + 2);
    assert_eq!(home.register("cursors/ui")["next"], "61-0");
    assert_eq!(numbers(&now(&mut ui, 60)), (61..=100).collect::<Vec<u64>>(), "what there is");
}

#[test]
fn a_batch_that_fails_is_given_back_by_one_write_and_comes_again_one_by_one() {
    let ways: [fn(Deliveries); 3] =
        [|batch| batch.nack("as a test"), drop, |batch| drop(batch.into_iter())];
    // Of a few the cursor says why they failed; of many that they were handed over, as before.
    for (fail, (count, writes)) in
        ways.into_iter().flat_map(|way| [(way, (5, 1)), (way, (2000, 0))])
    {
        let home = Home::new();
        let store = home.still();
        emit(&store, 1..=count);
        let mut ui = hasty(&store);
        let batch = now(&mut ui, 2000);
        assert_eq!(batch.len() as u64, count);
        let before = version(&home);
        fail(batch);
        assert_eq!(version(&home), before + writes);
        drop(ui);
        // All of it is known to the next consumer, too.
        let mut ui = hasty(&store);
        for expected in 1..=count {
            let batch = now(&mut ui, 9);
            assert_eq!((numbers(&batch), batch[0].attempt()), (vec![expected], 2));
            batch.ack().unwrap();
        }
    }
}

#[test]
fn what_nobody_took_of_a_batch_is_given_back_by_one_write() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=6);
    let mut ui = hasty(&store);
    let mut batch = now(&mut ui, 6).into_iter();
    assert_eq!((batch.len(), batch.next_back().map(|last| number(last.event()))), (6, Some(6)));
    batch.next().unwrap().ack().unwrap();
    let before = version(&home);
    drop(batch);
    assert_eq!(version(&home), before + 1);
    assert_eq!(take_all(&mut ui), [2, 3, 4, 5, 6]);
}

#[test]
fn a_failed_batch_of_the_last_attempt_becomes_dead_letters_that_say_why() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=6);
    let open = |deadline_ms| {
        let retry = RetryPolicy { max_attempts: 1, deadline_ms, ..RetryPolicy::default() };
        store.subscribe("ui").from(Start::Beginning).retry(retry).open().unwrap()
    };
    let mut ui = open(None);
    now(&mut ui, 2).nack("as a test");
    drop(now(&mut ui, 2));
    drop(ui);
    let mut ui = open(Some(1));
    let late = now(&mut ui, 2);
    std::thread::sleep(Duration::from_millis(20));
    drop(late);
    assert!(now(&mut ui, 9).is_empty());
    let letters = store.dead_letters("ui").unwrap().into_iter().map(Result::unwrap);
    let why: Vec<String> = letters.map(|it| it.attempts()[0].error.clone()).collect();
    let expected = ["as a test", "dropped unsettled", "it took longer than its deadline"];
    assert_eq!(why, expected.map(|why| [why, why]).concat());
}

#[test]
fn a_batch_waits_until_it_is_full_or_the_time_is_over() {
    let home = Home::new();
    let store = home.open();
    emit(&store, 1..=2);
    let mut ui = ui(&store);
    let waited = std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            let batch = ui.next_batch(3, LONG).unwrap();
            let seen = numbers(&batch);
            batch.ack().unwrap();
            seen
        });
        std::thread::sleep(Duration::from_millis(20));
        emit(&store, 3..=4);
        consumer.join().unwrap()
    });
    assert_eq!(waited, [1, 2, 3]);
    let batch = ui.next_batch(9, Duration::from_millis(5)).unwrap();
    assert_eq!(numbers(&batch), [4]);
    batch.ack().unwrap();
    assert!(ui.next_batch(9, Duration::from_millis(5)).unwrap().is_empty());
    assert!(matches!(ui.next_batch(0, LONG), Err(Error::Invalid(_))));
    store.close().unwrap();
}

#[test]
fn a_batch_may_be_settled_in_part_and_a_restart_brings_the_rest_alone() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=6);
    let mut ui = hasty(&store);
    let mut left = Vec::new();
    for delivery in now(&mut ui, 5) {
        match number(delivery.event()) {
            2 | 3 | 5 => delivery.ack().unwrap(),
            _ => left.push(delivery),
        }
    }
    assert_eq!(home.register("cursors/ui")["next"], "1-0");
    assert_eq!(home.register("cursors/ui")["settled"][0][1], "3-0");
    std::mem::forget((left, ui));
    let copy = home.copy();
    let store = copy.still();
    let mut ui = hasty(&store);
    for expected in [vec![1], vec![4], vec![6]] {
        let batch = now(&mut ui, 9);
        assert_eq!(numbers(&batch), expected);
        assert_eq!(batch[0].attempt(), if expected == [6] { 1 } else { 2 });
        batch.ack().unwrap();
    }
    assert_eq!(copy.register("cursors/ui")["next"], "7-0");
}

#[test]
fn what_kills_its_consumer_is_found_and_uses_up_nobody_elses_attempts() {
    let mut home = Home::new();
    emit(&home.still(), 1..=5);
    let mut handled = Vec::new();
    // A consumer that takes all it gets and dies of the third.
    for _ in 0..20 {
        let store = home.still();
        let mut ui = hasty(&store);
        let batch = now(&mut ui, 9);
        if batch.is_empty() {
            break;
        }
        if numbers(&batch).contains(&3) {
            std::mem::forget((batch, ui));
            home = home.copy();
        } else {
            handled.extend(numbers(&batch));
            batch.ack().unwrap();
        }
    }
    assert_eq!(handled, [1, 2, 4, 5]);
    let store = home.still();
    let letters = store.dead_letter_positions("ui").unwrap();
    assert_eq!(letters.iter().map(|it| it.seq).collect::<Vec<_>>(), [3]);
}

#[test]
fn one_of_a_batch_that_fails_holds_what_follows_the_batch() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=4);
    let retry = RetryPolicy { backoff_ms: vec![3_600_000], ..RetryPolicy::default() };
    let mut ui = store.subscribe("ui").from(Start::Beginning).retry(retry).open().unwrap();
    for delivery in now(&mut ui, 3) {
        if number(delivery.event()) == 2 {
            delivery.nack("as a test");
        } else {
            delivery.ack().unwrap();
        }
    }
    assert!(now(&mut ui, 9).is_empty());
    assert_eq!(ui.position().to_string(), "1");
    drop(ui);
    assert_eq!(take_all(&mut hasty(&store)), [2, 4]);
}

#[test]
fn a_batch_is_bounded_by_bytes_too_and_reads_nothing_that_is_not_asked_for() {
    let home = Home::new();
    let store = home.still();
    let data = "x".repeat(1 << 20);
    for _ in 0..20 {
        let event = docbox::Event::new("T", &data).unwrap();
        store.commit(docbox::Transaction::new().emit(event)).unwrap();
    }
    let mut ui = ui(&store);
    let mut lens = Vec::new();
    for batch in ui.catch_up_in_batches(1000) {
        let batch = batch.unwrap();
        lens.push(batch.len());
        batch.ack().unwrap();
    }
    assert_eq!(lens.iter().sum::<usize>(), 20);
    assert!(lens.iter().all(|len| *len <= 8), "{lens:?}");
}

#[test]
fn catch_up_in_batches_ends_at_the_head_of_its_beginning() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=7);
    let mut ui = ui(&store);
    let mut seen = Vec::new();
    for batch in ui.catch_up_in_batches(3) {
        let batch = batch.unwrap();
        seen.push(numbers(&batch));
        emit(&store, [99]);
        batch.ack().unwrap();
    }
    assert_eq!(seen, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
}

#[test]
fn iter_in_batches_gives_what_there_is_and_ends_when_the_store_closes() {
    let home = Home::new();
    let store = home.open();
    emit(&store, 1..=3);
    let mut ui = ui(&store);
    let consumer = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for batch in ui.iter_in_batches(100) {
            let batch = batch.unwrap();
            seen.extend(numbers(&batch));
            batch.ack().unwrap();
        }
        seen
    });
    crate::home::eventually("they are acked", || home.register("cursors/ui")["next"] == "4-0");
    store.close().unwrap();
    assert_eq!(consumer.join().unwrap(), [1, 2, 3]);
}
