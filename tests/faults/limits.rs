//! A process that may have few descriptors, or files of little length, beside others that may have more.

use std::fs::File;
use std::io::{Write, read_to_string};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use docbox::{Error, Start, Store};
use serde_json::Value;

use crate::again::{again, itself};
use crate::disk::say;
use crate::home::Home;
use crate::ledger::{Ledger, never};
use crate::program::{Guarded, json, program, run};
use crate::skip;

/// No document and no line of this size fits under the limit with the fill before it.
const LONG: usize = 300_000;
const FILE_BYTES: u64 = 1_500_000;
/// The number of SIGXFSZ on every Linux but those of MIPS and PA-RISC.
const SIGXFSZ: i32 = 25;

#[test]
fn without_descriptors_calls_fail_and_with_them_all_goes_on() {
    if !can_limit() {
        return;
    }
    let mut command = Command::new("prlimit");
    command.args(["--nofile=64:64"]).arg(itself());
    again("limits::without_descriptors_calls_fail_and_with_them_all_goes_on", &mut command, || {
        let home = Home::new();
        let store = Store::open(home.root()).expect("a store");
        let mut ledger = Ledger::default();
        let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
        ledger.commit(&store, 16);
        let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(taken.len() > 20, "so many were free: {}", taken.len());
        assert!(is_without(
            &store.get::<Value>("folder-16/below/one").expect_err("it needs a descriptor")
        ));
        assert!(is_without(&store.list("").expect_err("it needs a descriptor")));
        assert!(is_without(&store.subscribe("b").from(Start::Now).open().expect_err("one too")));
        assert!(is_without(&Store::open(home.root()).expect_err("and one")));
        // With none at all, one, two …: each way ends in the middle of something else.
        for _ in 0..12 {
            for _ in 0..8 {
                ledger.try_commit(&store, is_without);
            }
            ledger.hear(&mut ui, is_without);
            drop(taken.pop());
        }
        assert!(ledger.tally().1 > 0 && ledger.tally().0 > 16 + 4, "{:?}", ledger.tally());
        assert_eq!(ledger.tally().2, 0, "nothing is in doubt");
        drop(taken);
        ledger.commit(&store, 16);
        ledger.hear(&mut ui, never);
        ledger.check_heard(&home);
        ledger.check(&home, &store);
        ledger.say();
        store.close().expect("it closes");
    });
}

fn is_without(error: &Error) -> bool {
    matches!(error, Error::Io { path, source, .. } if path.is_absolute() && source.raw_os_error() == Some(24))
}

/// A writer whose files may not grow beyond a size.
fn limited(home: &Home, shell: &str) -> Command {
    let docbox = program(home.root(), &["commit", "--lines"]);
    let mut command = Command::new("sh");
    let text = format!("{shell} exec prlimit --core=0 --fsize={FILE_BYTES} \"$0\" commit --lines");
    command.args(["-c", &text]).arg(docbox.get_program()).current_dir(home.root());
    command.env_remove("DOCBOX_STORE").env_remove("DOCBOX_LOG");
    command
}

fn long(number: usize) -> String {
    let text = "x".repeat(LONG);
    format!(
        r#"{{"writes":[{{"key":"long/{number}","doc":"{text}"}}],"events":[{{"type":"Long"}}]}}"#
    ) + "\n"
}

/// What was acknowledged is there, and another process goes on behind it.
fn assert_goes_on(home: &Home, acknowledged: usize) {
    let docbox =
        |args: &[&str], stdin: &str| run(&mut program(home.root(), args), stdin.as_bytes());
    assert!((1..6).contains(&acknowledged), "{acknowledged}: it is the journal that may not grow");
    docbox(&["verify"], "").ok();
    let listed = docbox(&["ls"], "").ok();
    assert_eq!(listed.lines().count(), acknowledged, "{listed}");
    let answers = docbox(&["commit", "--lines"], &(10..16).map(long).collect::<String>()).ok();
    let seqs: Vec<u64> = json(&answers).iter().filter_map(|said| said["seq"].as_u64()).collect();
    let next = acknowledged as u64 + 1;
    assert_eq!(seqs, (next..next + 6).collect::<Vec<_>>(), "without a gap");
    docbox(&["verify"], "").ok();
    assert_eq!(docbox(&["events", "--json"], "").json().len(), acknowledged + 6);
}

/// Commits until a commit does not end well; how many did, and how that one ended.
fn until_the_end(home: &Home, shell: &str) -> (usize, ExitStatus, String) {
    for number in 0..6 {
        let mut child = Guarded::start(&mut limited(home, shell));
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(long(number).as_bytes()).expect("it reads");
        drop(stdin);
        let said = read_to_string(child.stderr.take().expect("a pipe")).expect("what it says");
        let status = child.wait().expect("it ends");
        if !status.success() {
            return (number, status, said);
        }
    }
    panic!("all of it fits")
}

#[test]
fn a_file_that_may_not_grow_fails_the_commit_where_its_signal_is_ignored() {
    if !can_limit() {
        return;
    }
    let home = made();
    let (acknowledged, status, said) = until_the_end(&home, "trap '' XFSZ;");
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("could not fill") && said.contains("File too large"), "{said}");
    assert_goes_on(&home, acknowledged);
}

#[test]
fn a_file_that_may_not_grow_ends_a_process_as_a_kill_does_and_others_go_on() {
    if !can_limit() {
        return;
    }
    let home = made();
    let (acknowledged, status, said) = until_the_end(&home, "");
    assert_eq!(status.signal(), Some(SIGXFSZ), "{status:?}: {said}");
    assert_goes_on(&home, acknowledged);
}

fn can_limit() -> bool {
    let has = say(Command::new("prlimit").arg("--version"));
    if let Err(why) = &has {
        skip(why);
    }
    has.is_ok()
}

fn made() -> Home {
    let home = Home::new();
    run(&mut program(home.root(), &["init"]), b"").ok();
    home
}
