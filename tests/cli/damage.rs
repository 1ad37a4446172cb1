//! `verify`, and what every other verb does with a damaged store.

use std::fs;
use std::path::Path;

use crate::program::Tavern;

#[test]
fn a_sound_store_is_0_and_stray_things_are_notes() {
    let tavern = Tavern::with_turns(2);
    let sound = tavern.run(&["verify"]);
    assert_eq!((sound.code, sound.stdout.as_str()), (0, ""), "{sound:?}");
    assert!(sound.stderr.contains("2 commits, 2 events") && sound.stderr.contains("sound"));
    fs::write(tavern.root.join("hand-made.json"), "1").unwrap();
    fs::write(tavern.root.join("a:b.json"), "1").unwrap();
    let notes = tavern.run(&["verify"]);
    assert_eq!(notes.code, 0, "{notes:?}");
    assert_eq!(notes.stdout.lines().filter(|line| line.starts_with("note: ")).count(), 2);
}

#[test]
fn an_edit_outside_is_1() {
    let tavern = Tavern::with_turns(3);
    fs::write(tavern.root.join("turns/1.json"), "7\n").unwrap();
    fs::remove_file(tavern.root.join("turns/2.json")).unwrap();
    let drift = tavern.run(&["verify", "--json"]);
    assert_eq!(drift.code, 1, "{drift:?}");
    let findings = drift.json();
    assert_eq!(findings.len(), 2);
    for (finding, (file, what)) in
        findings.iter().zip([("turns/1.json", "edited"), ("turns/2.json", "removed")])
    {
        assert_eq!(finding["severity"], "drift");
        assert!(finding["path"].as_str().unwrap().ends_with(file), "{finding}");
        assert!(finding["what"].as_str().unwrap().contains(what), "{finding}");
    }
}

#[test]
fn damage_in_mid_history_is_refused_by_whoever_would_serve_it() {
    let tavern = Tavern::with_turns(3);
    tavern.run(&["subscribe", "late", "--from", "2"]).ok();
    let offset = tavern.damage_line(2);
    let (file, place) = ("0000000000000001.jsonl", format!("byte {offset}"));

    let events = tavern.run(&["events"]);
    assert_eq!(events.code, 3, "{events:?}");
    assert_eq!(events.json().len(), 1, "what is still good is served");
    assert!(events.stderr.contains(file) && events.stderr.contains(&place), "{events:?}");
    assert!(events.stderr.contains("restore"), "{events:?}");

    let delivered = tavern.run(&["subscribe", "ui", "--from", "beginning"]);
    assert_eq!(delivered.code, 3, "{delivered:?}");
    assert_eq!(delivered.json().len(), 1);
    assert!(delivered.stderr.contains(file) && delivered.stderr.contains(&place), "{delivered:?}");

    let verified = tavern.run(&["verify"]);
    assert_eq!(verified.code, 3, "{verified:?}");
    assert!(verified.stdout.contains(file) && verified.stdout.contains(&place), "{verified:?}");
    assert!(verified.stdout.starts_with("damage: "), "{verified:?}");
}

#[test]
fn damage_in_the_last_acknowledged_line_stops_every_writer() {
    let tavern = Tavern::with_turns(3);
    let offset = tavern.damage_line(3);
    let place = format!("byte {offset}");
    for args in [
        &["put", "a"][..],
        &["rm", "turns/1"],
        &["commit"],
        &["subscribe", "ui", "--from", "now"],
        &["reset", "ui", "--to", "now"],
    ] {
        let said = tavern.run_with(args, "{}").fails(3);
        assert!(
            said.contains("0000000000000001.jsonl") && said.contains(&place),
            "{args:?}: {said}"
        );
    }
    let events = tavern.run(&["events"]);
    assert_eq!((events.code, events.json().len()), (3, 2), "{events:?}");
    assert!(events.stderr.contains(&place) && events.stderr.contains("as it stands"), "{events:?}");
    let got = tavern.run(&["get", "turns/1"]);
    assert_eq!((got.code, got.stdout.as_str()), (0, "1\n"), "{got:?}");
    let verified = tavern.run(&["verify"]);
    assert_eq!(verified.code, 3, "{verified:?}");
    assert!(verified.stdout.contains(&place), "{verified:?}");
}

#[test]
fn a_cut_line_behind_the_head_is_set_aside_and_said() {
    let tavern = Tavern::with_turns(2);
    let (_, end) = tavern.line(2);
    let mut bytes = fs::read(tavern.segment()).unwrap();
    let cut = b"{\"crc\":\"9ae0daaf\",\"prev\":\"1c4f03b2\",\"seq\":3,\"ba";
    bytes[end + 1..end + 1 + cut.len()].copy_from_slice(cut);
    fs::write(tavern.segment(), bytes).unwrap();
    let listed = tavern.run(&["ls"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "turns/1\nturns/2\n"), "{listed:?}");
    assert!(listed.stderr.contains("torn tail"), "{listed:?}");
    let kept: Vec<_> = fs::read_dir(tavern.home().join("recovered")).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let again = tavern.run(&["verify"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(!again.stderr.contains("torn tail"), "{again:?}");
    assert!(tavern.run_with(&["put", "a"], "1").ok().starts_with("3 "));
}

#[test]
fn a_cursor_of_another_store_is_refused_until_it_is_reset() {
    let (tavern, other) = (Tavern::with_turns(2), Tavern::with_turns(2));
    for tavern in [&tavern, &other] {
        tavern.run(&["subscribe", "ui", "--from", "beginning"]).ok();
    }
    fs::copy(other.home().join("cursors/ui"), tavern.home().join("cursors/ui")).unwrap();
    let said = tavern.run(&["subscribe", "ui"]).fails(3);
    assert!(said.contains("belongs to store") && said.contains("docbox reset ui"), "{said}");
    assert_eq!(tavern.run(&["verify"]).code, 3);
    let listed = tavern.run(&["subscriptions"]).ok();
    assert!(listed.contains("belongs to store"), "{listed}");
    tavern.run(&["reset", "ui", "--to", "beginning"]).ok();
    assert_eq!(tavern.run(&["subscribe", "ui"]).json().len(), 2);
    assert_eq!(tavern.run(&["verify"]).code, 0);
}

#[test]
fn a_cursor_beyond_the_journal_is_refused_until_it_is_reset() {
    let tavern = Tavern::with_turns(1);
    let old = tavern.root.with_file_name("old");
    copy(&tavern.home(), &old);
    tavern.run_with(&["put", "a", "--event", "T"], "1").ok();
    tavern.run(&["subscribe", "ui", "--from", "beginning"]).ok();
    copy(&tavern.home().join("cursors"), &old.join("cursors"));
    fs::remove_dir_all(tavern.home()).unwrap();
    fs::rename(&old, tavern.home()).unwrap();
    let said = tavern.run(&["subscribe", "ui"]).fails(3);
    assert!(said.contains("stands after 2") && said.contains("ends at 1"), "{said}");
    assert!(said.contains("docbox reset ui"), "{said}");
    tavern.run(&["reset", "ui", "--to", "now"]).ok();
    assert_eq!(tavern.run(&["subscribe", "ui"]).ok(), "");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &there);
        } else {
            fs::copy(entry.path(), there).unwrap();
        }
    }
}
