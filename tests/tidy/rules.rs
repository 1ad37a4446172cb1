//! Absences, sizes, and completeness.

use std::collections::BTreeSet;
use std::process::Command;

use crate::source::{Source, entries, read, root, rust};

/// The most lines of a file; past that, look for the second noun.
const FILE_LINES: usize = 420;

/// Where a text may not stand in the code of `src/`.
fn only_in(what: &str, allowed: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for source in rust("src") {
        if allowed(&source.path) {
            continue;
        }
        if source.path.ends_with("/tests.rs") {
            continue;
        }
        let lines = source.code_lines().filter(|(_, line)| line.contains(what));
        wrong.extend(
            lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())),
        );
    }
    assert!(wrong.is_empty(), "`{what}` stands where it must not: {wrong:#?}");
}

fn is_program(path: &str) -> bool {
    path == "src/main.rs" || path.starts_with("src/cli/") || path == "src/cli.rs"
}

/// What fuzzing asserts: a panic is how it says so.
fn is_fuzzing(path: &str) -> bool {
    path == "src/fuzzing.rs" || path.starts_with("src/fuzzing/")
}

#[test]
fn what_fuzzing_asserts_is_in_no_product() {
    let lib = read("src/lib.rs");
    for what in ["#[doc(hidden)]\npub mod fuzzing;", "extern crate self as docbox;"] {
        assert!(lib.contains(&format!("#[cfg(any(test, fuzzing))]\n{what}")), "{what}");
    }
    let named = rust("src").into_iter().filter(|source| source.code().contains("crate::fuzzing"));
    assert_eq!(named.count(), 0, "nothing else uses it");
}

#[test]
fn only_the_door_touches_the_disk() {
    let door = |path: &str| path == "src/fs.rs" || path.starts_with("src/fs/");
    only_in("std::fs", |path| door(path) || is_program(path));
    only_in("rustix", door);
    only_in("fs2", door);
    only_in("tempfile", |path| door(path) || is_program(path));
}

#[test]
fn only_the_bell_names_notify() {
    only_in("notify::", |path| path == "src/bell.rs");
}

#[test]
fn only_the_program_prints_or_exits() {
    for what in ["println!", "print!(", "eprint", "process::exit", "stdout()", "stderr()"] {
        only_in(what, is_program);
    }
}

#[test]
fn nothing_is_left_to_do_and_nothing_is_shared_by_stealth() {
    for what in ["todo!", "unimplemented!", "dbg!", "static mut", "lazy_static", "thread_local!"] {
        only_in(what, |_| false);
    }
    let is_call = |path: &str| matches!(path, "src/fs/lease.rs" | "src/fs/write_back.rs");
    only_in("unsafe ", is_call);
    only_in("libc::", is_call);
}

#[test]
fn the_library_never_panics_by_unwrap() {
    for what in [".unwrap()", ".expect(", "panic!("] {
        only_in(what, |path| is_program(path) || path.ends_with("/tests.rs") || is_fuzzing(path));
    }
}

#[test]
fn nothing_that_can_fail_happens_in_drop() {
    for source in rust("src").iter().filter(|source| !is_program(&source.path)) {
        for drop in source.code().split("impl Drop for ").skip(1) {
            let body = drop.split("\n}\n").next().unwrap_or_default();
            assert!(!body.contains('?'), "{}: {body}", source.path);
        }
    }
}

#[test]
fn no_file_has_outgrown_its_noun() {
    let long: Vec<String> = ["src", "tests"]
        .into_iter()
        .flat_map(rust)
        .filter(|source| source.text.lines().count() > FILE_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn no_test_was_forgotten() {
    let cargo = read("Cargo.toml");
    for folder in entries(&root().join("tests")) {
        let main = folder.join("main.rs");
        if main.is_file() {
            let path = main
                .strip_prefix(root())
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            assert!(
                cargo.contains(&format!("path = \"{path}\"")),
                "{path} stands not in Cargo.toml"
            );
        }
    }
    let sources = rust("tests");
    let declared: BTreeSet<String> = sources.iter().flat_map(modules).collect();
    for source in &sources {
        let name =
            source.path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main");
        let name = name.rsplit('/').next().unwrap_or_default();
        let is_root = source.path.ends_with("/main.rs") || source.path == "tests/support/mod.rs";
        let is_target = source.path.strip_prefix("tests/fuzz/").is_some_and(|path| {
            read("tests/fuzz/Cargo.toml").contains(&format!("path = \"{path}\""))
        });
        assert!(
            is_root || is_target || declared.contains(name),
            "{} is no module of any test",
            source.path
        );
    }
}

/// The modules that a file declares.
fn modules(source: &Source) -> Vec<String> {
    let lines = source.text.lines().map(str::trim);
    lines
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// Packages of their own below tests/: what they need is not the product's to fetch or to build.
fn packages() -> Vec<String> {
    let tests = entries(&root().join("tests"));
    let packages = tests.into_iter().filter(|folder| folder.join("Cargo.toml").is_file());
    packages.filter_map(|folder| Some(format!("tests/{}", folder.file_name()?.to_str()?))).collect()
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let below = packages().into_iter().map(|package| format!("{package}/Cargo.toml"));
    for file in std::iter::once("Cargo.toml".to_owned()).chain(below) {
        let mut in_dependencies = false;
        for line in read(&file).lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            } else if in_dependencies && line.contains('=') {
                assert!(line.contains(" # "), "{file}: no reason given: {line}");
            }
        }
    }
}

#[test]
fn a_package_below_tests_stands_alone() {
    let product = read("Cargo.toml");
    for package in packages() {
        let cargo = read(&format!("{package}/Cargo.toml"));
        assert!(cargo.contains("publish = false"), "{package} is not for publishing");
        assert!(cargo.contains("\n[workspace]\n"), "{package} is a workspace of its own");
        assert!(root().join(&package).join("Cargo.lock").is_file(), "{package} has its lock file");
        assert!(!product.contains(&package), "the product knows nothing of {package}");
    }
}

#[test]
fn the_top_level_holds_what_was_asked_for_and_nothing_else() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Ok(listed) = listed else {
        eprintln!("skipped: there is no git");
        return;
    };
    let allowed = ["Cargo.toml", "Cargo.lock", "src", "tests", "fixtures", "docs", "README.md"];
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let top: BTreeSet<&str> = listed
        .split_terminator('\0')
        .map(|path| path.split('/').next().unwrap_or_default())
        .collect();
    let others: Vec<_> = top
        .into_iter()
        .filter(|name| {
            !allowed.contains(name) && !name.starts_with('.') && !name.starts_with("LICENSE")
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

/// What threads share goes through one place, where the tests put a checker of schedules.
#[test]
fn only_one_place_names_the_primitives_of_threads() {
    // A wait for another process that has a file open is no matter of locks.
    let doors = ["src/sync.rs", "src/fs/os.rs", "src/fs/way.rs"];
    for source in rust("src") {
        if doors.contains(&&*source.path)
            || is_program(&source.path)
            || is_fuzzing(&source.path)
            || source.path.ends_with("/tests.rs")
        {
            continue;
        }
        let wrong: Vec<_> = source
            .code_lines()
            .filter(|(_, line)| line.contains("std::sync") || line.contains("std::thread"))
            .filter(|(_, line)| *line != "use std::sync::Arc;")
            // A look at a file that another process writes is no matter of locks.
            .filter(|(_, line)| line.trim() != "std::thread::yield_now();")
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", source.path);
    }
}
