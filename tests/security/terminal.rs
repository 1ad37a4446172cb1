//! Hostile keys, names, types and damaged files, and what every verb says of them: nothing that a terminal
//! obeys or hides, and one line stays one line.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::thread;

use docbox::{Event, Start, Store, Transaction};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::home::{Home, put};
use crate::program::{LIMIT, Outcome, program, run};

/// Escape sequences, a bell, a carriage return, a line feed, a tab, a C1 control, DEL, and an override of the
/// direction of writing.
const HOSTILE: &str = "e\u{1b}[31m\u{7}\r\n\tC\u{9b}2J\u{7f}\u{202e}z";

/// What may be seen of a text: no control character but line ends and tabs, and nothing hidden.
#[track_caller]
fn assert_harmless(what: &str, text: &str) {
    let bad = |char: &char| {
        char.is_control() && !matches!(char, '\n' | '\t')
            || matches!(char, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(bad) = text.chars().find(bad) {
        panic!("{what}: {bad:?} in {text:?}");
    }
}

/// A store in which everything that can be is hostile.
fn hostile() -> Home {
    let home = Home::new();
    let store = home.still();
    put(&store, HOSTILE, &json!({ "text": HOSTILE }));
    put(&store, &format!("folder{HOSTILE}/a"), &json!(HOSTILE));
    let event = Event::new("Odd\u{202e}Type", &json!(HOSTILE))
        .unwrap()
        .subject("odd\u{202e}\u{200b}subject");
    store.commit(Transaction::new().emit(event)).unwrap();
    drop(store.subscribe("ui").from(Start::Beginning).types(["*\u{202e}*"]).open().unwrap());
    drop(store.subscribe("broken").from(Start::Beginning).open().unwrap());
    store.close().unwrap();
    // A definition whose error repeats what stands there.
    let path = home.path(".docbox/cursors/broken.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"total\"", &json!(HOSTILE).to_string());
    fs::write(path, text).unwrap();
    // Names that were planted: strays, a document that was never committed, one that is not UTF-8.
    for name in [
        b"stray\x1b[2J\x07\n.json".as_slice(),
        b"bytes\xff\x9b\x1b.json",
        "\u{202e}nosj.json".as_bytes(),
    ] {
        fs::write(home.root().join(OsStr::from_bytes(name)), "1\n").unwrap();
    }
    home
}

/// Every verb that says something, with what it is given.
fn verbs() -> Vec<(Vec<String>, String)> {
    let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let other = format!("no{HOSTILE}");
    let transaction = json!({ "writes": [{ "key": HOSTILE, "doc": 1, "if": "absent" }] });
    let bad = json!({ "writes": [{ "key": format!("../{HOSTILE}"), "doc": 1 }], "ref": HOSTILE });
    [
        (owned(&["ls"]), String::new()),
        (owned(&["get", &other]), String::new()),
        (owned(&["get", &format!("../{HOSTILE}")]), String::new()),
        (owned(&["put", HOSTILE, "--if-absent"]), "1".to_owned()),
        (owned(&["put", HOSTILE]), format!("{{\"{HOSTILE}")),
        (owned(&["put", HOSTILE, &format!("file{HOSTILE}")]), String::new()),
        (owned(&["put", HOSTILE, "--if-revision", HOSTILE]), "1".to_owned()),
        (owned(&["put", "a", "--event", HOSTILE]), "1".to_owned()),
        (owned(&["put", "a", "--event", "E", "--subject", HOSTILE]), "1".to_owned()),
        (owned(&["put", "a", "--event", "E", "--data", HOSTILE]), "1".to_owned()),
        (owned(&["rm", &other]), String::new()),
        (owned(&["rm", HOSTILE, "--if-revision", "0123456789abcdef"]), String::new()),
        (owned(&["update", &other, "--exec", "true"]), String::new()),
        (owned(&["update", HOSTILE, "--exec", "cat; exit 3"]), String::new()),
        (owned(&["commit"]), transaction.to_string()),
        (owned(&["commit"]), bad.to_string()),
        (owned(&["commit", "--lines"]), format!("{transaction}\n{bad}\n{HOSTILE}\n")),
        (owned(&["commit", &format!("file{HOSTILE}")]), String::new()),
        (owned(&["events", "--after", HOSTILE]), String::new()),
        (owned(&["events"]), String::new()),
        (owned(&["subscribe", HOSTILE, "--from", "now"]), String::new()),
        (
            owned(&["subscribe", "ui", "--type", "*", "--max", "1", "--exec", "exit 1"]),
            String::new(),
        ),
        (owned(&["subscribe", "new", "--from", HOSTILE]), String::new()),
        (owned(&["subscriptions"]), String::new()),
        (owned(&["reset", HOSTILE, "--to", "now"]), String::new()),
        (owned(&["reset", "broken", "--to", "now"]), String::new()),
        (owned(&["status"]), String::new()),
        (owned(&["verify"]), String::new()),
        (owned(&["--store", &format!("/no/{HOSTILE}"), "ls"]), String::new()),
        (owned(&["init", &format!("/proc/{HOSTILE}")]), String::new()),
        (owned(&[HOSTILE]), String::new()),
    ]
    .into()
}

/// Runs the program with stdout and stderr on a terminal; what it shows there.
fn on_a_terminal(home: &Home, args: &[&str], stdin: &str) -> String {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap();
    let terminal = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = program(home.root(), args);
    // No colours: all escape sequences that are left come from the store.
    command.env("NO_COLOR", "1").env("TERM", "dumb").stdin(Stdio::piped());
    command.stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut pipe = child.stdin.take().unwrap();
    // The program may end without having read it.
    let _ = std::io::Write::write_all(&mut pipe, stdin.as_bytes());
    drop(pipe);
    let (sender, shown) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // The end of a terminal is an error.
        let _ = fs::File::from(control).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    let bytes = shown.recv_timeout(LIMIT).expect("it ends");
    child.wait().unwrap();
    // The terminal itself puts a carriage return before each line end.
    String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
}

#[test]
fn no_verb_lets_through_what_a_terminal_would_obey() {
    let home = hostile();
    for (args, stdin) in verbs() {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let Outcome { stdout, stderr, .. } =
            run(&mut program(home.root(), &args), stdin.as_bytes());
        assert_harmless(&format!("{args:?}, stderr"), &stderr);
        let is_json = matches!(args[0], "events" | "subscribe" | "commit");
        if is_json {
            for line in stdout.lines() {
                serde_json::from_str::<Value>(line)
                    .unwrap_or_else(|error| panic!("{args:?}: {error}: {line}"));
            }
        } else {
            assert_harmless(&format!("{args:?}, stdout"), &stdout);
        }
    }
}

#[test]
fn no_verb_lets_it_through_on_a_terminal_as_json_or_not() {
    let home = hostile();
    for (args, stdin) in verbs() {
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        for _ in 0..2 {
            let mut shown = on_a_terminal(&home, &args, &stdin);
            if args[0] == "verify" {
                // The progress bar clears its own line.
                shown = without_clearing(&shown);
            }
            assert_harmless(&format!("{args:?}"), &shown);
            args.push("--json");
        }
    }
}

/// Without the movements of the progress bar.
fn without_clearing(shown: &str) -> String {
    let mut left = shown.to_owned();
    for movement in ["\r\u{1b}[2K", "\u{1b}[2K", "\u{1b}[?25l", "\u{1b}[?25h", "\u{1b}[1A", "\r"] {
        left = left.replace(movement, "");
    }
    left
}

#[test]
fn one_key_is_one_line_of_ls_and_json_has_it_exactly() {
    let home = hostile();
    let keys: Vec<String> =
        home.still().list("").unwrap().iter().map(ToString::to_string).collect();
    assert!(keys.iter().any(|key| key == HOSTILE));
    let lines = run(&mut program(home.root(), &["ls"]), b"").ok();
    assert_eq!(lines.lines().count(), keys.len(), "{lines:?}");
    let listed = run(&mut program(home.root(), &["ls", "--json"]), b"");
    let listed: Vec<String> =
        listed.json().iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, keys);
    let got = run(&mut program(home.root(), &["get", HOSTILE, "--json"]), b"").json();
    assert_eq!((&got[0]["key"], &got[0]["value"]["text"]), (&json!(HOSTILE), &json!(HOSTILE)));
    let cells = run(&mut program(home.root(), &["subscriptions"]), b"").ok();
    assert!(
        cells.lines().count() == 2 && cells.lines().all(|line| line.split('\t').count() == 10),
        "{cells:?}"
    );
}

#[test]
fn json_on_a_terminal_says_the_same_as_in_a_pipe() {
    let home = hostile();
    for args in [&["ls", "--json"][..], &["events", "--json"], &["get", HOSTILE, "--json"]] {
        let piped = run(&mut program(home.root(), args), b"").json();
        let shown = crate::program::json(&on_a_terminal(&home, args, ""));
        assert_eq!(shown, piped, "{args:?}");
        assert!(!piped.is_empty());
    }
}

#[test]
fn get_prints_the_bytes_of_the_file_and_nothing_else() {
    let home = Home::new();
    home.open().close().unwrap();
    let text = "{\n  \"\u{202e}\": \"\u{9b}31m\u{7f}\"\n}\n";
    fs::write(home.path("a.json"), text).unwrap();
    assert_eq!(run(&mut program(home.root(), &["get", "a"]), b"").ok(), text);
}

#[test]
fn names_in_json_need_not_be_text() {
    let home = hostile();
    let outcome = run(&mut program(home.root(), &["verify", "--json"]), b"");
    let found = outcome.json();
    let has = |part: &str| found.iter().any(|line| line["path"].as_str().unwrap().contains(part));
    assert!(has("bytes\u{fffd}") && has("stray\u{1b}[2J"), "{outcome:?}");
}

#[test]
fn warnings_about_hostile_names_are_harmless_and_one_line_each() {
    let home = Home::new();
    let store = home.still();
    put(&store, HOSTILE, &json!(1));
    drop(store);
    let document = fs::read_dir(home.root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_file())
        .unwrap();
    fs::write(&document, "\"edited\"\n").unwrap();
    home.lose_page_cache();
    // The redo keeps the edit aside, and warns with the key and the name of the copy.
    let outcome = run(&mut program(home.root(), &["status"]), b"");
    assert!(outcome.stderr.contains("kept aside"), "{outcome:?}");
    assert_harmless("a warning", &outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    for name in home.names(".docbox/recovered") {
        assert_harmless("recovered/", &name);
    }
    // Above, the root is a plain path; here it is none.
    let odd = home.path(&format!("root{HOSTILE}"));
    Store::open(&odd).unwrap().close().unwrap();
    fs::write(odd.join(".docbox/store.json"), HOSTILE).unwrap();
    let broken = run(&mut program(&odd, &["status"]), b"").fails(3);
    assert_harmless("a path", &broken);
}
