//! Damaged registers: what is recovered, and what is said.

use std::fs;

use docbox::{Error, Severity, Store};
use serde_json::{Value, json};

use crate::home::{Home, emit, put};

/// A store left as by a kill, with documents beyond `applied`.
fn left() -> Home {
    let home = Home::new();
    let store = home.still();
    put(&store, "a", &json!(1));
    store.checkpoint().unwrap();
    put(&store, "a", &json!(2));
    emit(&store, 3..=5);
    drop(store);
    home
}

fn assert_whole(home: &Home, what: &str) {
    let store = home.still();
    assert_eq!(store.status().unwrap().head, 5, "{what}");
    assert_eq!(store.get::<Value>("a").unwrap().unwrap().value, 2, "{what}");
    let report = store.verify().unwrap();
    assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
    put(&store, "b", &json!(6));
    store.close().unwrap();
    assert_eq!(home.register("applied")["seq"], 6, "{what}");
    assert!(home.recovered().is_empty(), "{what}");
}

#[test]
fn each_slot_of_head_and_of_applied_may_be_damaged() {
    let pristine = left();
    for register in ["head", "applied"] {
        for slot in 0..3 {
            // The tenth byte is part of the checksum.
            for byte in [0, 9, 40, 4095] {
                let home = pristine.copy();
                // The page cache that wrote it still stands, as far as anybody knows.
                let path = home.path(&format!(".docbox/{register}"));
                home.overwrite(&path, slot * 4096 + byte, "#");
                assert_whole(&home, &format!("{register}, slot {slot}, byte {byte}"));
            }
        }
    }
}

#[test]
fn a_slot_damaged_under_an_intact_page_cache_is_rolled_forward_from() {
    for register in ["head", "applied"] {
        for slot in 0..3 {
            let home = left();
            home.overwrite(&home.path(&format!(".docbox/{register}")), slot * 4096 + 30, "#");
            assert_whole(&home, &format!("{register}, slot {slot}"));
        }
    }
}

#[test]
fn registers_without_a_readable_slot_and_missing_ones_are_made_anew_from_the_journal() {
    for registers in [&["head"][..], &["applied"], &["head", "applied"]] {
        for change in ["garbage", "empty", "missing"] {
            let home = left();
            for register in registers {
                let path = home.path(&format!(".docbox/{register}"));
                match change {
                    "garbage" => fs::write(path, [b'x'; 3 * 4096]).unwrap(),
                    "empty" => fs::write(path, "").unwrap(),
                    _ => fs::remove_file(path).unwrap(),
                }
            }
            assert_whole(&home, &format!("{registers:?} {change}"));
        }
    }
}

#[test]
fn a_register_of_another_store_is_not_believed() {
    let other = Home::new();
    let store = other.still();
    emit(&store, 1..=9);
    store.close().unwrap();
    for registers in [&["head"][..], &["applied"], &["head", "applied"]] {
        let home = left();
        for register in registers {
            let register = format!(".docbox/{register}");
            home.write(&register, other.read(&register));
        }
        assert_whole(&home, &format!("{registers:?}"));
    }
}

#[test]
fn a_head_that_becomes_unreadable_under_an_open_store_is_an_error_and_no_commit_is_lost() {
    let home = left();
    let store = home.still();
    let bytes = home.read(".docbox/head");
    home.overwrite(&home.path(".docbox/head"), 0, vec![b'x'; bytes.len()]);
    let transaction = docbox::Transaction::new().put("b", &json!(1)).unwrap();
    assert!(matches!(store.commit(transaction), Err(Error::Corrupt { .. })));
    assert_eq!(store.verify().unwrap().worst(), Some(Severity::Damage));
    assert!(!home.is_there("b.json"));
    drop(store);
    assert_whole(&home, "reopened");
}

#[test]
fn verify_finds_a_register_without_a_readable_slot() {
    for register in ["head", "applied"] {
        let home = left();
        let store = home.still();
        home.overwrite(&home.path(&format!(".docbox/{register}")), 0, vec![b'x'; 3 * 4096]);
        let reader = Store::open_read_only(home.root()).unwrap();
        for store in [&store, &reader] {
            assert_eq!(crate::damaged_files(&store.verify().unwrap()), [register]);
        }
    }
}
