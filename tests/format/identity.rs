//! `store.json`: which store, which format.

use std::fs;

use docbox::{Error, Store};

use crate::home::{Home, emit};

fn refused(home: &Home) -> Error {
    let before = home.tree();
    let error = Store::open(home.root()).unwrap_err();
    let reading = Store::open_read_only(home.root()).unwrap_err();
    assert_eq!(error.to_string(), reading.to_string());
    assert_eq!(home.tree(), before, "nothing is written");
    error
}

fn closed() -> Home {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    store.close().unwrap();
    home
}

#[test]
fn a_newer_format_is_refused_whatever_else_stands_there() {
    let home = closed();
    for text in [r#"{"format": 2}"#, r#"{"store":{"another":"form"},"format":2,"x":[]}"#] {
        home.write(".docbox/store.json", text);
        let error = refused(&home);
        assert!(
            matches!(&error, Error::Unusable { what, .. } if what.contains("format 2")),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_store_json_is_damage() {
    let home = closed();
    for text in ["", "{", "garbage", "[]", r#"{"format": 1}"#, r#"{"format": "one"}"#] {
        home.write(".docbox/store.json", text);
        let error = refused(&home);
        assert!(
            matches!(&error, Error::Corrupt { path, .. } if path.ends_with("store.json")),
            "{error}"
        );
    }
}

#[test]
fn a_docbox_without_its_store_json_is_never_built_over() {
    let home = closed();
    let lines = home.lines().len();
    fs::remove_file(home.path(".docbox/store.json")).unwrap();
    let error = Store::open(home.root()).unwrap_err();
    assert!(
        matches!(&error, Error::Unusable { what, .. } if what.contains("store.json")),
        "{error}"
    );
    assert!(Store::open_read_only(home.root()).is_err());
    assert_eq!(home.lines().len(), lines);
}

#[test]
fn where_there_is_no_store_opening_says_how_to_make_one() {
    let home = Home::new();
    for folder in [home.root().to_owned(), home.path("missing")] {
        for refused in [
            Store::options().create(false).open(&folder).unwrap_err(),
            Store::open_read_only(&folder).unwrap_err(),
        ] {
            let text = refused.to_string();
            assert!(text.contains(&format!("docbox init {}", folder.display())), "{text}");
        }
        assert!(!home.is_there("missing") && !home.is_there(".docbox"));
    }
    let store = Store::open(home.path("a/b/c")).unwrap();
    assert_eq!(home.names("a/b/c/.docbox").len(), 13, "{:?}", home.names("a/b/c/.docbox"));
    assert_eq!(home.text("a/b/c/.docbox/.gitignore"), "*\n");
    assert_eq!(home.text("a/b/c/.docbox/README").lines().count(), 5);
    store.close().unwrap();
}

#[test]
fn what_a_cut_creation_left_beside_is_cleared_and_what_somebody_builds_is_not() {
    let home = Home::new();
    fs::create_dir_all(home.path(".docbox-new-dead/journal")).unwrap();
    home.write(".docbox-new-dead/commit.lock", "");
    fs::create_dir_all(home.path(".docbox-new-alive")).unwrap();
    let lock = fs::File::create(home.path(".docbox-new-alive/commit.lock")).unwrap();
    lock.lock().unwrap();
    home.still().close().unwrap();
    assert_eq!(home.names("."), [".docbox", ".docbox-new-alive"]);
}

#[test]
fn many_who_make_the_same_store_at_once_make_one() {
    let home = Home::new();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..6)
            .map(|n| {
                let home = &home;
                scope.spawn(move || {
                    let store = home.still();
                    emit(&store, [n]);
                    store.id().to_owned()
                })
            })
            .collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(home.lines().len(), 6);
    assert_eq!(home.names("."), [".docbox"]);
}
