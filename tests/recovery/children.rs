//! A program that starts others all the time, as many do: a child that is just being started shares its
//! parent's descriptors, and locks, for a moment.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use docbox::Store;

use crate::home::Home;

#[test]
fn locks_are_given_back_at_once_though_children_are_just_being_started() {
    let home = Home::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let _ = Command::new("true").stdin(Stdio::null()).status();
                }
            });
        }
        let opened: Result<Vec<()>, docbox::Error> = (0..200)
            .map(|_| {
                let store = Store::options().housekeeping(false).open(home.root())?;
                let start = docbox::Start::Beginning;
                drop(store.subscribe("ui").from(start).open()?);
                drop(store.subscribe("ui").open()?);
                store.close()
            })
            .collect();
        done.store(true, Ordering::Release);
        opened.unwrap();
    });
}
