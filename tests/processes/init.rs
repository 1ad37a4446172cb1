//! `init`, killed.

use std::thread;
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::program::{Guarded, program};
use crate::{dice, docbox};

const ROUNDS: usize = 20;

#[test]
fn an_init_that_is_killed_leaves_nothing_that_a_later_one_does_not_clear() {
    let mut dice = dice();
    let begun = Instant::now();
    docbox(&Home::new(), &["init"], "").ok();
    // A kill after the end of an undisturbed run hits nothing.
    let whole_us = usize::try_from(begun.elapsed().as_micros()).expect("it is short");
    let mut cut = 0;
    for _ in 0..ROUNDS {
        let home = Home::new();
        home.write("mine.json", "1\n");
        for _ in 0..=dice.below(2) {
            let mut init = Guarded::start(&mut program(home.root(), &["init"]));
            thread::sleep(Duration::from_micros(dice.below(whole_us) as u64));
            init.kill();
            cut += usize::from(leftovers(&home) > 0);
        }
        docbox(&home, &["init"], "").ok();
        assert_eq!(leftovers(&home), 0);
        docbox(&home, &["verify"], "").ok();
        assert_eq!(home.text("mine.json"), "1\n");
    }
    println!("{cut} of the killed left a folder beside");
}

fn leftovers(home: &Home) -> usize {
    home.names("").iter().filter(|name| name.starts_with(".docbox-new-")).count()
}
