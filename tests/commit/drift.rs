//! Edits by hand: seen, compared with, never lost.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use docbox::{Error, Revision, Severity, Store, Transaction};
use serde_json::{Value, json};

use crate::door::{Door, is_journal};
use crate::home::{Home, put};

#[test]
fn an_edit_between_two_commits_is_drift_and_put_if_sees_it() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    let read = store.get::<Value>("a").unwrap().unwrap();
    home.write("a.json", "\"edited\"");
    let edited = Revision::of(b"\"edited\"");
    assert_eq!(store.verify().unwrap().worst(), Some(Severity::Drift));
    assert_eq!(store.status().unwrap().drift, 1);
    let stale = Transaction::new().put_if("a", read.revision, &json!(2)).unwrap();
    let Err(Error::Conflict { found, .. }) = store.commit(stale) else { panic!("a conflict") };
    assert_eq!(found, Some(edited));
    store.commit(Transaction::new().put_if("a", edited, &json!(2)).unwrap()).unwrap();
    assert_eq!(home.lines()[1].value["writes"][0]["was"], edited.to_string());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_document_that_somebody_else_made_is_there_for_everything() {
    let home = Home::new();
    let store = home.still();
    home.write("a7 2.json", "{\"from\":\"a synced folder\"}");
    let found = store.get::<Value>("a7 2").unwrap().unwrap();
    assert_eq!(found.value["from"], "a synced folder");
    assert!(store.commit(Transaction::new().put_new("a7 2", &json!(1)).unwrap()).is_err());
    store.commit(Transaction::new().remove_if("a7 2", found.revision).unwrap()).unwrap();
    assert!(!home.is_there("a7 2.json"));
}

#[test]
fn removed_by_hand_is_drift_and_a_new_document_may_be_put() {
    let home = Home::new();
    let store = home.still();
    put(&store, "deep/a", &json!(1));
    fs::remove_dir_all(home.path("deep")).unwrap();
    assert_eq!(store.verify().unwrap().worst(), Some(Severity::Drift));
    store.commit(Transaction::new().put_new("deep/a", &json!(2)).unwrap()).unwrap();
    assert_eq!(home.text("deep/a.json"), "2\n");
}

#[test]
fn a_file_that_is_no_json_is_an_error_for_get_and_its_bytes_are_there_all_the_same() {
    let home = Home::new();
    let store = home.still();
    home.write("a.json", "{\"cut\":\n tru");
    let error = store.get::<Value>("a").unwrap_err();
    let Error::Json { line: 2, what, .. } = &error else { panic!("{error}") };
    assert!(what.contains("a.json"), "{what}");
    assert_eq!(store.get_bytes("a").unwrap().unwrap(), b"{\"cut\":\n tru");
    put(&store, "a", &json!(1));
    assert_eq!(home.text("a.json"), "1\n");
}

#[test]
fn an_edit_made_while_the_commit_is_synced_is_kept_aside() {
    for removes in [false, true] {
        let home = Home::new();
        let document = home.path("a.json");
        let armed = Arc::new(AtomicBool::new(false));
        let fire = Arc::clone(&armed);
        // Between validation and putting in place.
        let door = Door::new(move |call, path| {
            if call == "sync_data" && is_journal(path) && fire.swap(false, Ordering::SeqCst) {
                fs::write(&document, "\"an honest edit\"").unwrap();
            }
        });
        let store =
            Store::options().housekeeping(false).disk(Arc::new(door)).open(home.root()).unwrap();
        put(&store, "a", &json!(1));
        armed.store(true, Ordering::SeqCst);
        let transaction = Transaction::new();
        let transaction =
            if removes { transaction.remove("a") } else { transaction.put("a", &json!(2)) };
        store.commit(transaction.unwrap()).unwrap();
        assert!(!armed.load(Ordering::SeqCst), "the edit was made");
        assert_eq!(home.is_there("a.json"), !removes);
        assert_eq!(home.recovered(), [b"\"an honest edit\""]);
        assert!(store.verify().unwrap().is_clean());
    }
}

/// Writes to a document in place, as little as can be, by one call.
fn overwrite(home: &Home, relative: &str, text: &str) {
    let file = fs::OpenOptions::new().write(true).open(home.path(relative)).unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
}

#[test]
fn an_edit_in_the_instant_after_a_commit_is_known_to_the_next() {
    const ROUNDS: u64 = 500;
    let home = Home::new();
    let store = home.still();
    for round in 0..ROUNDS {
        // All of one length. From the second round on files are used again, and known without being read.
        put(&store, "a", &json!(100_000 + round));
        overwrite(&home, "a.json", &format!("{}\n", 200_000 + round));
        put(&store, "a", &json!(300_000 + round));
    }
    let lines = home.lines();
    for (round, pair) in (0..ROUNDS).zip(lines.chunks(2)) {
        let edit = Revision::of(format!("{}\n", 200_000 + round).as_bytes());
        assert_eq!(pair[1].value["writes"][0]["was"], edit.to_string(), "round {round}");
    }
    assert_eq!(lines.len() as u64, 2 * ROUNDS);
    assert!(home.recovered().is_empty());
}

#[test]
fn list_takes_a_prefix_of_the_keys_text_sorted_by_bytes() {
    let home = Home::new();
    let store = home.still();
    for key in ["agents/b", "agents/a", "agents.x", "agents/a/deep", "agent", "Zed", "é"] {
        put(&store, key, &json!(1));
    }
    let list = |prefix| -> Vec<String> {
        store.list(prefix).unwrap().iter().map(ToString::to_string).collect()
    };
    let all = ["Zed", "agent", "agents.x", "agents/a", "agents/a/deep", "agents/b", "é"];
    assert_eq!(list(""), all);
    assert_eq!(list("agents/"), ["agents/a", "agents/a/deep", "agents/b"]);
    assert_eq!(list("agents"), ["agents.x", "agents/a", "agents/a/deep", "agents/b"]);
    assert!(list("none").is_empty());
}

#[test]
fn hidden_files_links_and_all_that_is_not_json_are_not_ours_and_strays_are_said() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    fs::create_dir_all(home.path(".git/x")).unwrap();
    fs::create_dir_all(home.path("sub.json/x")).unwrap();
    for other in ["README.md", ".hidden.json", ".git/x/y.json", "b.JSON", "sub.json/x/y.json"] {
        home.write(other, "mine");
    }
    symlink("a.json", home.path("link.json")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("z.json"), "1").unwrap();
    symlink(elsewhere.path(), home.path("linked")).unwrap();
    for stray in ["p%q.json", "CON.json", "%41.json"] {
        home.write(stray, "1");
    }
    let keys: Vec<String> = store.list("").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["a"]);
    assert!(store.get_bytes("link").unwrap().is_none());
    assert!(store.get_bytes("linked/z").unwrap().is_none());
    let status = store.status().unwrap();
    assert_eq!((status.documents, status.strays), (1, 4), "sub.json/x/y.json is one as well");
    assert!(store.verify().unwrap().is_clean());
}
