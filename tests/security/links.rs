//! Symbolic links that somebody planted in a store: nothing is written where they lead.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use docbox::{Start, Store, Transaction};
use serde_json::{Value, json};

use crate::home::{Home, emit, put};
use crate::outside::Outside;
use crate::program::{program, run};

/// Every path in a store that is used, with what it holds.
const OWN: [&str; 15] = [
    "",
    "spool",
    "journal",
    "journal/0000000000000001.jsonl",
    "journal/0000000000000004.jsonl",
    "cursors",
    "cursors/ui",
    "cursors/ui.json",
    "cursors/ui.lock",
    "recovered",
    "store.json",
    "head",
    "applied",
    "commit.lock",
    "open.lock",
];

/// A store with documents, a subscription, something in `recovered/`, and three commits.
fn lived_in() -> Home {
    let home = Home::new();
    let store = home.small();
    put(&store, "agents/a", &json!({ "state": "idle" }));
    emit(&store, [1, 2]);
    drop(store.subscribe("ui").from(Start::Beginning).open().unwrap());
    store.close().unwrap();
    home.write(".docbox/recovered/kept", "kept");
    home
}

/// Everything that writes, by the library and by the program. What it says does not matter here, as long
/// as it ends.
fn do_everything(home: &Home) {
    let options = || Store::options().housekeeping(false).limits(crate::home::small());
    for _ in 0..2 {
        if let Ok(store) = options().open(home.root()) {
            let _ = store.commit(Transaction::new().put("agents/a", &json!({ "n": 1 })).unwrap());
            let _ = store.commit(Transaction::new().put("agents/b", &json!("new")).unwrap());
            // Enough for another segment.
            let long = "x".repeat(1400);
            let _ = store.commit(Transaction::new().put("long", &long).unwrap());
            let _ = store.commit(Transaction::new().remove("agents/a").unwrap());
            if let Ok(mut ui) = store.subscribe("ui").open() {
                let _ = ui.catch_up().try_for_each(|delivery| delivery?.ack());
            }
            let _ = store.subscribe("new").from(Start::Beginning).open();
            let _ = store.reset("ui", Start::Now);
            let _ = store.verify();
            let _ = store.status();
            let _ = store.close();
        }
        // The whole redo, with an edit to be kept aside.
        let _ = fs::write(home.path("agents/b.json"), "edited\n");
        if home.is_there(".docbox/head") {
            let head = home.path(".docbox/head");
            if head.symlink_metadata().is_ok_and(|head| head.is_file())
                && !is_link(&home.path(".docbox"))
            {
                home.lose_page_cache();
            }
        }
    }
    for args in [&["put", "agents/a"][..], &["rm", "agents/b"], &["init"], &["verify"], &["status"]]
    {
        let outcome = run(&mut program(home.root(), args), b"{}");
        assert!((0..=3).contains(&outcome.code), "{outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

/// Moves what is at `path` to `to`, and puts a link to it in its place.
fn replace_by_link(path: &Path, to: &Path) {
    if fs::rename(path, path.with_extension("moved")).is_err() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    symlink(to, path).unwrap();
}

#[test]
fn a_link_in_any_place_of_the_store_is_never_written_through() {
    for own in OWN {
        let home = lived_in();
        // The names that are looked for behind a link to a folder.
        let outside = Outside::with(&[
            "0000000000000001.jsonl",
            ".new-left",
            "head",
            "applied",
            "store.json",
            "commit.lock",
            "ui",
            "ui.json",
            "ui.lock",
        ]);
        let path = home.path(".docbox").join(own);
        let path = if own.is_empty() { home.path(".docbox") } else { path };
        let to = if path.extension().is_some() || ["head", "applied", "cursors/ui"].contains(&own) {
            outside.path().join("head")
        } else {
            outside.path().to_owned()
        };
        replace_by_link(&path, &to);
        do_everything(&home);
        outside.assert_untouched(own);
    }
}

#[test]
fn a_link_in_any_place_that_leads_to_a_true_copy_is_not_written_through_either() {
    for own in [
        "",
        "spool",
        "journal",
        "journal/0000000000000001.jsonl",
        "cursors",
        "cursors/ui",
        "recovered",
        "head",
        "applied",
    ] {
        let home = lived_in();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("docbox");
        crate::home::copy_into(&home.path(".docbox"), &copy);
        let before = contents(&copy);
        let path =
            if own.is_empty() { home.path(".docbox") } else { home.path(".docbox").join(own) };
        replace_by_link(&path, &copy.join(own));
        do_everything(&home);
        assert_eq!(contents(&copy), before, "{own}");
    }
}

/// The bytes of all files of a folder.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_link_in_place_of_a_folder_says_so_and_what_to_do() {
    let home = lived_in();
    let outside = Outside::with(&[]);
    replace_by_link(&home.path(".docbox/spool"), outside.path());
    let refused = run(&mut program(home.root(), &["put", "agents/a"]), b"{}").fails(3);
    assert!(refused.contains(".docbox/spool") && refused.contains("symbolic link"), "{refused}");
    // Put back, all is as before.
    fs::remove_file(home.path(".docbox/spool")).unwrap();
    fs::rename(home.path(".docbox/spool.moved"), home.path(".docbox/spool")).unwrap();
    put(&home.still(), "agents/a", &json!("again"));
    assert_eq!(home.text("agents/a.json"), "\"again\"\n");
}

#[test]
fn links_among_the_documents_are_never_written_through_and_never_read() {
    let outside = Outside::with(&["a.json", "b.json"]);
    let home = Home::new();
    let store = home.still();
    put(&store, "agents/a", &json!(1));
    put(&store, "files/a", &json!(1));
    put(&store, "files/gone", &json!(1));
    put(&store, "files/folder", &json!(1));
    fs::rename(home.path("agents"), home.path("moved")).unwrap();
    symlink(outside.path(), home.path("agents")).unwrap();
    for (name, to) in [("a", "a.json"), ("gone", "not-there.json"), ("folder", "deep")] {
        fs::remove_file(home.path(&format!("files/{name}.json"))).unwrap();
        symlink(outside.path().join(to), home.path(&format!("files/{name}.json"))).unwrap();
    }
    for key in [
        "agents/a",
        "agents/b",
        "agents/new",
        "agents/deep/a",
        "files/a",
        "files/gone",
        "files/folder",
    ] {
        assert!(store.get::<Value>(key).unwrap().is_none(), "{key}");
        let put = Transaction::new().put(key, &json!(2)).unwrap();
        assert!(store.commit(put).is_err(), "{key}");
        // There is no such document: nothing to delete.
        store.commit(Transaction::new().remove(key).unwrap()).unwrap();
        outside.assert_untouched(key);
    }
    assert!(store.list("").unwrap().iter().all(|key| key.as_str().starts_with("moved/")));
    store.close().unwrap();
    // A redo of all of it.
    home.lose_page_cache();
    let reopened = Store::options().housekeeping(false).open(home.root());
    outside.assert_untouched("redo");
    drop(reopened);
    let kept = home.recovered();
    assert!(kept.iter().all(|kept| !kept.starts_with(b"\"of somebody else")), "{kept:?}");
}

#[test]
fn links_in_the_spool_and_among_the_half_made_are_left_or_removed_and_not_followed() {
    let outside = Outside::with(&["x"]);
    let home = lived_in();
    for planted in [
        "spool/0123456789abcdef-x",
        "spool/to-folder",
        ".new-x",
        "cursors/.new-x",
        "journal/.new-x",
        "recovered/x",
    ] {
        let to = if planted.ends_with("folder") {
            outside.path().join("deep")
        } else {
            outside.path().join("x")
        };
        symlink(to, home.path(".docbox").join(planted)).unwrap();
    }
    symlink(outside.path(), home.path(".docbox-new-0190")).unwrap();
    do_everything(&home);
    outside.assert_untouched("leftovers");
    // And where a store is made anew beside them.
    fs::rename(home.path(".docbox"), home.path("old")).unwrap();
    fs::create_dir(home.path(".docbox-new-0191")).unwrap();
    symlink(outside.path(), home.path(".docbox-new-0191/journal")).unwrap();
    fs::write(home.path(".docbox-new-0191/commit.lock"), "").unwrap();
    home.open().close().unwrap();
    assert!(!home.is_there(".docbox-new-0191"), "a dead maker's is cleared, links and all");
    outside.assert_untouched("making a store");
}

#[test]
fn a_store_may_be_made_and_opened_through_links_above_it() {
    let home = Home::new();
    fs::create_dir(home.path("real")).unwrap();
    symlink("real", home.path("link")).unwrap();
    let store = Store::open(home.path("link/new/tavern")).unwrap();
    put(&store, "a/b", &json!(1));
    store.close().unwrap();
    assert_eq!(home.text("real/new/tavern/a/b.json"), "1\n");
    let read = run(&mut program(&home.path("link/new/tavern"), &["get", "a/b"]), b"").ok();
    assert_eq!(read, "1\n");
}
