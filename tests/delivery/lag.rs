//! What a subscription has not settled, how fast it is, and what the journal keeps for it.

use std::fs::File;
use std::time::{Duration, SystemTime};

use docbox::{Limits, Start, Store, SubscriptionStatus, Transaction};

use crate::home::{Home, emit, numbered, small};
use crate::{take, take_all, ui};

fn one(store: &Store) -> SubscriptionStatus {
    store.subscriptions().unwrap().remove(0)
}

#[test]
fn lag_is_what_it_wants_and_has_not_settled_and_files_alone_say_so() {
    let home = Home::new();
    let store = home.still();
    let all = (1..=4).fold(Transaction::new(), |all, n| all.emit(numbered(n)));
    store.commit(all).unwrap();
    emit(&store, 5..=9);
    let mut odd = store
        .subscribe("ui")
        .from(Start::Beginning)
        .subjects(["n/[1357]", "n/2", "n/8"])
        .open()
        .unwrap();
    assert_eq!(one(&store).lag_events, 2);
    take(&mut odd, 1);
    drop(odd);
    store.close().unwrap();
    drop(store);
    let read = Store::open_read_only(home.root()).unwrap();
    let lag = one(&read);
    assert_eq!((lag.lag_events, lag.pid), (1, None));
    assert!(lag.lag_age_s.is_some_and(|age_s| age_s >= 0.0));
    assert_eq!((lag.rate_per_s, lag.catch_up_s, lag.held_bytes), (None, None, 0));
}

#[test]
fn in_the_middle_of_a_commit_the_rest_of_it_is_what_it_lags() {
    let home = Home::new();
    let store = home.still();
    let all = (1..=4).fold(Transaction::new(), |all, n| all.emit(numbered(n)));
    store.commit(all).unwrap();
    let mut ui = ui(&store);
    for left in (0..4).rev() {
        take(&mut ui, 1);
        assert_eq!(one(&store).lag_events, left);
    }
    assert!(one(&store).lag_age_s.is_none());
}

#[test]
fn a_meter_says_how_fast_one_is_and_when_it_has_caught_up() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=9);
    let mut ui = ui(&store);
    let mut meter = store.meter();
    assert!(meter.look().unwrap()[0].rate_per_s.is_none(), "one look tells no speed");
    let idle = meter.look().unwrap().remove(0);
    assert_eq!((idle.rate_per_s, idle.catch_up_s), (Some(0.0), None));
    take(&mut ui, 4);
    emit(&store, 10..=11);
    let busy = meter.look().unwrap().remove(0);
    assert_eq!(busy.lag_events, 7);
    let (rate_per_s, catch_up_s) = (busy.rate_per_s.unwrap(), busy.catch_up_s.unwrap());
    // 4 were settled and 2 came: it gains half as fast as it works.
    assert!((catch_up_s * rate_per_s / 2.0 - 7.0).abs() < 1e-6, "{rate_per_s} {catch_up_s}");
    take_all(&mut ui);
    assert_eq!(meter.look().unwrap()[0].catch_up_s, Some(0.0));
    store.reset("ui", Start::Beginning).unwrap();
    assert!(take_all(&mut ui).len() == 11 && meter.look().unwrap()[0].rate_per_s.is_some());
}

#[test]
fn what_the_journal_keeps_for_one_alone_is_told_with_its_age() {
    let home = Home::new();
    let limits = Limits { retain_age: Duration::from_secs(1000), ..small() };
    let store = Store::options().housekeeping(false).limits(limits).open(home.root()).unwrap();
    drop(ui(&store));
    emit(&store, 1..=50);
    let young = one(&store);
    assert_eq!(young.held_bytes, 0);
    assert!(young.retention_s.is_some_and(|s| s > 900.0 && s <= 1000.0), "{young:?}");
    let segments = home.segments();
    let (old, bytes) = (&segments[..2], |paths: &[std::path::PathBuf]| -> u64 {
        paths.iter().map(|path| path.metadata().unwrap().len()).sum()
    });
    for path in old {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_mins(25)).unwrap();
    }
    let dead = one(&store);
    assert_eq!(dead.held_bytes, bytes(old));
    assert!(dead.retention_s.is_some_and(|s| s < -490.0 && s > -600.0), "{dead:?}");
    take_all(&mut ui(&store));
    let done = one(&store);
    assert_eq!((done.held_bytes, done.retention_s), (0, None));
}
