//! `init`, and which store is meant.

use std::fs;

use crate::program::{Tavern, json, program, run};

#[test]
fn init_makes_a_store_around_the_files_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("jake.json"), "{}").unwrap();
    let made = run(&mut program(folder.path(), &["init"]), b"");
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.stdout, "");
    assert!(made.stderr.contains("made a store in"), "{made:?}");
    assert_eq!(run(&mut program(folder.path(), &["ls"]), b"").ok(), "jake\n");
}

#[test]
fn init_makes_the_folder_and_says_so_in_json_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&mut program(folder.path(), &["--json", "init", "a/b"]), b"");
    let made = &json(&made.ok())[0];
    assert_eq!(made["created"], true);
    let status = run(&mut program(&folder.path().join("a/b"), &["status", "--json"]), b"").ok();
    assert_eq!(json(&status)[0]["store"], made["store"]);
}

#[test]
fn a_second_init_says_so_and_changes_nothing() {
    let tavern = Tavern::with_turns(1);
    let before = fs::read(tavern.home().join("store.json")).unwrap();
    let again = tavern.run(&["init"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stderr.contains("already") && again.stderr.contains("nothing was changed"));
    assert_eq!(fs::read(tavern.home().join("store.json")).unwrap(), before);
    assert_eq!(tavern.run(&["get", "turns/1"]).ok(), "1\n");
}

#[test]
fn the_nearest_store_upwards_is_meant_and_a_named_one_goes_before() {
    let (near, named) = (Tavern::with_turns(1), Tavern::with_turns(2));
    let deep = near.root.join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let root = named.root.to_str().unwrap();
    assert_eq!(run(&mut program(&deep, &["ls"]), b"").ok(), "turns/1\n");
    let both = "turns/1\nturns/2\n";
    assert_eq!(run(program(&deep, &["ls"]).env("DOCBOX_STORE", root), b"").ok(), both);
    assert_eq!(run(program(&deep, &["ls"]).env("DOCBOX_STORE", ""), b"").ok(), "turns/1\n");
    for args in [["--store", root, "ls"], ["ls", "--store", root]] {
        let mut command = program(&deep, &args);
        assert_eq!(run(command.env("DOCBOX_STORE", &near.root), b"").ok(), both);
    }
}

#[test]
fn a_named_store_is_not_searched_for_upwards() {
    let tavern = Tavern::with_turns(1);
    let below = tavern.root.join("turns");
    let said =
        run(&mut program(&tavern.root, &["ls", "--store", below.to_str().unwrap()]), b"").fails(3);
    assert!(said.contains("docbox init"), "{said}");
}

#[test]
fn without_a_store_every_verb_ends_with_3_and_says_init() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["put", "a"][..],
        &["get", "a"],
        &["rm", "a"],
        &["update", "a", "--exec", "cat"],
        &["ls"],
        &["commit"],
        &["commit", "--lines"],
        &["events"],
        &["subscribe", "ui"],
        &["subscriptions"],
        &["reset", "ui", "--to", "now"],
        &["status"],
        &["verify"],
    ] {
        let said = run(&mut program(folder.path(), args), b"{}").fails(3);
        assert!(said.contains("docbox init"), "{args:?}: {said}");
        let gone = folder.path().join("gone");
        let said = run(program(folder.path(), args).env("DOCBOX_STORE", &gone), b"{}").fails(3);
        assert!(said.contains("docbox init") && said.contains("gone"), "{args:?}: {said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made by looking");
}

#[test]
fn a_store_of_another_format_is_refused_by_every_verb() {
    let tavern = Tavern::with_turns(1);
    let path = tavern.home().join("store.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"format\": 1"), "{text}");
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    for args in [
        &["init"][..],
        &["put", "a"],
        &["get", "turns/1"],
        &["ls"],
        &["commit"],
        &["events"],
        &["subscribe", "ui", "--from", "now"],
        &["status"],
        &["verify"],
    ] {
        let said = tavern.run_with(args, "{}").fails(3);
        assert!(said.contains("format 2") && said.contains("newer docbox"), "{args:?}: {said}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_points_to_help() {
    let tavern = Tavern::new();
    for args in [
        &["frobnicate"][..],
        &["get"],
        &["put", "a", "--if-absent", "--if-revision", "9f86d081884c7d65"],
        &["put", "a", "--data", "1"],
        &["subscribe", "ui", "--max", "0"],
        &["subscribe", "ui", "--from", "yesterday"],
        &["reset", "ui"],
        &["update", "a"],
    ] {
        let said = tavern.run(args).fails(2);
        assert!(said.contains("--help"), "{args:?}: {said}");
    }
    assert_eq!(tavern.run(&[]).code, 2);
    let hostile = tavern.run(&["ls", "--\u{1b}[2J"]).fails(2);
    assert!(!hostile.contains('\u{1b}'), "{hostile:?}");
}

#[test]
fn help_and_version_are_data() {
    let tavern = Tavern::new();
    let version = tavern.run(&["--version"]).ok();
    assert_eq!(version, format!("docbox {}\n", env!("CARGO_PKG_VERSION")));
    for verb in [
        "init",
        "put",
        "get",
        "rm",
        "update",
        "ls",
        "commit",
        "events",
        "subscribe",
        "subscriptions",
        "reset",
        "status",
        "verify",
    ] {
        let help = tavern.run(&[verb, "--help"]).ok();
        assert!(help.contains("Example: docbox") || help.contains("docbox put"), "{verb}: {help}");
    }
}
