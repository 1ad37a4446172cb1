//! Lines and what may happen to them, on bytes; each test is named by the damage.

use proptest::prelude::*;

use super::*;

fn write(key: &'static str, doc: Option<&'static RawValue>) -> WriteRecord<'static> {
    let rev = doc.map(|doc| Revision::of(doc.get().as_bytes()));
    WriteRecord { key: key.into(), was: None, rev, doc }
}

fn raw(text: &'static str) -> &'static RawValue {
    serde_json::from_str(text).unwrap()
}

fn record() -> Record<'static> {
    Record {
        crc: Crc::NONE,
        prev: Crc::NONE,
        seq: 42,
        batch: 41,
        time: "2026-11-23T08:10:00.123456Z".parse().unwrap(),
        token: None,
        acks: BTreeMap::new(),
        meta: None,
        events: vec![EventRecord {
            kind: "AgentSpawned".into(),
            subject: Some("agents/3f2a".into()),
            data: Some(raw("{\"n\":1.0}")),
            meta: None,
        }],
        writes: vec![
            write("agents/3f2a", Some(raw("{\"name\":\"Jake\"}"))),
            write("agents/09", None),
        ],
    }
}

fn line(record: &Record<'_>) -> Vec<u8> {
    let mut buffer = Vec::new();
    record.encode(&mut buffer);
    assert_eq!(buffer.pop(), Some(b'\n'));
    buffer
}

#[test]
fn the_fields_stand_in_the_order_of_the_format() {
    let line = String::from_utf8(line(&record())).unwrap();
    let (crc, rest) = line.split_at(18);
    assert!(crc.starts_with("{\"crc\":\"") && crc.ends_with("\","), "{crc}");
    assert_eq!(
        rest,
        "\"prev\":\"00000000\",\"seq\":42,\"batch\":41,\"time\":\"2026-11-23T08:10:00.123456Z\",\
         \"events\":[{\"type\":\"AgentSpawned\",\"subject\":\"agents/3f2a\",\"data\":{\"n\":1.0}}],\
         \"writes\":[{\"key\":\"agents/3f2a\",\"was\":null,\"rev\":\"8dbcc63254ccd02d\",\"doc\":{\"name\":\"Jake\"}},\
         {\"key\":\"agents/09\",\"was\":null,\"rev\":null}]}"
    );
}

#[test]
fn a_line_reads_back_as_it_was_written() {
    let mut full = record();
    full.token = Some("once".into());
    full.meta = Some(raw("null"));
    full.acks = BTreeMap::from([("ui".to_owned(), Position::new(7, 1))]);
    full.events[0].data = Some(raw("null"));
    full.writes[0] = write("agents/3f2a", Some(raw("null")));
    let bytes = line(&full);
    let read = decode(&bytes).unwrap();
    assert_eq!(line(&read), bytes);
    assert_eq!(read.events[0].data.map(RawValue::get), Some("null"), "null is data");
    assert_eq!(read.writes[0].doc.map(RawValue::get), Some("null"), "null is a document");
}

#[test]
fn times_always_have_six_digits() {
    let mut whole = record();
    whole.time = "2026-11-23T08:10:00Z".parse().unwrap();
    let text = String::from_utf8(line(&whole)).unwrap();
    assert!(text.contains("\"time\":\"2026-11-23T08:10:00.000000Z\""), "{text}");
}

#[test]
fn unknown_fields_are_passed_over() {
    let text = String::from_utf8(line(&record())).unwrap();
    let mut newer = text.replacen("\"seq\":42,", "\"seq\":42,\"new\":{\"a\":[1]},", 1).into_bytes();
    newer[8..16].copy_from_slice(b"00000000");
    crc::seal(&mut newer);
    assert_eq!(decode(&newer).unwrap().seq, 42);
}

#[test]
fn any_changed_byte_is_found() {
    let good = line(&record());
    for at in 0..good.len() {
        for flip in [1_u8, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            assert!(decode(&bad).is_err(), "byte {at} ^ {flip}");
        }
    }
}

#[test]
fn a_cut_line_is_found() {
    let good = line(&record());
    for len in 0..good.len() {
        assert!(decode(&good[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn a_line_with_a_tail_is_found() {
    let mut bad = line(&record());
    bad.push(b'}');
    assert!(decode(&bad).is_err());
}

#[test]
fn a_write_with_a_revision_and_no_document_is_refused() {
    let mut odd = record();
    odd.writes[0].doc = None;
    assert!(decode(&line(&odd)).is_err());
}

#[test]
fn a_commit_that_could_have_no_next_is_refused() {
    for (seq, good) in
        [(u64::MAX, false), (crate::number::LAST + 1, false), (crate::number::LAST, true)]
    {
        let mut last = record();
        last.seq = seq;
        assert_eq!(decode(&line(&last)).is_ok(), good, "{seq}");
    }
}

#[test]
fn fill_is_nothing() {
    assert_eq!(decode(b"").unwrap_err(), "nothing stands there");
    assert_eq!(decode(b"\0\0").unwrap_err(), "nothing stands there");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let mut sealed = b"{\"crc\":\"00000000\",".to_vec();
        sealed.extend_from_slice(&bytes);
        sealed.push(b'}');
        crc::seal(&mut sealed);
        let _ = decode(&sealed);
    }
}
