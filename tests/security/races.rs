//! A folder that turns into a link and back, at every instant of a commit.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use docbox::{Error, Severity, Start, Store, Transaction};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::home::{Home, put};
use crate::outside::Outside;

/// How long each folder changes places.
const HAMMERED: Duration = Duration::from_millis(800);

/// And how often at least.
const RACED: u64 = 100;

/// Lets `folder` and a link to `elsewhere` change places all the time while `act` runs again and again;
/// in the end the folder is back. How often they did.
fn hammer(folder: &Path, elsewhere: &Path, mut act: impl FnMut(u64)) -> u64 {
    let link = folder.with_file_name("the-other");
    symlink(elsewhere, &link).unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
                // Both states last for a while, of another length each time.
                for _ in 0..swaps.load(Ordering::Relaxed) * 7919 % 3000 {
                    std::hint::spin_loop();
                }
            }
        });
        let begun = Instant::now();
        let mut round = 0;
        // On a busy machine until it was raced indeed.
        while begun.elapsed() < HAMMERED || swaps.load(Ordering::Relaxed) <= RACED {
            act(round);
            round += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    if folder.is_symlink() {
        renameat_with(CWD, folder, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    }
    fs::remove_file(&link).unwrap();
    swaps.into_inner()
}

/// Commits whatever can be committed, and begins anew where the store says so.
struct Committer<'h> {
    home: &'h Home,
    store: Option<Store>,
    done: u64,
    refused: u64,
}

impl<'h> Committer<'h> {
    fn new(home: &'h Home) -> Self {
        Self { home, store: Some(home.still()), done: 0, refused: 0 }
    }

    fn commit(&mut self, transaction: Transaction) {
        if self.store.is_none() {
            self.store = Store::options().housekeeping(false).open(self.home.root()).ok();
        }
        let Some(store) = &self.store else {
            self.refused += 1;
            return;
        };
        match store.commit(transaction) {
            Ok(_) => self.done += 1,
            Err(error) => {
                self.refused += 1;
                if matches!(error, Error::Unusable { .. } | Error::InDoubt { .. }) {
                    self.store = None;
                }
            }
        }
    }
}

fn change(round: u64) -> Transaction {
    let key = format!("agents/{}", round % 4);
    match round % 3 {
        0 => Transaction::new().remove(&key).unwrap(),
        _ => Transaction::new().put(&key, &json!({ "round": round })).unwrap(),
    }
}

#[test]
fn a_folder_of_documents_that_turns_into_a_link_and_back_never_leads_outside() {
    let home = Home::new();
    let outside = Outside::with(&["0.json", "1.json", "2.json", "3.json"]);
    let mut committer = Committer::new(&home);
    for round in 0..4 {
        committer.commit(Transaction::new().put(format!("agents/{round}"), &json!(0)).unwrap());
    }
    let swaps = hammer(&home.path("agents"), outside.path(), |round| {
        committer.commit(change(round));
    });
    let Committer { done, refused, .. } = committer;
    println!("{swaps} swaps, {done} commits, {refused} refused");
    assert!(done > 4, "nothing was committed meanwhile");
    outside.assert_untouched("commits");
    assert!(home.recovered().iter().all(|kept| !kept.starts_with(b"\"of somebody else")));
    let store = home.still();
    put(&store, "agents/0", &json!("all is well again"));
    assert_eq!(home.text("agents/0.json"), "\"all is well again\"\n");
    // What was deleted while it could not be seen is there again: that is drift, and no damage.
    let report = store.verify().unwrap();
    assert!(report.worst() < Some(Severity::Damage), "{report:?}");
}

#[test]
fn the_store_s_own_folders_that_turn_into_links_and_back_never_lead_outside() {
    let outside =
        Outside::with(&["0000000000000001.jsonl", "ui", "ui.json", "ui.lock", ".new-left"]);
    for folder in ["spool", "journal", "cursors", "recovered"] {
        let home = Home::new();
        let mut committer = Committer::new(&home);
        committer.commit(change(1));
        let swaps = hammer(&home.path(".docbox").join(folder), outside.path(), |round| {
            committer.commit(change(round));
            // Another process that opens, recovers and subscribes.
            if let Ok(store) = Store::options().housekeeping(false).open(home.root()) {
                let _ = store.subscribe("ui").from(Start::Beginning).open();
                let _ = store.reset("ui", Start::Now);
                let _ = store.close();
            }
            if round % 2 == 0 {
                // An edit by hand, which a commit puts into `recovered/`, or reads.
                let _ = fs::write(home.path("agents/1.json"), format!("{round}\n"));
                home.lose_page_cache();
            }
        });
        let Committer { done, refused, .. } = committer;
        println!("{folder}: {swaps} swaps, {done} commits, {refused} refused");
        outside.assert_untouched(folder);
    }
}
