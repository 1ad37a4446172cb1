//! A whole segment: which lines are served, and what stands behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::damage::damages;
use crate::crc::{self, Crc};
use crate::error::Error;
use crate::fs::Fs;
use crate::head::Head;
use crate::identity::Identity;
use crate::journal::{Expected, Line, Place, Reader, Scan, Stop, scan};
use crate::names::Names;
use crate::record::{EventRecord, Record, is_blank};
use crate::support::sim::Disk;

/// Any bytes as a segment, and a sound segment that was damaged: how many lines, where batches begin,
/// whether a later segment is there, and the damages.
pub fn segments(data: &[u8]) {
    let (visited, scan) = look(data, None);
    chains(data, &visited);
    let (served, _) = read(data, None, &visited);
    assert_eq!(served, visited.len(), "a reader serves what the scan found");
    let is_blank_behind = at(data, scan.end.offset).iter().all(|byte| is_blank(*byte));
    assert_eq!(scan.stop == Stop::Blank, is_blank_behind);

    let Some(([lines, batches, more], rest)) = data.split_first_chunk() else { return };
    let model = sound(usize::from(lines % 16), *batches, usize::from(*more >> 1));
    let mut bytes: Vec<u8> = model.iter().flat_map(|line| line.text.iter().copied()).collect();
    damages(rest).for_each(|damage| damage.apply(&mut bytes));
    let next = (more & 1 == 1).then_some(model.len() as u64 + 1);
    damaged(&model, &bytes, next);
}

/// A line as it was written, newline included.
struct Sound {
    text: Vec<u8>,
    place: u64,
    seq: u64,
    batch: u64,
    crc: Crc,
}

fn sound(lines: usize, batches: u8, size: usize) -> Vec<Sound> {
    let mut model: Vec<Sound> = Vec::new();
    let (mut prev, mut batch, mut place) = (Crc::NONE, 1, 0);
    let kind = "x".repeat(size + 1);
    for seq in 1..=lines as u64 {
        if batches >> (seq % 8) & 1 == 0 {
            batch = seq;
        }
        let event =
            EventRecord { kind: kind.as_str().into(), subject: None, data: None, meta: None };
        let record = Record {
            crc: Crc::NONE,
            prev,
            seq,
            batch,
            time: jiff::Timestamp::UNIX_EPOCH,
            token: None,
            acks: BTreeMap::new(),
            settles: BTreeMap::new(),
            meta: None,
            events: vec![event],
            writes: Vec::new(),
        };
        let mut text = Vec::new();
        prev = record.encode(&mut text);
        let len = text.len() as u64;
        model.push(Sound { text, place, seq, batch, crc: prev });
        place += len;
    }
    model
}

fn at(bytes: &[u8], offset: u64) -> &[u8] {
    let offset = usize::try_from(offset).expect("small").min(bytes.len());
    &bytes[offset..]
}

fn names() -> Names {
    Names::new("/s")
}

fn disk(bytes: &[u8], next: Option<u64>) -> Arc<dyn Fs> {
    let disk = Disk::new();
    disk.write(names().segment(1), bytes);
    if let Some(next) = next.filter(|next| *next > 1) {
        disk.write(names().segment(next), "");
    }
    disk.process()
}

fn look(bytes: &[u8], next: Option<u64>) -> (Vec<Line>, Scan) {
    let start = Place { segment: 1, offset: 0 };
    let expected = Expected { seq: 1, prev: Some(Crc::NONE) };
    let mut visited = Vec::new();
    let found = scan(&*disk(bytes, next), &names(), start, expected, &mut |record, line| {
        assert_eq!((record.seq, record.crc), (line.seq, line.crc));
        visited.push(line);
        Ok(())
    });
    (visited, found.expect("a scan"))
}

/// What a scan visits is one chain from the beginning on, each with its right checksum.
fn chains(bytes: &[u8], visited: &[Line]) {
    let mut end = 0;
    for (seq, line) in (1..).zip(visited) {
        assert_eq!((line.seq, line.place), (seq, Place { segment: 1, offset: end }));
        end += line.len;
        let text = at(bytes, line.place.offset);
        let text = &text[..usize::try_from(line.len - 1).expect("small")];
        assert_eq!(crc::check(text), Some(line.crc));
    }
}

/// How many lines a reader serves up to a head at the last of `lines`, and why it stops.
fn read(bytes: &[u8], next: Option<u64>, lines: &[Line]) -> (usize, Option<Error>) {
    let identity = Identity { store: String::new(), epoch: 1 };
    let mut head = Head::empty(identity);
    if let Some(last) = lines.last() {
        head.seq = last.seq;
        head.offset = last.place.offset + last.len;
    }
    let mut reader = Reader::new(disk(bytes, next), names(), 1);
    let mut served = 0;
    loop {
        match reader.read(&head) {
            Ok(Some(record)) => {
                served += 1;
                assert_eq!(record.seq, served as u64);
            }
            Ok(None) => return (served, None),
            Err(error) => return (served, Some(error)),
        }
    }
}

fn damaged(model: &[Sound], bytes: &[u8], next: Option<u64>) {
    // A last line may have lost its newline; a NUL is one too.
    let is_there = |line: &&Sound| {
        let text = &line.text[..line.text.len() - 1];
        let rest = at(bytes, line.place).strip_prefix(text);
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| is_blank(*byte)))
    };
    let whole = model.iter().take_while(is_there).count();
    let (visited, found) = look(bytes, next);
    let seen: Vec<_> = visited.iter().map(|line| (line.place.offset, line.seq, line.crc)).collect();
    let expected: Vec<_> =
        model[..whole].iter().map(|line| (line.place, line.seq, line.crc)).collect();
    assert_eq!(seen, expected, "every line before the first damage is served, and none behind it");

    let seq = whole as u64 + 1;
    // Past a whole segment stands the next one, and nothing in it.
    let rest = if found.end.segment == 1 { at(bytes, found.end.offset) } else { &[] };
    let is_later = |text: &[u8]| {
        model.iter().any(|line| line.batch > seq && line.text[..line.text.len() - 1] == *text)
    };
    match found.stop {
        Stop::Blank => assert!(rest.iter().all(|byte| is_blank(*byte))),
        Stop::Unreadable { had_been_durable, .. } => {
            let proven = next.is_some_and(|next| next > seq)
                || rest.split(|byte| is_blank(*byte)).any(is_later);
            assert_eq!(had_been_durable, proven, "a later batch, or a later segment, proves it");
        }
    }

    let lines: Vec<Line> = model
        .iter()
        .map(|line| Line {
            place: Place { segment: 1, offset: line.place },
            len: line.text.len() as u64,
            seq: line.seq,
            crc: line.crc,
            time: jiff::Timestamp::UNIX_EPOCH,
        })
        .collect();
    let (served, stopped) = read(bytes, next, &lines);
    assert_eq!(served, whole, "a reader serves no line from the damage on");
    match stopped {
        None => assert_eq!(whole, model.len()),
        Some(Error::Corrupt { offset, seq: at, .. }) => {
            assert_eq!((offset, at), (found.end.offset, Some(seq)));
        }
        Some(other) => panic!("{other}"),
    }
}
