//! Folders and disks that cannot be written any more, while a store is in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use docbox::{Delivery, Error, Start, Store, Transaction};
use serde_json::json;
use tempfile::TempDir;

use crate::again::{again, itself};
use crate::disk::{Disk, say, tell, with_own_mounts};
use crate::home::{Home, Line, emit, eventually, number, numbered};
use crate::ledger::{Ledger, never};
use crate::program::{program, run};
use crate::skip;

/// Of root no mode is asked: then a test runs again as nobody.
#[track_caller]
fn as_somebody(name: &str, test: impl FnOnce()) {
    let folder = tempfile::tempdir().expect("a folder");
    let probe = folder.path().join("probe");
    fs::create_dir(&probe).expect("a folder");
    set_mode(&probe, 0o555);
    if fs::write(probe.join("file"), "").is_err() {
        return test();
    }
    let nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
    };
    let copy = copy_for_all(&folder);
    if let Err(why) = say(nobody().arg(&copy).arg("--list")) {
        return skip(&why);
    }
    again(name, nobody().arg(copy).env("TMPDIR", "/tmp"), test);
}

/// The program of these tests, where everybody can run it.
fn copy_for_all(folder: &TempDir) -> std::path::PathBuf {
    set_mode(folder.path(), 0o755);
    let copy = folder.path().join("faults");
    fs::copy(itself(), &copy).expect("a copy");
    copy
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Io { path, source, .. } | Error::Blocked { path, source, .. }
        if path.is_absolute() && source.kind() == std::io::ErrorKind::PermissionDenied)
}

fn to(key: &str, number: u64) -> Transaction {
    Transaction::new().put(key, &json!(number)).expect("a document").emit(numbered(number))
}

#[test]
fn a_folder_of_documents_that_cannot_be_written_holds_commits_up_until_it_can() {
    let name =
        "read_only::a_folder_of_documents_that_cannot_be_written_holds_commits_up_until_it_can";
    as_somebody(name, || {
        let home = Home::new();
        let store = home.open();
        let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
        store.commit(to("agents/a", 1)).expect("a commit");
        store.commit(to("agents/b", 2)).expect("a commit");
        set_mode(&home.path("agents"), 0o555);
        let error = store.commit(to("agents/a", 3)).expect_err("it cannot be put in place");
        assert!(
            matches!(&error, Error::InDoubt { seq: 3, cause } if cause.contains("agents/a.json"))
        );
        let error = store.commit(to("other", 4)).expect_err("it would overtake");
        assert!(matches!(error, Error::Blocked { seq: 3, .. }) && is_denied(&error), "{error}");
        assert_eq!(
            store.get_bytes("agents/b").expect("reading goes on").as_deref(),
            Some(&b"2\n"[..])
        );
        let heard: Vec<u64> = ui.catch_up().map(acked).collect();
        assert_eq!(heard, [1, 2], "deliveries go on up to the head");
        let error = Store::open(home.root()).expect_err("nor does it open");
        assert!(matches!(error, Error::Blocked { seq: 3, .. }), "{error}");
        let reader = Store::open_read_only(home.root()).expect("but for reading");
        assert!(reader.get_bytes("agents/b").expect("it reads").is_some());
        set_mode(&home.path("agents"), 0o755);
        eventually("it is put in place by itself", || home.text("agents/a.json") == "3\n");
        assert_eq!(ui.iter().next().map(acked), Some(3));
        assert_eq!(store.commit(to("other", 4)).expect("it goes on").seq(), 4);
        assert!(store.verify().expect("a look").is_clean());
        assert!(home.recovered().is_empty());
        store.close().expect("it closes");
    });
}

#[test]
fn a_docbox_folder_that_cannot_be_written_refuses_what_needs_a_file() {
    let name = "read_only::a_docbox_folder_that_cannot_be_written_refuses_what_needs_a_file";
    as_somebody(name, || {
        let home = Home::new();
        let store = home.open();
        let mut ledger = Ledger::default();
        ledger.commit(&store, 16);
        let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
        let folders = ["journal", "cursors", "spool", "recovered", "dead", ""];
        let all = |mode| {
            for name in folders {
                set_mode(&home.path(&format!(".docbox/{name}")), mode);
            }
        };
        all(0o500);
        for _ in 0..16 {
            ledger.try_commit(&store, is_denied);
        }
        // Of eight, one writes no document, and one deletes: these go on.
        assert_eq!(ledger.tally(), (16 + 4, 12, 0));
        ledger.check_reads(&store);
        ledger.hear(&mut ui, never);
        assert!(is_denied(&store.subscribe("b").from(Start::Now).open().expect_err("a new file")));
        all(0o700);
        ledger.commit(&store, 16);
        ledger.hear(&mut ui, never);
        ledger.check_heard(&home);
        ledger.check(&home, &store);
        store.close().expect("it closes");
    });
}

#[test]
fn on_a_read_only_disk_the_program_reads_and_says_what_to_do() {
    let name = "read_only::on_a_read_only_disk_the_program_reads_and_says_what_to_do";
    with_own_mounts(name, || {
        let disk = match Disk::made_by(&["mkfs.ext4", "-q"], 16) {
            Ok(disk) => disk,
            Err(why) => return skip(&why),
        };
        let home = Home::within(disk.path());
        let docbox =
            |args: &[&str], stdin: &str| run(&mut program(home.root(), args), stdin.as_bytes());
        docbox(&["init"], "").ok();
        docbox(&["put", "a", "--event", "Made"], "1").ok();
        docbox(&["subscribe", "ui", "--from", "beginning"], "").ok();
        // As by a kill: to be recovered, once it can.
        home.still().commit(to("b", 2)).expect("a commit");
        disk.set("ro").expect("nobody writes");
        for args in [&["put", "a"][..], &["subscribe", "ui"], &["reset", "ui", "--to", "now"]] {
            let said = docbox(args, "3").fails(3);
            assert!(said.contains("make the filesystem writable, then try again"), "{said}");
        }
        assert_eq!(docbox(&["get", "a"], "").ok(), "1\n");
        assert_eq!(docbox(&["get", "b"], "").ok(), "2\n");
        assert_eq!(docbox(&["ls"], "").ok(), "a\nb\n");
        let said = docbox(&["events", "--json"], "");
        assert!(said.stderr.contains("reading the store as it stands"), "{said:?}");
        assert_eq!(said.json().len(), 2);
        docbox(&["status"], "").ok();
        docbox(&["verify"], "").ok();
        disk.set("rw").expect("it can be");
        assert!(docbox(&["put", "a"], "3").ok().starts_with("3 "));
        docbox(&["verify"], "").ok();
    });
}

#[test]
fn a_disk_that_fails_under_a_store_takes_nothing_and_loses_nothing() {
    let name = "read_only::a_disk_that_fails_under_a_store_takes_nothing_and_loses_nothing";
    with_own_mounts(name, || {
        let disk = match Disk::made_by(&["mkfs.ext4", "-q", "-e", "remount-ro"], 16) {
            Ok(disk) => disk,
            Err(why) => return skip(&why),
        };
        let home = Home::within(disk.path());
        let store = home.open();
        let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
        emit(&store, 1..=5);
        store.commit(to("a", 6)).expect("a commit");
        // The kernel finds an error on the disk, as it says, and writes to it no more.
        if let Err(why) = tell(&disk.trigger(), "as a test\n") {
            return skip(&format!("no error can be made on the disk: {why}"));
        }
        let mut taken = 6;
        let mut refused = 0;
        for number in 7..12 {
            match store.commit(to("a", number)) {
                Ok(_) => panic!("{number} was taken by a disk that takes nothing"),
                Err(Error::InDoubt { seq, .. }) => assert_eq!(seq, 7),
                Err(Error::Io { path, .. }) => assert!(path.is_absolute()),
                Err(Error::Blocked { .. } | Error::Unusable { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
            refused += 1;
        }
        assert_eq!(refused, 5);
        assert_eq!(store.get_bytes("a").expect("reading goes on").as_deref(), Some(&b"6\n"[..]));
        // Its cursor cannot be written any more.
        assert!(ui.catch_up().next().expect("an error").and_then(Delivery::ack).is_err());
        drop((ui, store));
        disk.remount();
        let store = home.open();
        let numbers: Vec<u64> = home.lines().iter().map(Line::seq).collect();
        if numbers.len() == 7 {
            taken = 7; // It was in doubt, and is there.
        }
        assert_eq!(numbers, (1..=taken).collect::<Vec<_>>());
        assert!(store.verify().expect("a look").is_clean());
        let mut ui = store.subscribe("ui").from(Start::Beginning).open().expect("a subscription");
        let heard: Vec<u64> = ui.catch_up().map(acked).collect();
        assert_eq!(heard[..6], [1, 2, 3, 4, 5, 6]);
        emit(&store, [100]);
        store.close().expect("it closes");
    });
}

fn acked(delivery: docbox::Result<Delivery>) -> u64 {
    let delivery = delivery.expect("it is handed over");
    let number = number(delivery.event());
    delivery.ack().expect("it is acked");
    number
}
