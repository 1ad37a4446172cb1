//! Keys and names from hostile input: what is taken lies within the root and outside `.docbox`, by whatever
//! door it came.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use docbox::{Error, Key, Start, Store, Transaction};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::home::{Home, put, write};
use crate::outside::Outside;
use crate::program::{program, run};

/// Refused, whoever gives them.
fn refused() -> Vec<String> {
    let mut keys: Vec<String> = [
        "",
        ".",
        "..",
        "/",
        "//",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a/.",
        "a/./b",
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "\0",
        "a/\0/b",
        ".docbox",
        ".docbox/head",
        ".DOCBOX/head",
        ".DocBox/a",
        ".docbox/dead/ui/1",
        ".docbox/journal/0000000000000001",
        ".docbox/spool/x",
        ".docbox/../a",
        "a/../../.docbox/head",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push("x".repeat(201));
    keys.push("%".repeat(67));
    keys.push(vec!["a"; 17].join("/"));
    keys.push(vec!["x".repeat(200); 6].join("/"));
    keys
}

/// Odd, and taken: each is one document in the root.
fn odd() -> Vec<String> {
    let mut keys: Vec<String> = [
        "...",
        "a/...",
        ". .",
        ".hidden",
        ".git/config",
        "a\\b",
        "..\\..\\a",
        "C:\\a",
        "C:",
        "\\\\server\\share",
        "%2e%2e/a",
        "%2E%2E%2Fetc",
        "..%2fa",
        "%2F",
        "%00",
        "%",
        "%%",
        "%2",
        "\u{ff0e}\u{ff0e}/a",
        "\u{2024}\u{2024}/a",
        "\u{2215}etc",
        "\u{ff0f}etc",
        "a\u{2044}b",
        "\u{202e}nosj",
        "\u{200b}",
        "\u{feff}a",
        "con",
        "NUL",
        "nul.txt",
        "COM1",
        "lpt\u{b9}",
        "CONIN$",
        "a ",
        " a",
        "a.",
        "a.json",
        "a.json/b",
        ".json",
        "~",
        "~root",
        "$(id)",
        "`id`",
        "-rf",
        "--help",
        "*",
        "?",
        "a\nb",
        "a\rb",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{9b}",
        "\u{130}",
        "\u{17f}tra\u{df}e",
        "\u{212a}",
        "Jose\u{301}",
        "\u{1100}\u{1161}",
        ".docbox2",
        ".docbox ",
        "a/.docbox",
        "a/.docbox/head",
        ".docb\u{f8}x",
        "\u{ff0e}docbox",
        ".docbo\u{445}",
        ".new-x",
        "a/.new-x",
        ".docbox-new-1",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push("x".repeat(200));
    keys.push("\u{e9}".repeat(100));
    keys.push(vec!["a"; 16].join("/"));
    keys
}

/// A store in a folder of its own within another, where an escape would be seen.
struct Guarded {
    outside: Outside,
    home: Home,
}

impl Guarded {
    fn new() -> Self {
        let home = Home::new();
        Store::open(home.path("root/store")).unwrap().close().unwrap();
        Self { outside: Outside::with(&["a.json", "passwd.json"]), home }
    }

    fn root(&self) -> std::path::PathBuf {
        self.home.path("root/store")
    }

    fn store(&self) -> Store {
        Store::options().housekeeping(false).open(self.root()).unwrap()
    }

    /// Nothing lies beside the store, and `.docbox` holds what it held.
    #[track_caller]
    fn assert_contained(&self, what: &str) {
        assert_eq!(self.home.names("root"), ["store"], "{what}");
        assert_eq!(self.home.names(""), ["root"], "{what}");
        let own = self.home.names("root/store/.docbox");
        let known = [
            ".gitignore",
            "README",
            "applied",
            "checkpoint.lock",
            "commit.lock",
            "cursors",
            "dead",
            "head",
            "journal",
            "open.lock",
            "recovered",
            "spool",
            "store.json",
        ];
        assert_eq!(own, known, "{what}");
        for empty in ["dead", "recovered"] {
            assert!(
                self.home.names(&format!("root/store/.docbox/{empty}")).is_empty(),
                "{what}: {empty}"
            );
        }
        for waits in self.home.names("root/store/.docbox/spool") {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert!(waits.len() == 32 && waits.bytes().all(is_digit), "{what}: spool: {waits}");
        }
        self.outside.assert_untouched(what);
    }
}

#[test]
fn what_would_lead_out_of_the_folder_is_refused_at_every_door() {
    let guarded = Guarded::new();
    let store = guarded.store();
    let mut lines = String::new();
    for key in refused() {
        assert!(matches!(Key::new(&key), Err(Error::Invalid(_))), "{key:?}");
        assert!(Transaction::new().put(&key, &1).is_err(), "{key:?}");
        assert!(Transaction::new().remove(&key).is_err(), "{key:?}");
        assert!(matches!(store.get::<Value>(&key), Err(Error::Invalid(_))), "{key:?}");
        let text = json!({ "writes": [{ "key": key, "doc": 1 }] }).to_string();
        assert!(Transaction::from_json(text.as_bytes()).is_err(), "{key:?}");
        lines.push_str(&(text + "\n"));
        lines.push_str(&json!({ "writes": [{ "key": key, "delete": true }] }).to_string());
        lines.push('\n');
        if !key.contains('\0') {
            for args in [
                &["put", "--", &key][..],
                &["get", "--", &key],
                &["rm", "--", &key],
                &["update", "--exec", "cat", "--", &key],
            ] {
                run(&mut program(&guarded.root(), args), b"1").fails(2);
            }
        }
    }
    store.close().unwrap();
    let answers = run(&mut program(&guarded.root(), &["commit", "--lines"]), lines.as_bytes());
    assert_eq!(answers.code, 2);
    assert!(answers.json().iter().all(|answer| answer["error"] == "invalid"), "{answers:?}");
    assert_eq!(answers.json().len(), 2 * refused().len());
    guarded.assert_contained("refused keys");
    assert!(guarded.store().list("").unwrap().is_empty());
}

#[test]
fn what_only_looks_like_it_is_one_document_within_the_folder() {
    let guarded = Guarded::new();
    let store = guarded.store();
    for key in odd() {
        store.commit(Transaction::new().put(&key, &json!(key)).unwrap()).unwrap();
        assert_eq!(store.get::<String>(&key).unwrap().unwrap().value, key);
        guarded.assert_contained(&key);
    }
    let mut wanted: Vec<Key> = odd().iter().map(|key| Key::new(key).unwrap()).collect();
    wanted.sort();
    assert_eq!(store.list("").unwrap(), wanted);
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();
    // By arguments, too.
    for key in odd() {
        let got = run(&mut program(&guarded.root(), &["get", "--json", "--", &key]), b"").json();
        assert_eq!(got[0]["value"], key.as_str());
        run(&mut program(&guarded.root(), &["rm", "--", &key]), b"").ok();
    }
    guarded.assert_contained("removed");
    assert!(guarded.store().list("").unwrap().is_empty());
}

#[test]
fn names_that_were_planted_become_no_key_that_leads_elsewhere() {
    let guarded = Guarded::new();
    let root = guarded.root();
    fs::create_dir_all(root.join("a/%2E%2E")).unwrap();
    fs::create_dir_all(root.join("%2E%2E")).unwrap();
    fs::create_dir_all(root.join("%2Edocbox")).unwrap();
    let planted: [&[u8]; 14] = [
        b"%2E%2E/a.json",
        b"a/%2E%2E/a.json",
        b"%2Edocbox/head.json",
        b"..%2Fa.json",
        b"%2E%2E%2Fa.json",
        b"%2F.json",
        b"%00.json",
        b"%2e.json",
        b"%2E.json",
        b"%2E%2E.json",
        b"%C0%AE%C0%AE.json",
        b"\xc0\xae\xc0\xae.json",
        b"a%.json",
        b"%41.json",
    ];
    for name in planted {
        fs::write(root.join(OsStr::from_bytes(name)), "1\n").unwrap();
    }
    fs::write(root.join("good.json"), "1\n").unwrap();
    let store = guarded.store();
    let keys = store.list("").unwrap();
    assert_eq!(keys, [Key::new("good").unwrap()], "the others are strays, every one");
    // One of them is hidden, and so none of ours at all.
    assert_eq!(store.status().unwrap().strays, planted.len() - 1);
    guarded.assert_contained("planted names");
}

#[test]
fn keys_that_were_planted_in_the_journal_are_damage_and_lead_nowhere() {
    for key in [
        "../escaped",
        "/tmp/escaped",
        "a/../../escaped",
        ".docbox/head",
        ".docbox/dead/../../escaped",
        ".docbox/dead/ui/../../head",
        ".docbox/dead/ui/a.b",
        "a\\u0000b",
    ] {
        let home = Home::new();
        put(&home.still(), "a", &json!(1));
        // A line behind the head, as a writer leaves it that died: the next to open puts it in place.
        home.write_behind_head(home.next_line(&write(key, None, "1")));
        let before = home.read(".docbox/store.json");
        let refused = Store::options().housekeeping(false).open(home.root()).map(drop).unwrap_err();
        assert!(matches!(refused, Error::Corrupt { .. }), "{key}: {refused}");
        assert_eq!(home.names(""), [".docbox", "a.json"], "{key}");
        assert!(home.names(".docbox/dead").is_empty(), "{key}");
        assert_eq!(home.read(".docbox/store.json"), before);
        assert!(!home.root().with_file_name("escaped.json").exists(), "{key}");
        assert!(!Path::new("/tmp/escaped.json").exists());
    }
}

#[test]
fn names_of_subscriptions_lead_nowhere_either() {
    let guarded = Guarded::new();
    let store = guarded.store();
    let long = "x".repeat(65);
    for name in [
        "", ".", "..", "../ui", "a/b", "/ui", "ui.json", "ui.lock", "Ui", "u i", "-ui", "_ui",
        "ui\0", "ui\n", "\u{fc}i", "%2e%2e", "..\\ui", ".new-x", &long,
    ] {
        let opened = store.subscribe(name).from(Start::Beginning).open();
        assert!(matches!(opened.map(drop), Err(Error::Invalid(_))), "{name:?}");
        assert!(matches!(store.reset(name, Start::Now), Err(Error::Invalid(_))), "{name:?}");
        if !name.contains('\0') {
            run(&mut program(&guarded.root(), &["subscribe", "--from", "now", "--", name]), b"")
                .fails(2);
            run(&mut program(&guarded.root(), &["reset", "--to", "now", "--", name]), b"").fails(2);
        }
    }
    assert!(guarded.home.names("root/store/.docbox/cursors").is_empty());
    // Planted names are no subscriptions.
    for name in ["..x", "Ui", "u i", "a.b", "-x", "\u{202e}x"] {
        fs::write(guarded.root().join(".docbox/cursors").join(name), "x").unwrap();
    }
    assert!(store.subscriptions().unwrap().is_empty());
    guarded.assert_contained("names of subscriptions");
}

/// Segments made of what has led programs out of folders.
fn hostile_key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("/".to_owned()),
        Just("//".to_owned()),
        Just("\0".to_owned()),
        Just("\\".to_owned()),
        Just(".docbox".to_owned()),
        Just(".DocBox".to_owned()),
        Just("%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%".to_owned()),
        Just(".json".to_owned()),
        Just("CON".to_owned()),
        Just("\u{301}".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("\u{1b}".to_owned()),
        Just(" ".to_owned()),
        Just("a".to_owned()),
        "\\PC{1,3}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_key_is_refused_or_lies_within_the_folder(text in hostile_key()) {
        thread_local!(static GUARDED: (Guarded, Store) = {
            let guarded = Guarded::new();
            let store = guarded.store();
            (guarded, store)
        });
        GUARDED.with(|(guarded, store)| {
            let Ok(transaction) = Transaction::new().put(&text, &json!(text)) else {
                prop_assert!(store.get_bytes(&text).is_err());
                return Ok(());
            };
            let key = Key::new(&text).unwrap();
            for part in Path::new(key.as_str()).components() {
                prop_assert!(!matches!(part, Component::ParentDir | Component::RootDir));
            }
            // A document may be in the way as a folder of another, which is refused.
            if store.commit(transaction).is_ok() {
                prop_assert_eq!(store.get::<String>(&text).unwrap().unwrap().value, text.clone());
                prop_assert!(store.list("").unwrap().contains(&key));
                store.commit(Transaction::new().remove(&text).unwrap()).unwrap();
            }
            guarded.assert_contained(&text);
            Ok(())
        })?;
    }
}
