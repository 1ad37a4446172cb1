//! Stores that were damaged once and lie in fixtures/damaged: what is served of each, and what is said.

use std::fs;
use std::path::{Path, PathBuf};

use docbox::{Error, Start, Store};
use serde_json::Value;

use crate::golden::golden;
use crate::home::{Home, copy_into};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/damaged");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// The golden store with the damage laid over it.
fn damaged(fixture: &Path) -> Home {
    let home = golden();
    let inside = home.path(".docbox");
    if let Ok(removed) = fs::read_to_string(fixture.join("REMOVED")) {
        for file in removed.lines() {
            fs::remove_file(inside.join(file)).unwrap();
        }
    }
    copy_into(fixture, &inside);
    home
}

fn assert_names(error: &Error, expected: &Value) {
    let Error::Corrupt { path, offset, seq, .. } = error else { panic!("{error}") };
    assert_eq!(path.file_name().unwrap().to_str(), expected["file"].as_str(), "{error}");
    assert_eq!(Some(*offset), expected["offset"].as_u64(), "{error}");
    assert_eq!(*seq, expected["seq"].as_u64(), "{error}");
}

#[test]
fn every_damaged_store_is_read_as_far_as_it_is_sound_and_no_further() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 6, "the fixtures are there");
    for fixture in fixtures {
        println!("{}", fixture.display());
        let text = fs::read_to_string(fixture.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let home = damaged(&fixture);
        let before = home.lines().len();
        let opened = Store::options().housekeeping(false).open(home.root());
        if expected["opens"] == false {
            assert_names(&opened.unwrap_err(), &expected["corrupt"]);
            assert_eq!(home.lines().len(), before, "nothing is written over");
            continue;
        }
        let store = opened.unwrap();
        let mut last = 0;
        let mut failed = None;
        for event in store.events(Start::Beginning).unwrap() {
            match event {
                Ok(event) => last = event.position().seq,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        assert_eq!(Some(last), expected["events_up_to"].as_u64(), "events are served up to here");
        match (&failed, &expected["corrupt"]) {
            (None, Value::Null) => {}
            (Some(error), place) if !place.is_null() => assert_names(error, place),
            (failed, place) => panic!("{failed:?}, and {place} was expected"),
        }
        let kept = expected["recovered"].as_u64().unwrap_or(0);
        assert_eq!(home.recovered().len() as u64, kept, "kept aside");
        if let Some(name) = expected["cursor"].as_str() {
            let error = store.subscribe(name).open().unwrap_err();
            assert!(matches!(error, Error::Cursor { .. }), "{error}");
            assert!(error.to_string().contains("docbox reset ui"), "{error}");
        }
    }
}
