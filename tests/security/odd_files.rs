//! Pipes, devices, sockets and folders where files must be: an error that names them, and no waiting.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use docbox::{Error, Start, Store, Transaction};
use serde_json::json;

use crate::home::{Home, emit, in_time, put};
use crate::program::{program, run};

type Make = fn(&Path) -> bool;

/// What is not a file, and how to make it; `false` where this machine does not let us.
const ODD: [(&str, Make); 5] = [
    ("pipe", |path| made("mkfifo", path, &[])),
    ("folder", |path| fs::create_dir(path).is_ok()),
    ("socket", |path| UnixListener::bind(path).is_ok()),
    ("zero", |path| made("mknod", path, &["c", "1", "5"])),
    ("terminal", |path| made("mknod", path, &["c", "5", "0"])),
];

fn made(command: &str, path: &Path, rest: &[&str]) -> bool {
    Command::new(command)
        .arg(path)
        .args(rest)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn lived_in() -> Home {
    let home = Home::new();
    let store = home.still();
    put(&store, "agents/a", &json!(1));
    emit(&store, [1]);
    drop(store.subscribe("ui").from(Start::Beginning).open().unwrap());
    store.close().unwrap();
    home
}

/// Opens, commits, subscribes, resets, looks, recovers: whatever it says, it ends. The errors.
fn do_everything(root: &Path) -> Vec<Error> {
    let mut errors = Vec::new();
    for _ in 0..2 {
        match Store::options().housekeeping(false).open(root) {
            Err(error) => errors.push(error),
            Ok(store) => {
                let put = |key: &str| Transaction::new().put(key, &json!(2)).unwrap();
                errors.extend(store.commit(put("agents/a")).err());
                errors.extend(store.commit(Transaction::new().remove("agents/a").unwrap()).err());
                errors.extend(store.subscribe("ui").open().err());
                errors.extend(store.reset("ui", Start::Now).err());
                errors.extend(store.status().err());
                errors.extend(store.verify().err());
                errors.extend(store.close().err());
            }
        }
        errors.extend(
            Store::options()
                .open_read_only(root)
                .and_then(|store| store.get_bytes("agents/a"))
                .err(),
        );
    }
    errors
}

#[test]
fn whatever_lies_where_a_file_of_the_store_must_be_it_is_an_error_and_no_wait() {
    const PLACES: [&str; 10] = [
        "store.json",
        "head",
        "applied",
        "commit.lock",
        "open.lock",
        "checkpoint.lock",
        "cursors/ui",
        "cursors/ui.json",
        "cursors/ui.lock",
        "journal/0000000000000001.jsonl",
    ];
    for (what, make) in ODD {
        for place in PLACES {
            let home = lived_in();
            let path = home.path(".docbox").join(place);
            fs::remove_file(&path).unwrap();
            if !make(&path) {
                println!("skipped: this machine makes no {what}");
                break;
            }
            let root = home.root().to_owned();
            let errors = in_time(move || do_everything(&root));
            let name = path.file_name().unwrap().to_str().unwrap();
            let names_it = |error: &Error| {
                error.to_string().contains(name.trim_end_matches(".json").trim_end_matches(".lock"))
            };
            assert!(errors.iter().any(names_it), "{what} at {place}: {errors:#?}");
            assert!(home.is_there(&format!(".docbox/{place}")), "{what} at {place} is left alone");
            let outcome = run(&mut program(home.root(), &["status"]), b"");
            assert!(
                (0..=3).contains(&outcome.code) && !outcome.stderr.contains("panicked"),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn whatever_lies_where_a_folder_of_the_store_must_be_it_is_an_error_and_no_wait() {
    for (what, make) in ODD {
        for place in ["spool", "journal", "cursors", "recovered"] {
            if what == "folder" {
                continue;
            }
            let home = lived_in();
            let path = home.path(".docbox").join(place);
            fs::rename(&path, home.path("moved")).unwrap();
            if !make(&path) {
                break;
            }
            let root = home.root().to_owned();
            home.lose_page_cache();
            home.write("agents/a.json", "edited");
            let errors = in_time(move || do_everything(&root));
            // `recovered/` is needed only where something is kept.
            let says_so = errors.iter().any(|error| error.to_string().contains(place));
            assert!(says_so || place == "recovered", "{what} at {place}: {errors:#?}");
        }
    }
}

#[test]
fn whatever_lies_where_a_document_must_be_is_no_document_and_is_left_alone() {
    for (what, make) in ODD {
        let home = lived_in();
        let path = home.path("agents/odd.json");
        if !make(&path) {
            println!("skipped: this machine makes no {what}");
            continue;
        }
        let left = home.path("agents/odd.json");
        in_time(move || {
            let store = home.still();
            assert!(store.get_bytes("agents/odd").unwrap().is_none());
            assert!(!store.list("").unwrap().iter().any(|key| key.as_str() == "agents/odd"));
            let error =
                store.commit(Transaction::new().put("agents/odd", &json!(1)).unwrap()).unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{what}: {error}");
            store.commit(Transaction::new().remove("agents/odd").unwrap()).unwrap();
            assert!(left.symlink_metadata().is_ok(), "{what}");
            assert!(store.verify().unwrap().is_clean());
            store.close().unwrap();
        });
    }
}

#[test]
fn pipes_and_folders_in_the_spool_and_recovered_hold_nobody_up() {
    let home = lived_in();
    for place in [
        ".docbox/spool/x",
        ".docbox/recovered/x",
        ".docbox/.new-x",
        ".docbox/journal/.new-x",
        ".docbox/cursors/.new-x",
        ".docbox/journal/0000000000000009.json",
    ] {
        assert!(made("mkfifo", &home.path(place), &[]));
    }
    fs::create_dir(home.path(".docbox/spool/folder")).unwrap();
    let root = home.root().to_owned();
    let errors = in_time(move || do_everything(&root));
    assert!(errors.is_empty(), "{errors:#?}");
}
