//! Hard links, and names that change places: what of it survives a power cut.

use std::collections::BTreeSet;
use std::path::Path;

use docbox::fs::Fs;

use crate::support::sim::{Disk, Survival};
use crate::{after_power_cuts, disk_with, files, open, rename, sync_dir, write};

/// What the names lead to, by the one letter that is in each file.
fn letters<const N: usize>(disk: &Disk, paths: [&str; N]) -> String {
    files(disk, paths).map(|text| text.unwrap_or_else(|| "-".into())).concat()
}

fn seen<const N: usize>(disk: &Disk, paths: [&str; N]) -> BTreeSet<String> {
    after_power_cuts(disk, |disk| letters(disk, paths))
}

fn set<const N: usize>(outcomes: [&str; N]) -> BTreeSet<String> {
    outcomes.into_iter().map(str::to_owned).collect()
}

#[test]
fn two_names_change_places_at_once() {
    let disk = disk_with([("/s/a", b"a"), ("/s/b", b"b")]);
    disk.exchange("/s/a", "/s/b");
    assert_eq!(letters(&disk, ["/s/a", "/s/b"]), "ba");
    disk.exchange("/s/a", "/s/a");
    assert_eq!(letters(&disk, ["/s/a", "/s/b"]), "ba", "with itself nothing changes");
}

#[test]
fn after_an_exchange_each_name_leads_to_the_old_or_the_new_file_apart_from_the_other() {
    let disk = disk_with([("/s/a", b"a"), ("/s/b", b"b")]);
    disk.exchange("/s/a", "/s/b");
    assert_eq!(seen(&disk, ["/s/a", "/s/b"]), set(["ab", "ba", "aa", "bb"]));
    sync_dir(&*disk.process(), "/s");
    assert_eq!(seen(&disk, ["/s/a", "/s/b"]), set(["ba"]));
}

#[test]
fn an_exchange_between_two_folders_needs_the_sync_of_both() {
    let disk = disk_with([("/s/one/a", b"a"), ("/s/two/b", b"b")]);
    disk.exchange("/s/one/a", "/s/two/b");
    sync_dir(&*disk.process(), "/s/one");
    assert_eq!(seen(&disk, ["/s/one/a", "/s/two/b"]), set(["ba", "bb"]));
    sync_dir(&*disk.process(), "/s/two");
    assert_eq!(seen(&disk, ["/s/one/a", "/s/two/b"]), set(["ba"]));
}

#[test]
fn exchanges_and_renames_of_one_inode_survive_in_order() {
    let disk = disk_with([("/s/1/a", b"a"), ("/s/2/b", b"b"), ("/s/3/x", b"x")]);
    disk.exchange("/s/1/a", "/s/2/b");
    rename(&*disk.process(), "/s/2/b", "/s/3/a");
    let paths = ["/s/1/a", "/s/2/b", "/s/3/a"];
    let possible = [
        // The exchange not at all or in part, the rename not at all.
        "ab-", "aa-", "bb-", "ba-", // The rename in part or whole.
        "baa", "b--", "b-a",
    ];
    assert_eq!(seen(&disk, paths), set(possible));
}

#[test]
fn a_durable_half_of_a_rename_makes_an_exchange_before_it_durable_and_what_that_one_stands_on() {
    let disk = disk_with([("/s/1/a", b"a"), ("/s/2/b", b"b"), ("/s/3/x", b"x"), ("/s/4/x", b"x")]);
    let process = disk.process();
    // Of b first, then of both, then of a.
    rename(&*process, "/s/2/b", "/s/3/b");
    disk.exchange("/s/1/a", "/s/3/b");
    rename(&*process, "/s/3/b", "/s/4/a");
    sync_dir(&*process, "/s/4");
    let disk = disk.fork();
    disk.power_cut_with(Survival::NOTHING);
    assert_eq!(letters(&disk, ["/s/1/a", "/s/2/b", "/s/3/b", "/s/4/a"]), "b-aa");
}

#[test]
fn folders_change_places_whole_or_not_at_all() {
    let disk = disk_with([("/s/p/a", b"a"), ("/s/q/b", b"b")]);
    disk.exchange("/s/p", "/s/q");
    assert_eq!(seen(&disk, ["/s/p/a", "/s/q/b", "/s/p/b", "/s/q/a"]), set(["ab--", "--ba"]));
}

#[test]
fn a_hard_link_leads_to_the_same_bytes() {
    let disk = disk_with([("/s/a", b"a")]);
    disk.hard_link("/s/a", "/s/kept/a");
    assert_eq!(disk.links("/s/a"), 2);
    let process = disk.process();
    let stat = |path| process.stat(Path::new(path)).expect("it is there");
    assert!(stat("/s/a").same_file(&stat("/s/kept/a")));
    write(&*open(&*process, "/s/kept/a"), "b", 0);
    assert_eq!(letters(&disk, ["/s/a", "/s/kept/a"]), "bb");
    rename(&*process, "/s/a", "/s/kept/a");
    assert_eq!(disk.links("/s/a"), 2, "a rename between two names of one inode does nothing");
    process.remove_file(Path::new("/s/a")).expect("one name goes");
    assert_eq!((disk.links("/s/kept/a"), letters(&disk, ["/s/a", "/s/kept/a"])), (1, "-b".into()));
}

#[test]
fn a_file_that_is_renamed_over_lives_on_under_its_other_name() {
    let disk = disk_with([("/s/a", b"a"), ("/s/t", b"t")]);
    disk.hard_link("/s/a", "/s/kept");
    disk.settle();
    rename(&*disk.process(), "/s/t", "/s/a");
    let seen = seen(&disk, ["/s/a", "/s/kept"]);
    assert_eq!(seen, set(["aa", "ta"]));
}

#[test]
fn a_hard_link_needs_the_sync_of_its_own_folder_and_no_sync_of_the_file() {
    let disk = disk_with([("/s/a", b"a"), ("/s/kept/x", b"x")]);
    disk.hard_link("/s/a", "/s/kept/a");
    assert_eq!(seen(&disk, ["/s/a", "/s/kept/a"]), set(["a-", "aa"]));
    sync_dir(&*disk.process(), "/s/kept");
    assert_eq!(seen(&disk, ["/s/a", "/s/kept/a"]), set(["aa"]));
}

#[test]
fn the_bytes_of_a_file_with_two_names_survive_alike_under_both() {
    let disk = disk_with([("/s/a", b"a")]);
    disk.hard_link("/s/a", "/s/kept");
    disk.settle();
    write(&*open(&*disk.process(), "/s/a"), "b", 0);
    let seen = after_power_cuts(&disk, |disk| {
        let [one, other] = files(disk, ["/s/a", "/s/kept"]);
        assert_eq!(one, other);
        one
    });
    assert!(seen.len() > 2, "old, new, damaged: {seen:?}");
}

#[test]
fn what_cannot_be_linked_or_exchanged_is_refused() {
    use std::panic::catch_unwind;
    let refused = |edit: fn(&Disk)| {
        catch_unwind(|| edit(&disk_with([("/s/p/a", b"a"), ("/s/b", b"b")]))).is_err()
    };
    assert!(refused(|disk| disk.hard_link("/s/p", "/s/q")), "a folder has one name");
    assert!(refused(|disk| disk.hard_link("/s/b", "/s/p/a")), "the name is taken");
    assert!(refused(|disk| disk.hard_link("/s/none", "/s/x")), "there is nothing to link");
    assert!(refused(|disk| disk.exchange("/s/b", "/s/none")), "both must be there");
    assert!(refused(|disk| disk.exchange("/s/p", "/s/p/a")), "a folder cannot lie in itself");
}
