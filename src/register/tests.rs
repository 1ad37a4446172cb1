//! Registers on a real file: slots, versions, and what damage does.

#![expect(clippy::disallowed_methods, reason = "the tests damage the file from outside")]

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;

use super::*;
use crate::fs::OsFs;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
struct Value {
    at: u64,
}

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("register");
        Register::create(&OsFs, &path, &Value { at: 0 }).unwrap();
        Self { _folder: folder, path }
    }

    fn register(&self) -> Register<Value> {
        Register::open(&OsFs, &self.path, Open::Write).unwrap().unwrap()
    }

    fn read(&self) -> Option<u64> {
        self.register().read().unwrap().map(|value| value.at)
    }

    fn slots(&self) -> Vec<Vec<u8>> {
        fs::read(&self.path).unwrap().chunks(SLOT_BYTES).map(<[u8]>::to_vec).collect()
    }

    fn damage(&self, slot: usize) {
        let mut bytes = fs::read(&self.path).unwrap();
        bytes[slot * SLOT_BYTES + 20] ^= 1;
        fs::write(&self.path, bytes).unwrap();
    }
}

#[test]
fn the_newest_value_counts() {
    let bench = Bench::new();
    let (mut writer, value) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    assert_eq!(value, Some(Value { at: 0 }));
    for at in 1..10 {
        writer.write(&Value { at }).unwrap();
        assert_eq!(bench.read(), Some(at));
    }
}

#[test]
fn a_version_that_could_have_no_next_is_not_believed() {
    for (version, read) in [(u64::MAX, None), (number::LAST + 1, None), (number::LAST, Some(7))] {
        let bench = Bench::new();
        fs::write(&bench.path, encoded(&bench, version, 0, 7)).unwrap();
        assert_eq!(bench.read(), read, "{version}");
        let mut writer = RegisterWriter::unsynced(bench.register());
        writer.refresh().unwrap();
        let written = writer.write(&Value { at: 8 });
        assert_eq!(written.is_ok(), read.is_none(), "{written:?}");
        assert_eq!(bench.read(), read.or(Some(8)), "nothing is written that nobody could read");
    }
}

#[test]
fn every_slot_is_a_line_of_json() {
    let bench = Bench::new();
    let (mut writer, _) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    for at in 1..4 {
        writer.write(&Value { at }).unwrap();
    }
    for slot in bench.slots() {
        assert_eq!((slot.len(), slot.last()), (SLOT_BYTES, Some(&b'\n')));
        let text = String::from_utf8(slot).unwrap();
        assert!(text.starts_with("{\"crc\":\"") && text.contains(",\"version\":"), "{text}");
        serde_json::from_str::<Value>(&text).unwrap();
    }
}

#[test]
fn a_damaged_slot_leaves_the_value_before() {
    let bench = Bench::new();
    let (mut writer, _) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    writer.write(&Value { at: 1 }).unwrap();
    let newest =
        bench.slots().iter().position(|slot| slot.windows(7).any(|text| text == b"\"at\":1}"));
    bench.damage(newest.unwrap());
    assert_eq!(bench.read(), Some(0));
}

#[test]
fn no_readable_slot_is_no_value() {
    let bench = Bench::new();
    fs::write(&bench.path, vec![b'x'; SLOT_BYTES * SLOTS]).unwrap();
    assert_eq!(bench.read(), None);
    fs::write(&bench.path, b"").unwrap();
    assert_eq!(bench.read(), None);
}

#[test]
fn the_slot_that_was_synced_last_is_never_overwritten_before_another_is_synced() {
    let bench = Bench::new();
    let (mut writer, _) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    writer.write(&Value { at: 1 }).unwrap();
    writer.sync().unwrap();
    let synced = bench.register().slots().unwrap();
    let named = synced.synced(synced.newest().unwrap());
    let synced = (0..SLOTS).position(|slot| synced.version(slot) == named).unwrap();
    let before = bench.slots()[synced].clone();
    for at in 2..20 {
        let newest_before = bench.slots();
        writer.write(&Value { at }).unwrap();
        assert_eq!(bench.slots()[synced], before, "write {at}");
        let changed =
            (0..SLOTS).filter(|slot| bench.slots()[*slot] != newest_before[*slot]).count();
        assert_eq!(changed, 1, "one slot a write");
    }
}

#[test]
fn what_a_power_cut_may_leave_is_what_was_synced_and_all_that_was_written_since() {
    let bench = Bench::new();
    let survivors = || {
        let values = bench.register().survivors().unwrap();
        values.map(|values| values.iter().map(|value| value.at).collect::<BTreeSet<_>>())
    };
    assert_eq!(survivors(), None, "its name may not be durable");
    let (mut writer, _) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    assert_eq!(survivors(), Some([0].into()));
    writer.write(&Value { at: 1 }).unwrap();
    assert_eq!(survivors(), Some([0, 1].into()));
    writer.write(&Value { at: 2 }).unwrap();
    assert_eq!(survivors(), Some([0, 1, 2].into()));
    writer.write(&Value { at: 3 }).unwrap();
    assert_eq!(survivors(), Some([0, 2, 3].into()));
    writer.sync().unwrap();
    assert_eq!(survivors(), Some([3].into()));
    let mut knows_nothing = RegisterWriter::unsynced(bench.register());
    knows_nothing.refresh().unwrap();
    knows_nothing.write(&Value { at: 4 }).unwrap();
    assert_eq!(survivors(), None);
}

#[test]
fn a_write_never_touches_the_newest_slot() {
    let bench = Bench::new();
    let mut writer = RegisterWriter::unsynced(bench.register());
    writer.refresh().unwrap();
    for at in 1..10 {
        let before = bench.slots();
        let newest = before.iter().position(|slot| {
            slot.windows(7).any(|text| text == format!("\"at\":{}}}", at - 1).as_bytes())
        });
        writer.write(&Value { at }).unwrap();
        if let Some(newest) = newest {
            assert_eq!(bench.slots()[newest], before[newest], "write {at}");
        }
    }
}

#[test]
fn what_was_made_ready_is_written_where_it_is_what_is_to_be_written_next_and_not_otherwise() {
    let bench = Bench::new();
    let (mut writer, _) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    // By this writer, by this writer after another value, and by the next after another writer.
    for (ready, between, other) in [(1, None, false), (2, Some(3), false), (4, None, true)] {
        writer.make_ready(&Value { at: ready }).unwrap();
        if let Some(at) = between {
            writer.write(&Value { at }).unwrap();
            assert_eq!(bench.read(), Some(at));
        }
        if other {
            RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
            writer.refresh().unwrap();
        }
        let newest = bench.register().reader().read().unwrap().unwrap().0;
        assert_eq!(writer.write(&Value { at: ready }).unwrap(), newest + 1);
        assert_eq!(bench.read(), Some(ready));
    }
}

#[derive(Clone, PartialEq, serde::Serialize, Deserialize)]
struct Large {
    text: String,
}

#[test]
fn a_value_that_fills_its_slot_is_refused() {
    let bench = Bench::new();
    let register = Register::<Large>::open(&OsFs, &bench.path, Open::Write).unwrap().unwrap();
    let mut writer = RegisterWriter::unsynced(register);
    assert!(writer.write(&Large { text: "x".repeat(4000) }).is_ok());
    let large = Large { text: "x".repeat(4096) };
    assert!(writer.write(&large).is_err());
    let small = Large { text: "y".into() };
    writer.make_ready(&small).unwrap();
    assert!(writer.make_ready(&large).is_err());
    writer.write(&small).unwrap();
    assert_eq!(writer.register.read().unwrap().map(|value| value.text), Some(small.text));
}

/// What a reader says that has read it before, which is what one says that never did.
fn read_again(bench: &Bench, reader: &mut RegisterReader<Value>) -> Option<u64> {
    let said = reader.read().unwrap().map(|(_, value)| value.at);
    assert_eq!(said, bench.read());
    said
}

#[test]
fn who_reads_it_again_sees_every_write_of_every_writer() {
    let bench = Bench::new();
    let mut reader = bench.register().reader();
    assert_eq!(read_again(&bench, &mut reader), Some(0));
    let mut writers = [(); 2].map(|()| RegisterWriter::unsynced(bench.register()));
    for at in 1..20 {
        writers.reverse();
        let writer = &mut writers[0];
        assert_eq!(writer.refresh().unwrap(), Some(Value { at: at - 1 }));
        writer.write(&Value { at }).unwrap();
        assert_eq!(read_again(&bench, &mut reader), Some(at));
        assert_eq!(read_again(&bench, &mut reader), Some(at));
    }
}

#[test]
fn of_a_register_that_nobody_syncs_each_writer_sees_what_the_others_wrote_last() {
    let bench = Bench::new();
    let mut writers = [(); 3].map(|()| RegisterWriter::unsynced(bench.register()));
    for (at, who) in [0, 0, 1, 2, 1, 1, 1, 0, 2, 2, 2, 2, 2, 2, 0, 0, 1].into_iter().enumerate() {
        let (at, writer) = (at as u64, &mut writers[who]);
        assert_eq!(writer.refresh_unsynced().unwrap(), Some(Value { at }));
        assert_eq!(writer.refresh_unsynced().unwrap(), Some(Value { at }));
        assert_eq!(writer.write(&Value { at: at + 1 }).unwrap(), FIRST_VERSION + at + 1);
        assert_eq!(bench.read(), Some(at + 1));
    }
}

#[test]
fn what_was_read_once_is_not_believed_when_its_bytes_have_changed() {
    let bench = Bench::new();
    let (mut writer, _) = RegisterWriter::take_over(&OsFs, bench.register()).unwrap();
    for at in 1..4 {
        writer.write(&Value { at }).unwrap();
    }
    let mut reader = bench.register().reader();
    let good = fs::read(&bench.path).unwrap();
    let newest = bench.register().slots().unwrap().newest().unwrap();
    for at in 0..good.len() {
        // Every byte that says something, and of the padding some.
        if good[at] == b' ' && at % 509 != 0 {
            continue;
        }
        assert_eq!(read_again(&bench, &mut reader), Some(3));
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&bench.path, &bad).unwrap();
        let left = if at / SLOT_BYTES == newest { 2 } else { 3 };
        assert_eq!(read_again(&bench, &mut reader), Some(left), "{at}");
        fs::write(&bench.path, &good).unwrap();
    }
    let mut without_newline = good.clone();
    without_newline[(newest + 1) * SLOT_BYTES - 1] = b' ';
    fs::write(&bench.path, &without_newline).unwrap();
    assert_eq!(read_again(&bench, &mut reader), Some(2));
    fs::write(&bench.path, b"").unwrap();
    assert_eq!(read_again(&bench, &mut reader), None);
}

#[test]
fn the_newest_slot_that_is_no_value_leaves_the_one_before() {
    let bench = Bench::new();
    let mut slots = fs::read(&bench.path).unwrap();
    let other = Large { text: "of another kind".into() };
    let other = Draft::new().make(&bench.path, 9, 1, &other).unwrap().to_vec();
    slots[SLOT_BYTES..2 * SLOT_BYTES].copy_from_slice(&other);
    fs::write(&bench.path, &slots).unwrap();
    let mut reader = bench.register().reader();
    assert_eq!(read_again(&bench, &mut reader), Some(0));
    let mut writer = RegisterWriter::unsynced(bench.register());
    assert_eq!(writer.refresh().unwrap(), Some(Value { at: 0 }));
    writer.write(&Value { at: 1 }).unwrap();
    assert_eq!(read_again(&bench, &mut reader), Some(1));
    assert_eq!(bench.slots()[1], encoded(&bench, 2, 0, 1), "it is the first to be overwritten");
}

#[test]
fn a_slot_that_is_no_value_is_overwritten_before_one_that_is() {
    let bench = Bench::new();
    let other = Large { text: "of another kind".into() };
    let other = Draft::new().make(&bench.path, 9, 1, &other).unwrap().to_vec();
    let slots = [encoded(&bench, 10, 0, 10), other, encoded(&bench, 5, 0, 5)];
    fs::write(&bench.path, slots.concat()).unwrap();
    let mut writer = RegisterWriter::unsynced(bench.register());
    writer.refresh().unwrap();
    writer.write(&Value { at: 11 }).unwrap();
    assert_eq!(bench.slots()[1], encoded(&bench, 11, 0, 11));
}

fn encoded(bench: &Bench, version: u64, synced: u64, at: u64) -> Vec<u8> {
    Draft::new().make(&bench.path, version, synced, &Value { at }).unwrap().to_vec()
}

#[test]
fn a_slot_has_the_bytes_of_the_format_whatever_was_made_before() {
    let bench = Bench::new();
    let text = "{\"crc\":\"00000000\",\"version\":7,\"synced\":5,\"at\":3}";
    let mut wanted = text.as_bytes().to_vec();
    crate::crc::seal(&mut wanted);
    wanted.resize(SLOT_BYTES - 1, b' ');
    wanted.push(b'\n');
    let mut draft = Draft::new();
    for len in [0, 10, 4000, 20, 5000, 1] {
        let made = draft.make(&bench.path, 7, 5, &Large { text: "x".repeat(len) });
        assert_eq!(made.is_ok(), len < SLOT_BYTES);
        assert_eq!(draft.make(&bench.path, 7, 5, &Value { at: 3 }).unwrap(), wanted, "after {len}");
        let none: [u64; 2] = [1, 2];
        assert!(draft.make(&bench.path, 7, 5, &none).is_err(), "a list is no object");
        assert_eq!(draft.make(&bench.path, 7, 5, &Value { at: 3 }).unwrap(), wanted);
        let empty = std::collections::BTreeMap::<String, u64>::new();
        assert!(draft.make(&bench.path, 7, 5, &empty).is_err());
    }
}
