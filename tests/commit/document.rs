//! The files that commits leave.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use docbox::{Transaction, layout};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::home::{Home, put};

#[test]
fn the_file_is_the_layout_of_the_text_and_the_revision_is_what_sha256sum_says() {
    let home = Home::new();
    let store = home.still();
    let text = r#"{"name" : "María Elena", "list":[1, {"a":[]}], "empty":{}}"#;
    let commit = store.commit(Transaction::new().put_json("agents/m", text).unwrap()).unwrap();
    let file = home.read("agents/m.json");
    assert_eq!(file, layout::pretty(&layout::compact(text.as_bytes()).unwrap()));
    let sum = Sha256::digest(&file)[..8]
        .iter()
        .fold(String::new(), |sum, byte| format!("{sum}{byte:02x}"));
    assert_eq!(commit.revision("agents/m").unwrap().to_string(), sum);
    assert_eq!(store.get::<Value>("agents/m").unwrap().unwrap().revision.to_string(), sum);
    assert_eq!(store.get_bytes("agents/m").unwrap().unwrap(), file);
}

#[test]
fn every_token_is_kept_as_it_came() {
    let home = Home::new();
    let store = home.still();
    let text = r#"{"big":123456789012345678901234567890,"one":1.0,"e":1E+2,"s":"\u00e9\/\n","s":"é","-0":-0}"#;
    store.commit(Transaction::new().put_json("t", text).unwrap()).unwrap();
    assert_eq!(layout::compact(&home.read("t.json")).unwrap(), text);
    assert!(home.lines()[0].text.contains(text));
}

#[test]
fn a_document_may_be_null_and_that_is_no_deletion() {
    let home = Home::new();
    let store = home.still();
    put(&store, "n", &Value::Null);
    assert_eq!(home.text("n.json"), "null\n");
    assert_eq!(store.get::<Value>("n").unwrap().unwrap().value, Value::Null);
    assert_eq!(store.list("").unwrap().len(), 1);
    drop(store);
    fs::remove_file(home.path("n.json")).unwrap();
    home.lose_page_cache();
    let store = home.still();
    assert_eq!(home.text("n.json"), "null\n", "redo takes it for a document too");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn identical_bytes_are_a_commit_that_leaves_the_file_untouched() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!({"n": 1}));
    let before = fs::metadata(home.path("a.json")).unwrap();
    assert_eq!(put(&store, "a", &json!({"n": 1})), 2);
    let after = fs::metadata(home.path("a.json")).unwrap();
    assert_eq!(
        (before.ino(), before.modified().unwrap()),
        (after.ino(), after.modified().unwrap())
    );
    assert_eq!((before.ctime(), before.ctime_nsec()), (after.ctime(), after.ctime_nsec()));
    let write = &home.lines()[1].value["writes"][0];
    assert_eq!(write["was"], write["rev"]);
}

#[test]
fn a_replaced_document_keeps_its_mode_and_a_new_one_is_as_the_users_own_files() {
    let home = Home::new();
    let store = home.still();
    let mode = |relative: &str| fs::metadata(home.path(relative)).unwrap().mode() & 0o7777;
    put(&store, "sub/a", &json!(1));
    home.write("own", "");
    fs::create_dir(home.path("own-folder")).unwrap();
    assert_eq!(mode("sub/a.json"), mode("own"));
    assert_eq!(mode("sub"), mode("own-folder"));
    for kept in [0o640, 0o600, 0o755, 0o444] {
        fs::set_permissions(home.path("sub/a.json"), fs::Permissions::from_mode(kept)).unwrap();
        put(&store, "sub/a", &json!({ "mode": kept }));
        assert_eq!(mode("sub/a.json"), kept);
    }
    // Also where it takes a new file, because somebody reads the one that was displaced.
    let waiting = home.names(".docbox/spool").pop().expect("a displaced file");
    let held = fs::File::open(home.path(".docbox/spool").join(waiting)).unwrap();
    fs::set_permissions(home.path("sub/a.json"), fs::Permissions::from_mode(0o640)).unwrap();
    put(&store, "sub/a", &json!("new"));
    assert_eq!(mode("sub/a.json"), 0o640);
    drop(held);
    assert_eq!(mode(".docbox"), 0o700);
    assert_eq!(mode(".docbox/head"), 0o600);
    assert_eq!(mode(".docbox/journal/0000000000000001.jsonl"), 0o600);
}

#[test]
fn nested_keys_make_folders_and_odd_names_are_encoded() {
    let home = Home::new();
    let store = home.still();
    let files = [
        ("projects/p1/agents/7c", "projects/p1/agents/7c.json"),
        ("María Elena", "María Elena.json"),
        ("p%q", "p%25q.json"),
        (".x/a.json/b", "%2Ex/a%2Ejson/b.json"),
        ("a", "a.json"),
        ("a/b", "a/b.json"),
    ];
    for (key, file) in files {
        put(&store, key, &json!(key));
        assert_eq!(home.text(file), format!("{}\n", json!(key)));
    }
    let mut keys = files.map(|(key, _)| key);
    keys.sort_unstable();
    let listed: Vec<String> = store.list("").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(listed, keys);
    store.commit(Transaction::new().remove("projects/p1/agents/7c").unwrap()).unwrap();
    assert!(!home.is_there("projects/p1/agents/7c.json"));
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_reader_that_has_opened_a_document_reads_the_version_that_it_opened() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!("old"));
    let mut opened = fs::File::open(home.path("a.json")).unwrap();
    for version in 0..20 {
        put(&store, "a", &json!({ "version": version }));
        put(&store, "b", &json!({ "version": version }));
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).unwrap();
    assert_eq!(text, "\"old\"\n");
}

#[test]
fn a_hard_link_kept_as_a_backup_is_never_written_to() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!("old"));
    fs::hard_link(home.path("a.json"), home.path("backup.txt")).unwrap();
    for version in 0..5 {
        put(&store, "a", &json!({ "version": version }));
    }
    assert_eq!(home.text("backup.txt"), "\"old\"\n");
}
