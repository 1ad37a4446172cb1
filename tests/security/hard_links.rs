//! Documents of which somebody keeps a hard link: nothing ever writes into that file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use docbox::{Start, Store, Transaction};
use serde_json::json;

use crate::home::{Home, put, small};
use crate::program::{program, run};

/// Links to every document, as `cp -al` makes them, and what they held.
struct Backup {
    files: Vec<(std::path::PathBuf, Vec<u8>, u32, SystemTime)>,
    folder: tempfile::TempDir,
}

impl Backup {
    fn of(home: &Home, names: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(home.root().parent().unwrap()).unwrap();
        let mut files = Vec::new();
        for name in names {
            let kept = folder.path().join(name.replace('/', "-"));
            fs::hard_link(home.path(name), &kept).unwrap();
            let metadata = fs::metadata(&kept).unwrap();
            let (bytes, written) = (fs::read(&kept).unwrap(), metadata.modified().unwrap());
            files.push((kept, bytes, metadata.mode(), written));
        }
        Self { files, folder }
    }

    #[track_caller]
    fn assert_untouched(&self, after: &str) {
        for (kept, bytes, mode, written) in &self.files {
            let metadata = fs::metadata(kept).unwrap();
            assert_eq!(fs::read(kept).unwrap(), *bytes, "{after}: {}", kept.display());
            assert_eq!(metadata.mode(), *mode, "{after}");
            assert_eq!(metadata.modified().unwrap(), *written, "{after}");
        }
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), self.files.len());
    }
}

fn small_store(root: &Path) -> Store {
    Store::options().housekeeping(false).limits(small()).open(root).unwrap()
}

#[test]
fn a_hard_link_to_a_document_is_never_written_to_whatever_is_done() {
    let home = Home::new();
    let store = home.small();
    let names =
        ["put.json", "shorter.json", "gone.json", "updated.json", "edited.json", "a/same.json"];
    for name in names {
        put(
            &store,
            name.strip_suffix(".json").unwrap(),
            &json!({ "version": 1, "long": "x".repeat(99) }),
        );
    }
    let backup = Backup::of(&home, &names);

    put(&store, "put", &json!({ "version": 2 }));
    put(&store, "shorter", &json!(0));
    put(&store, "a/same", &json!({ "version": 1, "long": "x".repeat(99) }));
    store.commit(Transaction::new().remove("gone").unwrap()).unwrap();
    store.update("updated", |value: &mut serde_json::Value| value["version"] = json!(2)).unwrap();
    backup.assert_untouched("put, remove, update");

    // An edit by hand in a file with two names: one commit keeps it aside, the next replaces it.
    let edited = Backup::of(&home, &["put.json", "edited.json"]);
    put(&store, "put", &json!({ "version": 3 }));
    put(&store, "edited", &json!({ "version": 3 }));
    edited.assert_untouched("a second version");

    store.close().unwrap();
    home.lose_page_cache();
    fs::write(home.path("shorter.json"), "\"damaged\"\n").unwrap();
    let damaged = Backup::of(&home, &["shorter.json"]);
    drop(small_store(home.root()));
    damaged.assert_untouched("a redo");
    backup.assert_untouched("recovery");

    let store = small_store(home.root());
    for round in 0..9 {
        put(&store, "put", &json!({ "round": round, "long": "y".repeat(600) }));
    }
    drop(store.subscribe("ui").from(Start::Now).open().unwrap());
    assert!(home.segments().len() > 2);
    store.close().unwrap();
    let outcome = run(&mut program(home.root(), &["put", "put"]), b"7");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    backup.assert_untouched("checkpoints, segments and the program");
}

#[test]
fn a_redo_of_everything_writes_to_no_hard_link() {
    let home = Home::new();
    let store = home.still();
    for version in 0..3 {
        put(&store, "a", &json!({ "version": version }));
        put(&store, "b", &json!({ "version": version }));
    }
    drop(store);
    // Neither what was committed nor what it replaced: kept aside, then replaced.
    fs::write(home.path("a.json"), "\"by hand\"\n").unwrap();
    let backup = Backup::of(&home, &["a.json", "b.json"]);
    home.lose_page_cache();
    drop(home.still());
    backup.assert_untouched("redo");
    assert_eq!(home.text("a.json"), "{\n  \"version\": 2\n}\n");
    assert_eq!(home.recovered(), [b"\"by hand\"\n".to_vec()]);
    // What is kept aside is a file of its own, not the one that the link leads to.
    let kept = home.names(".docbox/recovered").remove(0);
    assert_eq!(fs::metadata(home.path(&format!(".docbox/recovered/{kept}"))).unwrap().nlink(), 1);
}

#[test]
fn what_was_kept_in_recovered_is_never_written_to_again() {
    let home = Home::new();
    let kept = |text: &str| {
        put(&home.still(), "a", &json!(text));
        fs::write(home.path("a.json"), format!("\"by hand after {text}\"\n")).unwrap();
        home.lose_page_cache();
        drop(home.still());
    };
    kept("one");
    let names: Vec<_> = home
        .names(".docbox/recovered")
        .iter()
        .map(|name| format!(".docbox/recovered/{name}"))
        .collect();
    assert_eq!(names.len(), 1);
    let backup = Backup::of(&home, &[&names[0]]);
    kept("two");
    kept("three");
    assert_eq!(home.names(".docbox/recovered").len(), 3);
    backup.assert_untouched("more was kept");
}

#[test]
fn a_hard_linked_copy_of_the_whole_folder_keeps_every_document_and_the_store_stays_sound() {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!("old"));
    put(&store, "deep/b", &json!("old"));
    let copy = tempfile::tempdir_in(home.root().parent().unwrap()).unwrap();
    let made = std::process::Command::new("cp")
        .args(["-al", "--"])
        .arg(home.root())
        .arg(copy.path().join("copy"))
        .status();
    assert!(made.unwrap().success());
    put(&store, "a", &json!("new"));
    store.commit(Transaction::new().remove("deep/b").unwrap()).unwrap();
    store.close().unwrap();
    for document in ["a.json", "deep/b.json"] {
        assert_eq!(
            fs::read_to_string(copy.path().join("copy").join(document)).unwrap(),
            "\"old\"\n"
        );
    }
    // Registers and the journal are written in place, so that those of the copy are no copies: this is why
    // `.docbox` is to be copied with `cp -r`.
    let of_copy = fs::read(copy.path().join("copy/.docbox/head")).unwrap();
    assert_eq!(of_copy, home.read(".docbox/head"));
    assert!(home.still().verify().unwrap().is_clean());
}
