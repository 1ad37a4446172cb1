//! The recorded day of a Tavern project: the file is what the generator writes, and it makes sense.
#![expect(clippy::disallowed_methods, reason = "the fixture is a plain file of the repository")]

use std::path::PathBuf;
use std::{env, fs};

mod form;
mod replay;
mod story;
#[path = "../support/tavern/mod.rs"]
mod tavern;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/tavern").join(name)
}

#[test]
fn the_fixture_is_byte_for_byte_what_the_generator_writes() {
    let (path, day) = (fixture("day.jsonl"), tavern::day());
    if env::var_os("DOCBOX_BLESS").is_some_and(|bless| bless == "1") {
        fs::write(&path, &day).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let found =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let differs = day.lines().zip(found.lines()).position(|(ours, theirs)| ours != theirs);
    assert!(
        found == day,
        "{} differs from the generator, first in line {}; if the generator is right: DOCBOX_BLESS=1 cargo test --test tavern",
        path.display(),
        differs.unwrap_or(day.lines().count().min(found.lines().count())) + 1,
    );
}

#[test]
fn the_readme_gives_the_right_numbers() {
    let (path, day) = (fixture("README.md"), replay::replay(&tavern::day()));
    let readme =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let events: usize = day.iter().map(|commit| commit.events.len()).sum();
    let numbers = format!("{} commits, {events} events", day.len());
    assert!(readme.contains(&numbers), "{} should say: {numbers}", path.display());
}
