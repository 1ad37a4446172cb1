//! Lines and what may happen to them, on bytes; each test is named by the damage.

use proptest::prelude::*;

use super::as_written::as_written;
use super::events::decode_events;
use super::sight::UpTo;
use super::*;
use crate::key::Key;

pub(super) fn write(key: &'static str, doc: Option<JsonText<'static>>) -> WriteRecord<'static> {
    let rev = doc.map(|doc| Revision::of(doc.as_str().as_bytes()));
    WriteRecord { key: key.into(), was: None, rev, doc }
}

pub(super) fn raw(text: &'static str) -> JsonText<'static> {
    serde_json::from_str(text).unwrap()
}

pub(super) fn record() -> Record<'static> {
    Record {
        crc: Crc::NONE,
        prev: Crc::NONE,
        seq: 42,
        batch: 41,
        time: "2026-11-23T08:10:00.123456Z".parse().unwrap(),
        token: None,
        acks: BTreeMap::new(),
        settles: BTreeMap::new(),
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

pub(super) fn line(record: &Record<'_>) -> Vec<u8> {
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
    full.settles = BTreeMap::from([("mail".to_owned(), Position::new(9, 0))]);
    full.events[0].data = Some(raw("null"));
    full.writes[0] = write("agents/3f2a", Some(raw("null")));
    let bytes = line(&full);
    let read = decode(&bytes).unwrap();
    assert_eq!(line(&read), bytes);
    assert_eq!(read.events[0].data.map(JsonText::as_str), Some("null"), "null is data");
    assert_eq!(read.writes[0].doc.map(JsonText::as_str), Some("null"), "null is a document");
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
fn a_line_with_more_events_and_writes_than_there_are_positions_is_refused() {
    let full = |events: usize, writes: usize| {
        let (event, write) = (r#"{"type":"E"},"#, r#"{"key":"k","was":null,"rev":null},"#);
        let list = |one: &str, count: usize| one.repeat(count).trim_end_matches(',').to_owned();
        let mut none = record();
        (none.events, none.writes) = (Vec::new(), Vec::new());
        let (events, writes) = (list(event, events), list(write, writes));
        let with_events =
            rewritten(&line(&none), "\"events\":[]", &format!("\"events\":[{events}]"));
        rewritten(&with_events, "\"writes\":[]", &format!("\"writes\":[{writes}]"))
    };
    for (events, writes) in [(99_999, 0), (0, 99_999), (65_536, 34_463)] {
        let line = full(events, writes);
        assert!(
            decode(&line).is_ok() && decode_events(&line, &UpTo::Writes).is_ok(),
            "{events} {writes}"
        );
    }
    for (events, writes) in [(100_000, 0), (0, 100_000), (65_536, 34_464)] {
        let what = decode(&full(events, writes)).unwrap_err();
        assert!(what.contains(&format!("{events} events and {writes} writes")), "{what}");
    }
    // Who reads the events alone cannot count the writes.
    assert!(decode_events(&full(100_000, 0), &UpTo::Events).is_err());
}

#[test]
fn fill_is_nothing() {
    assert_eq!(decode(b"").unwrap_err(), "nothing stands there");
    assert_eq!(decode(b"\0\0").unwrap_err(), "nothing stands there");
}

/// What readers of events, and of changes, see of a line is what stands in its record.
pub(super) fn same_events(line: &[u8]) {
    same_up_to(line, UpTo::Events);
    same_up_to(line, UpTo::Writes);
}

fn same_up_to(line: &[u8], up_to: UpTo) {
    let (record, seen) = (decode(line).unwrap(), decode_events(line, &up_to).unwrap());
    assert_eq!((seen.crc, seen.prev, seen.time()), (record.crc, record.prev, Ok(record.time)));
    assert_eq!((seen.seq, seen.batch), (record.seq, record.batch));
    assert_eq!(seen.events.len(), record.events.len());
    for (idx, event) in record.events.iter().enumerate() {
        let seen = seen.event(idx, 7).unwrap().unwrap();
        assert_eq!((seen.kind(), seen.about()), (&*event.kind, event.subject.as_deref()));
        assert_eq!(seen.data_json(), event.data.map(JsonText::as_str));
        assert_eq!(seen.meta_json(), event.meta.map(JsonText::as_str));
        assert_eq!(seen.commit_meta_json(), record.meta.map(JsonText::as_str));
        assert_eq!(seen.id(), format!("7-{}-{idx}", record.seq));
    }
    let count = record.events.len();
    let writes = if up_to == UpTo::Events { &[][..] } else { &record.writes };
    for (idx, write) in writes.iter().enumerate() {
        let seen = seen.event(count + idx, 7);
        if Key::from_journal(&write.key).is_err() {
            assert!(seen.is_err());
            continue;
        }
        let seen = seen.unwrap().unwrap();
        let was = write.was.map_or("null".to_owned(), |was| format!("\"{was}\""));
        let (kind, data) = match (write.rev, write.doc) {
            (Some(rev), Some(doc)) => (
                "docbox.put",
                format!(r#"{{"revision":"{rev}","was":{was},"document":{}}}"#, doc.as_str()),
            ),
            _ => ("docbox.remove", format!(r#"{{"was":{was}}}"#)),
        };
        assert_eq!((seen.kind(), seen.about()), (kind, Some(&*write.key)));
        assert_eq!((seen.data_json(), seen.meta_json()), (Some(&*data), None));
        assert_eq!(seen.commit_meta_json(), record.meta.map(JsonText::as_str));
        assert_eq!(seen.id(), format!("7-{}-{}", record.seq, count + idx));
    }
    assert!(seen.event(count + writes.len(), 7).unwrap().is_none());
}

/// A line with its text changed by hand, and the checksum to go with it.
pub(super) fn rewritten(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = str::from_utf8(line).unwrap();
    assert!(text.contains(from), "{text}");
    let mut text = text.replacen(from, to, 1).into_bytes();
    text[8..16].copy_from_slice(b"00000000");
    crc::seal(&mut text);
    text
}

#[test]
fn every_line_that_is_written_is_read_as_far_as_its_events_go_and_no_further() {
    let mut full = record();
    full.token = Some("on\"ce".into());
    full.meta = Some(raw("{\"events\":[{\"type\":\"X\"}],\"writes\":[\"]}\\\"\"]}"));
    full.acks = BTreeMap::from([("ui".to_owned(), Position::new(7, 1))]);
    full.settles = BTreeMap::from([("mail".to_owned(), Position::new(9, 0))]);
    for data in
        ["null", "-1.5e+7", "true", "[]", "{}", "\"\\\\\"", "[[{\"a\":\"]\"},1],{\"b\":{}}]"]
    {
        full.events.push(EventRecord {
            kind: "Nguyễn".into(),
            subject: None,
            data: Some(raw(data)),
            meta: Some(raw(data)),
        });
    }
    let mut none = record();
    none.events.clear();
    for record in [record(), full, none] {
        let line = line(&record);
        same_events(&line);
        assert!(as_written(&line, &UpTo::Events).is_some());
        assert!(as_written(&line, &UpTo::Writes).is_some());
        let end = line.len() - 1;
        let cut = rewritten(&line, str::from_utf8(&line[end - 9..]).unwrap(), "}");
        assert!(decode(&cut).is_err() && as_written(&cut, &UpTo::Events).is_some());
        assert!(as_written(&cut, &UpTo::Writes).is_none(), "who wants the writes reads to the end");
    }
}

#[test]
fn events_that_another_writer_put_elsewhere_are_found_too() {
    let good = line(&record());
    let text = str::from_utf8(&good).unwrap();
    let events = &text[text.find(",\"events\"").unwrap()..text.find(",\"writes\"").unwrap()];
    let last = rewritten(&rewritten(&good, events, ""), "null}]}", &format!("null}}]{events}}}"));
    let forms = [
        last,
        rewritten(&good, "\"events\":[", "\"events\" : [ "),
        rewritten(&good, "AgentSpawned", "Agent\\u0053pawned"),
        rewritten(&good, "agents/3f2a\",\"data", "agents\\/3f2a\",\"data"),
        rewritten(&good, "{\"type\"", "{\"new\":[],\"type\""),
        rewritten(&good, "\"data\":{\"n\":1.0}", "\"data\":{ \"n\" : 1.0 }"),
        rewritten(&good, "\"events\"", "\"new\":{},\"events\""),
        rewritten(&good, "\"writes\"", "\"new\":{},\"writes\""),
        rewritten(&good, "10:00.123456Z", "10:00.123Z"),
    ];
    for form in forms {
        for up_to in [UpTo::Events, UpTo::Writes] {
            assert!(as_written(&form, &up_to).is_none(), "{}", String::from_utf8_lossy(&form));
        }
        same_events(&form);
        assert_eq!(decode_events(&form, &UpTo::Events).unwrap().events[0].kind, "AgentSpawned");
    }
}

#[test]
fn who_reads_the_events_alone_finds_every_changed_byte_and_every_cut() {
    let good = line(&record());
    for (at, up_to) in (0..good.len()).flat_map(|at| [(at, UpTo::Events), (at, UpTo::Writes)]) {
        for flip in [1_u8, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            assert!(decode_events(&bad, &up_to).is_err(), "byte {at} ^ {flip}");
        }
        assert!(decode_events(&good[..at], &up_to).is_err(), "cut to {at}");
    }
    assert_eq!(decode_events(b"\0", &UpTo::Events).unwrap_err(), "nothing stands there");
}

#[test]
fn what_the_scan_would_refuse_and_another_writer_let_through_is_handed_over_as_it_stands() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for data in ["{\"n\":\"\\ud800\"}", &deep] {
        assert!(Json::parse(data.as_bytes()).is_err());
        assert_eq!(Json::recorded(data.as_bytes()).unwrap().raw().get(), data);
        let odd = rewritten(&line(&record()), "{\"n\":1.0}", data);
        assert!(as_written(&odd, &UpTo::Events).is_some());
        same_events(&odd);
    }
}

#[test]
fn an_event_that_is_wanted_of_a_line_whose_time_is_none_is_refused() {
    for time in ["2026-13-23T08", "2026-02-30T08", "2026-11-23T24"] {
        let odd = rewritten(&line(&record()), "2026-11-23T08", time);
        assert!(decode(&odd).is_err(), "{time}");
        let seen = decode_events(&odd, &UpTo::Events).unwrap();
        assert!(seen.event(0, 1).is_err() && seen.time().is_err(), "{time}");
    }
    // A leap second is in no calendar of ours, and a time all the same.
    same_events(&rewritten(&line(&record()), "08:10:00", "23:59:60"));
}

#[test]
fn an_event_that_is_wanted_and_no_json_is_refused() {
    let odd = rewritten(&line(&record()), "{\"n\":1.0}", "{\"n\":1.0]");
    assert!(decode_events(&odd, &UpTo::Events).unwrap().event(0, 1).is_err());
    let mut odd = line(&record());
    let at = odd.windows(4).position(|text| text == b"\"n\":").unwrap();
    odd[at + 1] = 0xff;
    odd[8..16].copy_from_slice(b"00000000");
    crc::seal(&mut odd);
    assert!(decode_events(&odd, &UpTo::Events).unwrap().event(0, 1).is_err());
}

#[test]
fn no_number_passes_that_the_record_would_refuse() {
    for number in ["", "-1", "042", "42.0", "18446744073709551616", "9223372036854775808"] {
        let odd = rewritten(&line(&record()), "\"seq\":42", &format!("\"seq\":{number}"));
        assert!(decode_events(&odd, &UpTo::Events).is_err() && decode(&odd).is_err(), "{number}");
    }
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,30})([.][0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(","))),
            proptest::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| {
                        format!("{}:{value}", serde_json::to_string(name).unwrap())
                    })
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn the_events_of_any_line_are_those_of_its_record(
        events in proptest::collection::vec((".{1,9}", proptest::option::of(any_json())), 0..4),
        meta in proptest::option::of(any_json()),
        cut in any::<(usize, u8)>(),
    ) {
        let parse = |text: &String| Json::parse(text.as_bytes()).unwrap();
        let events: Vec<_> =
            events.iter().map(|(kind, data)| (kind, data.as_ref().map(parse))).collect();
        let meta = meta.as_ref().map(parse);
        let mut all = record();
        all.meta = meta.as_ref().map(Json::text);
        all.events = events
            .iter()
            .map(|(kind, data)| EventRecord {
                kind: kind.as_str().into(),
                subject: Some(kind.as_str().into()),
                data: data.as_ref().map(Json::text),
                meta: data.as_ref().map(Json::text),
            })
            .collect();
        let mut line = line(&all);
        same_events(&line);
        // What is no record any more, with a checksum to go with it, is refused or read; it makes nothing panic.
        let at = crc::PREFIX_BYTES + cut.0 % (line.len() - crc::PREFIX_BYTES);
        line[at] = cut.1;
        line[8..16].copy_from_slice(b"00000000");
        crc::seal(&mut line);
        if let Ok(seen) = decode_events(&line, &UpTo::Writes) {
            for idx in 0..seen.events.len() + seen.writes.len() {
                let _ = seen.event(idx, 1);
            }
        }
        if decode(&line).is_ok() {
            same_events(&line);
        }
    }

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
