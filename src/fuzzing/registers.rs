//! The slots of `head`, `applied` and cursors.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::records::sealed;
use crate::cursor::{self, CursorValue};
use crate::fs::{Fs, Open};
use crate::head::{Applied, Head};
use crate::identity::Identity;
use crate::journal::Place;
use crate::names::Names;
use crate::position::Position;
use crate::register::{Register, RegisterWriter, SLOT_BYTES, SLOTS};
use crate::support::sim::{Disk, SimFs};

const PATH: &str = "/s/register";

/// The first byte chooses which register it is, and whether the rest is the file or the members of its
/// slots, a line each.
pub fn registers(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let file = if how & 4 == 0 { rest.to_vec() } else { slots(rest) };
    match how & 3 {
        0 => register(&file, |head: &Head, disk| {
            let names = Names::new("/s/.docbox");
            let place = Place::after(&*disk.process(), &names, head).expect("a look");
            assert!(place.offset <= head.offset);
            assert_eq!(Applied::up_to(head).seq, head.seq);
        }),
        1 => register(&file, |applied: &Applied, _| {
            assert!(applied.seq.checked_add(1).is_some(), "there is a next commit");
        }),
        _ => register(&file, |value: &CursorValue, _| {
            assert_eq!(value.next.before().next(), value.next.max(Position::new(0, 1)));
            let head = Head::empty(Identity { store: String::new(), epoch: 1 });
            let _ = cursor::check("ui", value, &head.identity, &head);
            assert!(value.claims() <= value.next.seq.max(value.folded));
        }),
    }
}

/// A file whose slots have these members, right checksums and their padding.
fn slots(members: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for members in members.split(|byte| *byte == b'\n').take(SLOTS) {
        let mut slot = sealed(members);
        slot.resize(SLOT_BYTES - 1, b' ');
        slot.push(b'\n');
        file.extend_from_slice(&slot);
    }
    file
}

/// The versions of the slots whose checksum is right, by another reader than the library's.
fn versions(file: &[u8]) -> Vec<u64> {
    let version = |slot: &[u8]| {
        let text = str::from_utf8(slot).ok()?.strip_suffix('\n')?.trim_end();
        let crc = u32::from_str_radix(text.get(8..16)?, 16).ok()?;
        let value: Value = serde_json::from_str(text).ok()?;
        (crc == crc32fast::hash(text.as_bytes().get(18..)?)).then(|| value["version"].as_u64())?
    };
    file.chunks_exact(SLOT_BYTES).take(SLOTS).filter_map(version).collect()
}

fn register<T>(file: &[u8], value_holds: impl Fn(&T, &Disk))
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Debug,
{
    let disk = Disk::new();
    disk.write(PATH, file);
    let process = disk.process();
    let open = || open::<T>(&process);
    let Some(value) = open().read().expect("a read") else { return };
    assert!(!versions(file).is_empty(), "only a slot with the right checksum is believed");
    value_holds(&value, &disk);

    let (mut writer, taken) = RegisterWriter::take_over(&*process, open()).expect("a take-over");
    assert_eq!(taken.as_ref(), Some(&value));
    // Where a value is as large as a slot, there is no room for a longer version.
    if writer.write(&value).is_ok() {
        assert_eq!(
            open().read().expect("a read").as_ref(),
            Some(&value),
            "what was written counts"
        );
        let newest = versions(&disk.read(PATH).expect("the file"));
        assert!(newest.len() > 1, "what was synced last is still there: {newest:?}");
        writer.sync().expect("a sync");
    }
}

fn open<T: Serialize + DeserializeOwned>(process: &Arc<SimFs>) -> Register<T> {
    let fs: &dyn Fs = &**process;
    Register::open(fs, Path::new(PATH), Open::Write).expect("it opens").expect("it is there")
}
