//! Cursors that cannot be used, and how `reset` mends them.

use std::fs;

use docbox::{Error, Position, Severity, Start, Store};

use crate::home::{Home, copy_into, emit, sealed};
use crate::{take, take_all, ui};

/// Asserts that `ui` is refused with a text that has `what`, and that a reset mends it.
fn assert_refused(store: &Store, what: &str) {
    let error = store.subscribe("ui").open().unwrap_err();
    let Error::Cursor { name, what: said } = &error else { panic!("{error}") };
    assert!(name == "ui" && said.contains(what), "{said}");
    assert!(error.to_string().contains("docbox reset ui"), "{error}");
    let status = &store.subscriptions().unwrap()[0];
    assert!(status.error.as_ref().unwrap().contains(what));
    assert_eq!(store.verify().unwrap().worst(), Some(Severity::Damage));
    let settled = store.reset("ui", Start::After(Position::end_of(1))).unwrap();
    assert_eq!(settled, Position::end_of(1));
    assert_eq!(take_all(&mut ui(store)).first(), Some(&2));
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_damaged_cursor() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    take(&mut ui(&store), 3);
    let bytes = home.read(".docbox/cursors/ui");
    home.write(".docbox/cursors/ui", vec![b'x'; bytes.len()]);
    assert_refused(&store, "readable");
}

#[test]
fn an_empty_cursor() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    drop(ui(&store));
    home.write(".docbox/cursors/ui", "");
    assert_refused(&store, "readable");
}

#[test]
fn a_cursor_with_one_damaged_slot_goes_on_at_most_one_move_back() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    take(&mut ui(&store), 3);
    let pristine = home.read(".docbox/cursors/ui");
    for slot in 0..3 {
        home.write(".docbox/cursors/ui", &pristine);
        home.overwrite(&home.path(".docbox/cursors/ui"), slot * 4096 + 30, "#");
        let left = take_all(&mut ui(&store));
        assert!(left == [4, 5] || left == [3, 4, 5], "slot {slot}: {left:?}");
    }
}

#[test]
fn a_cursor_of_another_store() {
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        let store = home.still();
        emit(&store, 1..=5);
        take(&mut ui(&store), 2);
    }
    fs::copy(other.path(".docbox/cursors/ui"), home.path(".docbox/cursors/ui")).unwrap();
    let store = home.still();
    assert_refused(&store, other.still().id());
}

#[test]
fn a_cursor_edited_by_hand_to_an_earlier_position_is_a_reset() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    take(&mut ui(&store), 4);
    let mut value = home.register("cursors/ui");
    let members = value.as_object_mut().unwrap();
    members.remove("crc");
    members.insert("next".into(), "3-0".into());
    let text = serde_json::to_string(&value).unwrap();
    let slot = sealed(text.strip_prefix('{').unwrap().strip_suffix('}').unwrap());
    let slot = format!("{:<4095}\n", slot.trim_end());
    home.write(".docbox/cursors/ui", slot + &format!("{:<4095}\n", "").repeat(2));
    assert_eq!(take_all(&mut ui(&store)), [3, 4, 5]);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_cursor_cut_in_its_newest_slot_goes_on_at_most_one_move_back() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=5);
    take(&mut ui(&store), 3);
    let bytes = home.read(".docbox/cursors/ui");
    for len in [bytes.len() - 1, bytes.len() - 4096, 4096] {
        home.write(".docbox/cursors/ui", &bytes[..len]);
        match store.subscribe("ui").open() {
            Ok(mut ui) => assert_eq!(take_all(&mut ui).last(), Some(&5), "{len} bytes"),
            Err(error) => assert!(matches!(error, Error::Cursor { .. }), "{len} bytes: {error}"),
        }
    }
}

#[test]
fn a_cursor_beyond_a_journal_that_was_restored_from_an_older_copy() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=3);
    drop(ui(&store));
    let older = home.copy();
    emit(&store, 4..=6);
    take_all(&mut ui(&store));
    copy_into(&home.path(".docbox/cursors"), &older.path(".docbox/cursors"));
    let store = older.still();
    assert_eq!(store.status().unwrap().head, 3);
    assert_refused(&store, "the journal ends at 3");
    emit(&store, 7..=7);
    assert_eq!(take_all(&mut ui(&store)), [7]);
}

#[test]
fn a_definition_that_is_no_json_is_an_error_that_says_how_to_mend_it() {
    let home = Home::new();
    let store = home.still();
    emit(&store, 1..=2);
    drop(ui(&store));
    home.write(".docbox/cursors/ui.json", "{");
    let error = store.subscribe("ui").open().unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert_eq!(store.verify().unwrap().worst(), Some(Severity::Damage));
    fs::remove_file(home.path(".docbox/cursors/ui.json")).unwrap();
    assert_eq!(take_all(&mut ui(&store)), [1, 2]);
    assert!(home.is_there(".docbox/cursors/ui.json"));
}
