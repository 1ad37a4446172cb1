use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::cursor::Movable;
use crate::event::Event;
use crate::identity::Identity;
use crate::order::Order;
use crate::register::SLOT_BYTES;
use crate::support::sim::Dice;

const TOTAL: Order = Order::Total;

fn at(seq: u64) -> Position {
    Position::new(seq, 0)
}

fn spot(seq: u64) -> Spot {
    Spot { position: at(seq), redriven: false }
}

fn value(next: u64) -> CursorValue {
    CursorValue::at(Identity { store: "s".into(), epoch: 1 }, at(next), 0, 0)
}

fn event(seq: u64, subject: Option<&str>) -> RecordedEvent {
    let mut event = Event::bare("T");
    event.subject = subject.map(str::to_owned);
    let time = Timestamp::UNIX_EPOCH;
    RecordedEvent { event, position: at(seq), epoch: 1, time, commit_meta: None }
}

/// A window of a cursor with an event of each commit, about these subjects.
fn window(value: &CursorValue, subjects: &[&str]) -> Window {
    let mut window = Window::new(value);
    for (seq, subject) in (value.next.seq..).zip(subjects) {
        window.push([event(seq, Some(subject))], at(seq + 1));
    }
    window
}

fn wish(order: Order, max: usize) -> Wish {
    Wish { order, max_attempts: 3, max, target: None, now: Instant::now() }
}

fn picked(window: &Window, order: Order, max: usize) -> Vec<u64> {
    match window.pick(&wish(order, max)) {
        Picked::Give(spots) => spots.iter().map(|spot| spot.position.seq).collect(),
        other => panic!("{other:?}"),
    }
}

fn take(window: &mut Window, seq: u64) -> u64 {
    window.take(spot(seq), None, true).expect("it can be taken").number
}

fn settle(window: &mut Window, seq: u64, flight: u64) {
    window.settle(spot(seq), flight);
    window.pass();
}

fn fail(window: &mut Window, seq: u64, pause: Duration) {
    let flight = take(window, seq);
    let failure = Some(Failure::now(1, "as a test"));
    window.fail(spot(seq), flight, failure, Instant::now() + pause);
}

const LONG: Duration = Duration::from_hours(1);

/// What a restart knows.
fn restarted(window: &Window) -> CursorValue {
    let movable = window.movable(0);
    CursorValue {
        next: movable.next,
        attempt: movable.attempt,
        settled: movable.settled,
        tried: movable.tried,
        ..value(1)
    }
}

#[test]
fn in_total_order_one_is_out_and_one_that_failed_holds_all() {
    let mut window = window(&value(1), &["a", "b"]);
    assert_eq!(picked(&window, TOTAL, 1), [1]);
    fail(&mut window, 1, LONG);
    assert!(matches!(window.pick(&wish(TOTAL, 1)), Picked::Nothing(Some(_))));
    assert_eq!(window.movable(0).attempt, 1);
}

#[test]
fn a_batch_is_of_new_events_and_what_was_tried_comes_alone() {
    let mut window = window(&value(1), &["a", "b", "c", "d"]);
    assert_eq!(picked(&window, TOTAL, 3), [1, 2, 3]);
    let flights: Vec<u64> = (1..=3).map(|seq| take(&mut window, seq)).collect();
    let movable = window.movable(0);
    assert_eq!((movable.next, movable.attempt), (at(1), 1));
    assert_eq!(movable.tried.len(), 1, "one range says it: {:?}", movable.tried);
    assert_eq!((movable.tried[0].at, movable.tried[0].last()), (at(1), at(3)));
    settle(&mut window, 1, flights[0]);
    // The consumer dies with two of them.
    let mut next = Window::new(&restarted(&window));
    next.push((2..=4).map(|seq| event(seq, None)), at(5));
    for seq in 2..=3 {
        assert_eq!(picked(&next, TOTAL, 3), [seq]);
        let flight = take(&mut next, seq);
        assert_eq!(next.history(spot(seq)).0, 2);
        settle(&mut next, seq, flight);
    }
    assert_eq!(picked(&next, TOTAL, 3), [4]);
    assert_eq!(next.history(spot(4)).0, 0);
}

#[test]
fn a_batch_settled_in_part_leaves_its_floor_and_remembers_what_is_above() {
    let mut window = window(&value(1), &["a"; 5]);
    let flights: Vec<u64> = (1..=5).map(|seq| take(&mut window, seq)).collect();
    for (seq, flight) in [(2, flights[1]), (3, flights[2]), (5, flights[4])] {
        settle(&mut window, seq, flight);
    }
    let movable = window.movable(0);
    assert_eq!(movable.next, at(1));
    assert_eq!(movable.settled, [Run(at(2), at(3)), Run(at(5), at(5))]);
    let mut next = Window::new(&restarted(&window));
    next.push((1..=6).map(|seq| event(seq, None)), at(7));
    assert_eq!(next.movable(0).settled, movable.settled);
    let mut seen = Vec::new();
    while let Picked::Give(spots) = next.pick(&wish(TOTAL, 1)) {
        let seq = spots[0].position.seq;
        let flight = take(&mut next, seq);
        settle(&mut next, seq, flight);
        seen.push(seq);
    }
    assert_eq!(seen, [1, 4, 6], "what was settled does not come again");
    assert_eq!(next.floor(), at(7));
}

#[test]
fn what_was_passed_and_could_not_be_written_is_all_said_again() {
    let mut window = window(&value(1), &["a"; 4]);
    let flights: Vec<u64> = (1..=3).map(|seq| take(&mut window, seq)).collect();
    window.settle(spot(1), flights[0]);
    let passed = window.passing();
    assert_eq!(window.floor(), at(2));
    window.restore(passed);
    window.unsettle(spot(1), flights[0]);
    let movable = window.movable(0);
    assert_eq!((movable.next, movable.attempt, movable.tried.len()), (at(1), 1, 1));
    assert_eq!((movable.tried[0].at, movable.tried[0].last()), (at(1), at(3)));
}

#[test]
fn by_subject_one_of_each_is_out_and_a_failing_one_holds_its_own_alone() {
    let order = Order::PerSubject { parallel: 2 };
    let mut window = window(&value(1), &["a", "a", "b", "c"]);
    assert_eq!(picked(&window, order, 9), [1, 3]);
    fail(&mut window, 1, LONG);
    assert_eq!(picked(&window, order, 9), [3, 4], "the second about `a` waits for the first");
    let (b, c) = (take(&mut window, 3), take(&mut window, 4));
    assert!(matches!(window.pick(&wish(order, 1)), Picked::Busy(_)));
    settle(&mut window, 3, b);
    settle(&mut window, 4, c);
    assert_eq!(window.floor(), at(1));
    assert_eq!(window.movable(0).settled, [Run(at(3), at(4))]);
    assert!(matches!(window.pick(&wish(order, 1)), Picked::Nothing(Some(_))));
}

#[test]
fn attempts_that_are_used_make_a_dead_letter_wherever_they_were_counted() {
    let tried = Tried { at: at(2), to: None, attempt: 3, redriven: false, failures: Vec::new() };
    let cursor = CursorValue { attempt: 3, ..value(1) };
    assert_eq!(window(&cursor, &["a"]).pick(&wish(TOTAL, 9)), Picked::Bury(spot(1)));
    let cursor = CursorValue { tried: vec![tried], ..value(1) };
    let order = Order::PerSubject { parallel: 4 };
    assert_eq!(window(&cursor, &["a", "b"]).pick(&wish(order, 9)), Picked::Bury(spot(2)));
}

#[test]
fn what_is_known_has_room_in_the_cursor_however_many_subjects_fail() {
    let order = Order::PerSubject { parallel: 32 };
    let subjects: Vec<String> = (0..WINDOW_EVENTS).map(|n| n.to_string()).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let mut window = window(&value(1), &subjects);
    // Every other one fails, for long.
    let mut given = 0;
    while let Picked::Give(spots) = window.pick(&wish(order, 1)) {
        let seq = spots[0].position.seq;
        given += 1;
        if seq % 2 == 0 {
            fail(&mut window, seq, LONG);
        } else {
            let flight = take(&mut window, seq);
            settle(&mut window, seq, flight);
        }
    }
    assert!(given > 32, "{given}");
    let movable = window.movable(2);
    assert!(movable.settled.len() <= 33 && movable.tried.len() <= 64, "{movable:?}");
    let plain = window.movable(3);
    assert!(plain.tried.iter().all(|tried| tried.failures.is_empty()));
    let known = |tried: &Tried| plain.tried.iter().any(|it| it.is_of(tried.at, false));
    assert!(movable.tried.iter().all(known), "the text goes, the attempts stay");
}

#[test]
fn the_first_has_room_in_the_cursor_whatever_is_settled_above_it() {
    let order = Order::PerSubject { parallel: 32 };
    let subjects: Vec<String> = (0..WINDOW_EVENTS).map(|n| n.to_string()).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let mut window = window(&value(1), &subjects);
    let first = take(&mut window, 1);
    for seq in (3..).step_by(2).take(40) {
        let flight = take(&mut window, seq);
        settle(&mut window, seq, flight);
    }
    // Released, it was not tried, and it is the only one that can make room.
    window.give_back(spot(1), first);
    assert_eq!(picked(&window, order, 9), [1]);
}

#[test]
fn no_more_is_gathered_of_a_great_batch_than_a_cursor_has_room_for() {
    // All of them failed; or every other one was handed over, of which least is to be said.
    for (every, fails) in [(1, true), (2, false)] {
        let mut window = window(&value(1), &vec!["a"; 5000]);
        for seq in (1..=5000).step_by(every) {
            if fails {
                fail(&mut window, seq, LONG);
            } else {
                let _ = take(&mut window, seq);
            }
        }
        let tried = window.movable(0).tried;
        let bytes = serde_json::to_vec(&tried).unwrap().len();
        assert!(tried.len() < 200 && bytes > SLOT_BYTES, "{} in {bytes}", tried.len());
    }
}

/// What the cursor is to say where each event is looked at.
fn movable_of_each(window: &mut Window, detail: usize) -> Movable {
    let marks = window.marks;
    if let Some(last) = marks.touched().checked_sub(1) {
        window.marks.change(last);
    }
    assert!(!window.marks.has_alike());
    let movable = window.movable(detail);
    window.marks = marks;
    movable
}

#[test]
fn what_a_cursor_says_is_the_same_as_if_each_event_had_been_looked_at() {
    let (mut alike, mut passed) = (0, 0);
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let mut window = window(&value(1), &["a"; 20]);
        let mut out: Vec<(u64, u64)> = Vec::new();
        let (mut next, mut last) = (21, None);
        for step in 0..60 {
            let seq = window.floor().seq + dice.below(20) as u64;
            let chosen = (!out.is_empty()).then(|| dice.below(out.len()));
            match (dice.below(12), chosen) {
                (0..=4, _) => {
                    // Mostly what comes next, as a batch is handed over.
                    let seq =
                        if dice.below(4) > 0 { out.last().map_or(seq, |it| it.0 + 1) } else { seq };
                    let flight = window.take(spot(seq), None, dice.below(8) > 0);
                    out.extend(flight.map(|flight| (seq, flight.number)));
                }
                (5..=7, Some(chosen)) => {
                    let chosen = if dice.heads() { 0 } else { chosen };
                    let (seq, flight) = out.remove(chosen);
                    window.settle(spot(seq), flight);
                    last = Some((seq, flight));
                }
                (8, Some(chosen)) => {
                    let (seq, flight) = out.remove(chosen);
                    let failure = dice.heads().then(|| Failure::now(1, "as a test"));
                    window.fail(spot(seq), flight, failure, Instant::now());
                }
                (9, Some(chosen)) => {
                    let (seq, flight) = out.remove(chosen);
                    if window.history(spot(seq)).0 > 0 {
                        window.give_back(spot(seq), flight);
                    }
                }
                (10, _) => {
                    let back = window.passing();
                    if dice.heads() {
                        window.restore(back);
                        if let Some((seq, flight)) = last.take() {
                            window.unsettle(spot(seq), flight);
                            out.push((seq, flight));
                        }
                    } else {
                        (last, passed) = (None, passed + 1);
                    }
                }
                _ => {
                    window.push([event(next, Some("a"))], at(next + 1));
                    next += 1;
                }
            }
            alike += u32::from(window.marks.has_alike());
            let detail = dice.below(5);
            let of_each = movable_of_each(&mut window, detail);
            assert_eq!(window.movable(detail), of_each, "seed {seed}, step {step}");
        }
    }
    assert!(alike > 1000 && passed > 100, "{alike} {passed}");
}

#[test]
fn of_a_great_batch_that_is_settled_one_by_one_no_more_than_two_are_looked_at_for_each() {
    let mut window = window(&value(1), &vec!["a"; 5000]);
    let flights: Vec<u64> = (1..=5000).map(|seq| take(&mut window, seq)).collect();
    for (seq, flight) in (1..).zip(flights) {
        window.settle(spot(seq), flight);
        assert!(window.marks.alike() <= 1);
        let (next, all) = (at(seq + 1), window.movable(0).tried);
        assert!(seq >= 4999 || all[0].last() == at(5000), "{seq}: {all:?}");
        window.pass();
        assert_eq!((window.floor(), window.marks.alike()), (next, 0));
    }
}

#[test]
fn without_room_for_why_one_range_says_that_a_batch_failed() {
    let mut window = window(&value(1), &vec!["a"; 5000]);
    (1..=5000).for_each(|seq| fail(&mut window, seq, LONG));
    let tried = window.movable(3).tried;
    let [all] = &tried[..] else { panic!("{} entries", tried.len()) };
    assert_eq!((all.at, all.last(), all.attempt), (at(1), at(5000), 1));
}

#[test]
fn nothing_is_folded_past_a_commit_that_is_on_its_way() {
    let mut window = window(&value(1), &["a", "b", "c"]);
    let flights: Vec<u64> = (1..=3).map(|seq| take(&mut window, seq)).collect();
    assert_eq!(window.begin_commit(spot(2), flights[1]), Err(at(2)));
    assert_eq!(window.begin_commit(spot(1), flights[0]), Ok(Position::end_of(1)));
    window.end_commit(spot(1), flights[0], 11);
    window.pass();
    assert_eq!(window.movable(0).folded, 0, "the commit of 2 may be 10");
    window.end_commit(spot(2), flights[1], 10);
    window.pass();
    assert_eq!((window.movable(0).folded, window.floor()), (11, at(3)));
}

#[test]
fn a_commit_in_doubt_is_settled_or_comes_again_as_the_journal_says() {
    for is_there in [true, false] {
        let mut window = window(&value(1), &["a", "b"]);
        let flight = take(&mut window, 1);
        window.begin_commit(spot(1), flight).unwrap();
        window.doubt_commit(spot(1), flight);
        assert_eq!(window.pick(&wish(TOTAL, 1)), Picked::Doubt);
        let next = if is_there { 2 } else { 1 };
        window.resolve(&CursorValue { folded: 9, ..value(next) }, |_| false);
        assert_eq!(picked(&window, TOTAL, 1), [next]);
        assert_eq!(window.movable(0).folded, 9);
    }
}

#[test]
fn a_reset_makes_void_what_is_out_and_what_is_in_doubt() {
    let mut window = window(&value(1), &["a", "b", "c"]);
    let flights: Vec<u64> = (1..=2).map(|seq| take(&mut window, seq)).collect();
    window.begin_commit(spot(1), flights[0]).unwrap();
    window.doubt_commit(spot(1), flights[0]);
    window.reset(at(1), 7, 1);
    assert_eq!(window.standing(spot(2), flights[1], Instant::now()), Standing::Gone);
    window.push([event(1, None)], at(2));
    assert_eq!(picked(&window, TOTAL, 1), [1]);
    assert_eq!(window.movable(0).folded, 7);
    // Late words.
    window.settle(spot(2), flights[1]);
    window.pass();
    assert_eq!(window.floor(), at(1));
    // Nothing is on its way any more that `folded` must not pass.
    let flight = take(&mut window, 1);
    window.begin_commit(spot(1), flight).unwrap();
    window.end_commit(spot(1), flight, 11);
    window.pass();
    assert_eq!((window.movable(0).folded, window.floor()), (11, at(2)));
}

#[test]
fn letters_come_first_and_do_not_move_the_floor() {
    let mut window = window(&value(5), &["a"]);
    window.push_letter(event(2, None));
    let letter = Spot { position: at(2), redriven: true };
    assert_eq!(window.pick(&wish(TOTAL, 9)), Picked::Give(vec![letter]));
    let flight = window.take(letter, None, true).unwrap().number;
    let movable = window.movable(0);
    assert_eq!((movable.next, movable.tried[0].redriven), (at(5), true));
    let mut next = Window::new(&restarted(&window));
    next.push_letter(event(2, None));
    assert_eq!(next.history(letter).0, 1, "its attempts are counted over restarts");
    window.settle(letter, flight);
    window.pass();
    assert_eq!(picked(&window, TOTAL, 9), [5]);
}

#[test]
fn a_deadline_that_passed_makes_a_delivery_fail_and_extend_moves_it() {
    let mut window = window(&value(1), &["a"]);
    let now = Instant::now();
    let flight = window.take(spot(1), Some(now), true).unwrap().number;
    assert_eq!(window.standing(spot(1), flight, now), Standing::Overrun);
    assert_eq!(window.pick(&wish(TOTAL, 1)), Picked::Overrun(spot(1), flight));
    window.extend(spot(1), flight, now + LONG);
    assert_eq!(window.standing(spot(1), flight, now), Standing::Current);
    assert!(matches!(window.pick(&wish(TOTAL, 1)), Picked::Busy(Some(_))));
}
