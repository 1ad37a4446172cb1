//! The corpus, once more: every input that fuzzing kept, and some that differ from it a little.
#![expect(clippy::disallowed_methods, reason = "the corpus is no store")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use allocation_counter::measure;

use super::{TARGETS, Target};
use crate::sync::tests::alone;

/// How many inputs are made of each one of the corpus.
const OTHERS: u32 = 10;

/// The corpus of a target.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// The input with a few bytes changed, cut out or repeated; the same ones each time.
fn changed(input: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for step in 0..=number % 3 {
        let dice =
            crc32fast::hash(&[&bytes[..], &number.to_le_bytes(), &step.to_le_bytes()].concat());
        let at = (dice >> 8) as usize % (bytes.len() + 1);
        let end = bytes.len().min(at + (dice >> 4 & 7) as usize);
        match dice & 7 {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.extend_from_within(at..end),
            3 => bytes.insert(at, (dice >> 24) as u8),
            _ => bytes[at..end.min(at + 1)]
                .iter_mut()
                .for_each(|byte| *byte ^= 1 << (dice >> 28 & 7)),
        }
    }
    bytes
}

fn replay(target: &str, hold: impl Fn(&[u8]) + Copy + Send + Sync + 'static) {
    let corpus = corpus(target);
    assert!(corpus.len() > 3, "{target} has a corpus");
    for (path, input) in corpus {
        for number in 0..=OTHERS {
            let input = if number == 0 { input.clone() } else { changed(&input, number) };
            let given = input.clone();
            // A store in the unit tests has the checker's locks, and these want its threads.
            let replayed = AssertUnwindSafe(|| alone(move || hold(&given)));
            if let Err(panic) = catch_unwind(replayed) {
                eprintln!("{target}: {path}, change {number}: {}", input.escape_ascii());
                resume_unwind(panic);
            }
        }
    }
}

/// Runs one target; what it took of memory at most must be what its input warrants.
fn within(most: u64, target: Target, input: &[u8]) {
    let taken = measure(|| target(input)).bytes_max;
    assert!(
        taken <= most,
        "{taken} bytes for an input of {}, and {most} are warranted",
        input.len()
    );
}

fn of(name: &str) -> Target {
    TARGETS.iter().find(|(target, _)| *target == name).unwrap().1
}

/// A length in a register is a number like any other; the file says how much there is to read.
#[test]
fn a_length_in_a_register_sizes_no_buffer() {
    alone(open_with_lengths);
}

fn open_with_lengths() {
    let disk = super::golden::sound(1).disk.fork();
    let path = "/s/.docbox/head";
    let file = String::from_utf8(disk.read(path).unwrap()).unwrap();
    let longer = |line: &str| {
        let (before, after) = line.split_once("\"offset\":").unwrap();
        let (_, after) = after.split_once(',').unwrap();
        let line = format!("{before}\"offset\":{},{after}", 1_u64 << 40);
        super::records::sealed(&line.as_bytes()[18..line.len() - 1])
    };
    let slots = file.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let mut slot = longer(line.trim_end());
        slot.resize(4095, b' ');
        [slot, b"\n".to_vec()].concat()
    });
    disk.write(path, slots.collect::<Vec<_>>().concat());
    let taken = measure(|| drop(super::golden::open(&disk))).bytes_max;
    assert!(taken < 2 << 20, "{taken} bytes for a store of a few KiB");
}

#[test]
fn any_line_is_refused_or_reads_back_and_takes_no_more_memory_than_it_warrants() {
    replay("records", |input| within((64 << 10) + 16 * input.len() as u64, of("records"), input));
}

#[test]
fn any_register_is_refused_or_goes_on_and_takes_no_more_memory_than_it_warrants() {
    replay("registers", |input| {
        within((256 << 10) + 16 * input.len() as u64, of("registers"), input);
    });
}

#[test]
fn any_segment_is_served_up_to_its_first_damage_and_takes_no_more_memory_than_it_warrants() {
    replay("segments", |input| within((1 << 20) + 16 * input.len() as u64, of("segments"), input));
}

#[test]
fn any_key_stays_inside_and_comes_back_and_takes_no_more_memory_than_it_warrants() {
    replay("keys", |input| within((64 << 10) + 64 * input.len() as u64, of("keys"), input));
}

#[test]
fn any_transaction_is_refused_with_its_place_or_committed_as_given_and_takes_no_more_memory_than_it_warrants()
 {
    replay("transactions", |input| {
        within((64 << 10) + 400 * input.len() as u64, of("transactions"), input);
    });
}

#[test]
fn any_damage_to_a_store_is_said_and_nothing_but_what_was_committed_is_served() {
    replay("store", of("store"));
}
