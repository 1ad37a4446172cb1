//! `status`, `subscriptions`, `reset`, and a store that cannot be written.

use std::fs;

use serde_json::json;

use crate::program::Tavern;

#[test]
fn status_says_how_the_store_is() {
    let tavern = Tavern::with_turns(3);
    tavern.run(&["subscribe", "ui", "--from", "1"]).ok();
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    fs::write(tavern.root.join("turns/1.json"), "edited").unwrap();
    fs::write(tavern.root.join("hand-made.json"), "1").unwrap();
    fs::write(tavern.root.join("a:b.json"), "1").unwrap();
    let status = &tavern.run(&["status", "--json"]).json()[0];
    for (name, value) in [
        ("head", json!(4)),
        ("applied", json!(4)),
        ("oldest", json!(1)),
        ("segments", json!(1)),
        ("documents", json!(5)),
        ("drift", json!(1)),
        ("never_committed", json!(1)),
        ("strays", json!(1)),
    ] {
        assert_eq!(status[name], value, "{name}: {status}");
    }
    assert_eq!(status["subscriptions"][0]["lag_events"], 1);
    // Which of the two it is depends on the filesystem of this machine's temporary folder.
    let path = docbox::Store::open(&tavern.root).unwrap().status().unwrap().path.unwrap();
    assert_eq!(status["path"], path);
    let text = tavern.run(&["status"]).ok();
    assert!(text.lines().any(|line| line == format!("path: {path}")), "{text}");
    for line in ["head: 4", "drift: 1", "subscription ui: at 3, lag 1 events"] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}: {text}");
    }
}

#[test]
fn subscriptions_tell_position_lag_and_age() {
    let tavern = Tavern::with_turns(3);
    assert_eq!(tavern.run(&["subscriptions"]).ok(), "");
    assert_eq!(tavern.run(&["subscriptions", "--json"]).ok(), "");
    tavern.run(&["subscribe", "b", "--from", "beginning", "--max", "1"]).ok();
    tavern.run(&["subscribe", "a", "--from", "now"]).ok();
    let all = tavern.run(&["subscriptions", "--json"]).json();
    assert_eq!((&all[0]["name"], &all[0]["lag_events"]), (&json!("a"), &json!(0)));
    assert_eq!((&all[1]["name"], &all[1]["lag_events"]), (&json!("b"), &json!(2)));
    assert!(all[0]["lag_age_s"].is_null() && all[1]["lag_age_s"].as_f64().unwrap() >= 0.0);
    let text = tavern.run(&["subscriptions"]).ok();
    assert!(text.starts_with("a\t3\t0\t-\t-\t-\t-\t-\t0\t0\nb\t1\t2\t"), "{text}");
}

#[test]
fn reset_makes_a_subscription_go_on_from_elsewhere() {
    let tavern = Tavern::with_turns(3);
    tavern.run(&["subscribe", "ui", "--from", "beginning"]).ok();
    assert_eq!(tavern.run(&["reset", "ui", "--to", "1-0"]).ok(), "ui 1-0\n");
    assert_eq!(tavern.run(&["subscribe", "ui"]).json()[0]["id"], "1-2-0");
    tavern.run(&["reset", "ui", "--to", "beginning"]).ok();
    assert_eq!(tavern.run(&["subscribe", "ui"]).json().len(), 3);
    let now = tavern.run(&["reset", "ui", "--to", "now", "--json"]).ok();
    assert_eq!(now, "{\"name\":\"ui\",\"position\":\"3\"}\n");
    let said = tavern.run(&["reset", "nobody", "--to", "now"]).fails(1);
    assert!(said.contains("no subscription `nobody`"), "{said}");
    tavern.run(&["reset", "ui", "--to", "9"]).fails(2);
}

/// As root no mode refuses anything, so the program runs as nobody then.
#[cfg(unix)]
#[test]
fn a_store_that_cannot_be_written_is_read_as_it_stands() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::Command;

    use crate::program::{Outcome, run};

    const NOBODY: u32 = 65534;

    fn modes(path: &Path, file: u32, dir: u32) {
        let meta = fs::symlink_metadata(path).unwrap();
        if meta.is_dir() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            for entry in fs::read_dir(path).unwrap() {
                modes(&entry.unwrap().path(), file, dir);
            }
        }
        let mode = if meta.is_dir() { dir } else { file };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    let tavern = Tavern::with_turns(2);
    tavern.run(&["subscribe", "ui", "--from", "beginning"]).ok();
    let outer = tavern.root.parent().unwrap();
    fs::set_permissions(outer, fs::Permissions::from_mode(0o755)).unwrap();
    let docbox = outer.join("docbox");
    fs::copy(env!("CARGO_BIN_EXE_docbox"), &docbox).unwrap();
    fs::set_permissions(&docbox, fs::Permissions::from_mode(0o755)).unwrap();
    modes(&tavern.root, 0o444, 0o555);
    let is_root = fs::metadata("/proc/self").map_or(0, |meta| meta.uid()) == 0;
    let as_reader = |args: &[&str]| -> Outcome {
        let mut command = Command::new(&docbox);
        command.args(args).current_dir(&tavern.root).env_remove("DOCBOX_STORE");
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        run(&mut command, b"1")
    };
    for args in [
        &["get", "turns/1"][..],
        &["ls"],
        &["events"],
        &["status"],
        &["subscriptions"],
        &["verify"],
    ] {
        let read = as_reader(args);
        assert_eq!(read.code, 0, "{args:?}: {read:?}");
        assert!(read.stderr.contains("as it stands"), "{args:?}: {read:?}");
    }
    assert_eq!(as_reader(&["get", "turns/2"]).stdout, "2\n");
    assert_eq!(as_reader(&["get", "gone"]).code, 1);
    for args in [
        &["put", "a"][..],
        &["rm", "turns/1"],
        &["update", "turns/1", "--exec", "cat"],
        &["commit"],
        &["subscribe", "ui"],
        &["reset", "ui", "--to", "now"],
    ] {
        let said = as_reader(args).fails(3);
        assert!(said.contains("Permission denied"), "{args:?}: {said}");
    }
    modes(&tavern.root, 0o644, 0o755);
}

#[test]
fn status_warns_of_what_the_journal_keeps_for_a_subscription_that_nobody_consumes() {
    let tavern = Tavern::with_turns(1);
    tavern.run(&["subscribe", "dead", "--from", "now"]).ok();
    assert_eq!(tavern.run(&["status"]).stderr, "");
    let sizes = docbox::Sizes { segment_bytes: 1500, fill_bytes: 512 };
    let limits = docbox::Limits { sizes, ..docbox::Limits::default() };
    let store = docbox::Store::options().limits(limits).open(&tavern.root).unwrap();
    for turn in 0..50 {
        store.commit(docbox::Transaction::new().put("turn", &turn).unwrap()).unwrap();
    }
    store.close().unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(24 * 8);
    for entry in fs::read_dir(tavern.home().join("journal")).unwrap() {
        let file = fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(old).unwrap();
    }
    let warned = tavern.run(&["status"]).stderr;
    for what in ["subscription `dead` keeps", "bytes of the journal for 86", "docbox remove dead"] {
        assert!(warned.contains(what), "{warned}");
    }
    assert!(tavern.run(&["subscriptions"]).ok().contains("nobody consumes it"));
    tavern.run(&["remove", "dead"]).ok();
    assert_eq!(tavern.run(&["status"]).stderr, "");
}

#[cfg(unix)]
#[test]
fn subscriptions_can_be_watched() {
    let tavern = Tavern::with_turns(3);
    tavern.run(&["subscribe", "ui", "--from", "beginning", "--max", "1"]).ok();
    let watching = tavern.start(&["subscriptions", "--watch", "--json"]);
    let first: serde_json::Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!((&first["lag_events"], &first["rate_per_s"]), (&2.into(), &serde_json::Value::Null));
    tavern.run(&["subscribe", "ui"]).ok();
    loop {
        let next: serde_json::Value = serde_json::from_str(&watching.line()).unwrap();
        if next["lag_events"] == 0 {
            assert_eq!(next["catch_up_s"], 0.0);
            break;
        }
    }
    watching.signal("TERM");
    assert_eq!(watching.end().code, 0);
}
