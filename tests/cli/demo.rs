//! `docbox demo`: it must hold, and refuse a folder that has been lived in.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

fn demo(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docbox"))
        .args(["demo", "--fast"])
        .arg(folder)
        .output()
        .unwrap()
}

/// The words of each line that ends in numbers, by the line's name.
fn table(text: &str) -> BTreeMap<String, Vec<String>> {
    let is_word = |word: &&str| word.chars().next().is_some_and(char::is_alphabetic);
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name: Vec<&str> = words.iter().copied().take_while(is_word).collect();
        let values = words[name.len()..].iter().map(|word| (*word).to_owned()).collect();
        rows.insert(name.join(" "), values);
    }
    rows
}

#[test]
fn the_demo_kills_and_loses_nothing_and_says_so_with_exit_0() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("tavern");
    let output = demo(&root);
    let text = String::from_utf8(output.stdout).unwrap();
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}\n{text}\n{progress}", output.status);
    let rows = table(&text);
    let row = |name: &str| rows.get(name).unwrap_or_else(|| panic!("no row {name} in\n{text}"));
    for (name, value) in [
        ("commits", "1600"),
        ("events", "2671"),
        ("acknowledged and lost", "0"),
        ("documents that differ", "0"),
        ("events that differ", "0"),
    ] {
        assert_eq!(row(name), &[value], "{name} in\n{text}");
    }
    assert!(rows.contains_key("verify holds"), "{text}");
    // Delivered, then: lost, out of order, phantom.
    for (name, delivered) in [("ui", "2671"), ("parents", "936"), ("monitor", "722")] {
        let row = row(name);
        assert_eq!(row[0], delivered, "{name} in\n{text}");
        assert_eq!(row[2..5], ["0", "0", "0"], "{name} in\n{text}");
    }
    assert_eq!(progress.matches("writer killed (SIGKILL)").count(), 2, "{progress}");
    assert_eq!(progress.matches("parents killed (SIGKILL)").count(), 1, "{progress}");

    let again = demo(&root);
    assert_eq!(again.status.code(), Some(2), "a folder that was lived in must be refused");
    assert!(again.stdout.is_empty());
}

#[test]
#[cfg(unix)]
fn the_commands_that_the_demo_offers_work_and_show_something() {
    let temp = tempfile::tempdir().unwrap();
    let output = demo(&temp.path().join("it's a tavern"));
    let text = String::from_utf8(output.stdout).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| ["cat ", "jq ", "git diff "].iter().any(|verb| line.starts_with(verb)))
        .collect();
    assert_eq!(commands.len(), 3, "{text}");
    for command in commands {
        let program = command.split(' ').next().unwrap_or_default();
        let is_installed = Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success());
        if !is_installed {
            continue;
        }
        let shown = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(!shown.stdout.is_empty(), "{command} shows nothing");
        assert!(shown.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&shown.stderr));
    }
}
