//! Documents that are edited by hand while writers write them, and are killed.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use docbox::Revision;
use serde_json::{Value, json};

use crate::crowd::{Crowd, Id};
use crate::home::Home;
use crate::program::LIMIT;
use crate::{dice, docbox, made};

const WRITERS: usize = 2;
const DOCUMENTS: usize = 4;
const EDITS: usize = 200;
/// A writer is killed after so many edits.
const KILL_EVERY: usize = 10;
/// Where names cannot change places, one of so many edits at most may fall into the instant between the last
/// look and the rename, which docs/guarantees.md names: on ext4 it is one of fifteen, because there a rename
/// allocates the new file's blocks before it takes effect. Without that last look it would be one of two.
const IN_THE_INSTANT: usize = 4;

#[test]
fn an_edit_by_hand_stays_or_is_kept_aside_or_was_read_by_the_commit_that_replaced_it() {
    let home = made();
    let mut dice = dice();
    let mut crowd = Crowd::new(home.root());
    let mut writers = [0; WRITERS];
    for writer in &mut writers {
        *writer = begin(&mut crowd);
    }
    let mut number = 0;
    for edit in 0..EDITS {
        // At most six answers are on their way: until this document's turn comes again, a commit was begun
        // and made, so that no edit replaces another.
        for _ in 0..2 + dice.below(2) {
            let (id, said) = crowd.next(Instant::now() + LIMIT).expect("a writer answers");
            assert!(said["seq"].is_u64(), "{said}");
            if writers.contains(&id) {
                number += 1;
                crowd.give(id, &transaction(number));
            }
        }
        // At any instant of the next commit.
        let pause = Duration::from_micros(dice.below(2000) as u64);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        edit_by_hand(&home, edit % DOCUMENTS, edit);
        if edit % KILL_EVERY == KILL_EVERY - 1 {
            let slot = dice.below(WRITERS);
            crowd.kill(writers[slot]);
            writers[slot] = begin(&mut crowd);
        }
    }
    for id in writers {
        crowd.kill(id);
    }
    // Whoever comes next rolls forward what they left.
    let status = docbox(&home, &["status", "--json"], "").ok();
    let status: Value = serde_json::from_str(&status).expect("a status");
    assert_kept(&home, status["path"] == "exchange");
}

fn begin(crowd: &mut Crowd) -> Id {
    let id = crowd.start(&["commit", "--lines"]);
    // One waits while another is committed.
    (0..2).for_each(|number| crowd.give(id, &transaction(number)));
    id
}

/// Writes all documents, whatever is there.
fn transaction(number: usize) -> String {
    let write = |at: usize| json!({ "key": format!("shared/{at}"), "doc": { "by": number } });
    let writes: Vec<_> = (0..DOCUMENTS).map(write).collect();
    format!("{}\n", json!({ "writes": writes }))
}

fn content(edit: usize) -> String {
    format!("{{ \"by hand\": {edit} }}\n")
}

/// As editors do it: another file, renamed.
fn edit_by_hand(home: &Home, document: usize, edit: usize) {
    home.write(".edited", content(edit));
    fs::rename(home.path(".edited"), home.path(&format!("shared/{document}.json")))
        .expect("the document can be replaced");
}

fn assert_kept(home: &Home, is_exchanged: bool) {
    let mut found: BTreeSet<Vec<u8>> = home.recovered().into_iter().collect();
    let aside = found.len();
    found.extend((0..DOCUMENTS).map(|at| home.read(&format!("shared/{at}.json"))));
    let lines = home.lines();
    let writes = lines.iter().flat_map(|line| line.value["writes"].as_array().expect("writes"));
    let read: BTreeSet<&str> = writes.filter_map(|write| write["was"].as_str()).collect();
    let is_kept = |edit: &usize| {
        let bytes = content(*edit).into_bytes();
        read.contains(&*Revision::of(&bytes).to_string()) || found.contains(&bytes)
    };
    let lost: Vec<usize> = (0..EDITS).filter(|edit| !is_kept(edit)).collect();
    println!(
        "{} commits, {EDITS} edits by hand, {aside} kept aside, in the instant of a rename: {lost:?}",
        lines.len()
    );
    let most = if is_exchanged { 0 } else { EDITS / IN_THE_INSTANT };
    assert!(lost.len() <= most, "{lost:?}");
}
