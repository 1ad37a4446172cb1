//! Changes of documents, as lines have them.

use super::super::as_written::as_written;
use super::super::decode;
use super::super::events::decode_events;
use super::super::sight::UpTo;
use super::super::tests::{line, raw, record, rewritten, same_events, write};
use super::*;

#[test]
fn changes_are_the_writes_in_whatever_form_they_stand_there() {
    let mut full = record();
    full.writes[0].was = Some(Revision::of(b"1\n"));
    full.writes[1].was = Some(Revision::of(b"2\n"));
    full.writes.push(write("a \"b\"\n", Some(raw("[1.0,\"]}\",{\"a\":[]}]"))));
    let good = line(&full);
    same_events(&good);
    assert!(as_written(&good, &UpTo::Writes).is_none(), "an escape in a key goes the long way");
    full.writes.pop();
    let good = line(&full);
    assert!(as_written(&good, &UpTo::Writes).is_some());
    let forms = [
        rewritten(&good, "\"writes\":[", "\"writes\":[ "),
        rewritten(&good, "{\"key\"", "{\"new\":1,\"key\""),
        rewritten(&good, "{\"name\":\"Jake\"}}", "{\"name\":\"Jake\"},\"new\":1}"),
        rewritten(&good, "\"agents/09\",", "\"agents\\/09\", "),
        rewritten(&good, "}]}", "}],\"new\":1}"),
    ];
    for form in forms {
        assert!(as_written(&form, &UpTo::Events).is_some() && decode(&form).is_ok());
        assert!(as_written(&form, &UpTo::Writes).is_none(), "{}", String::from_utf8_lossy(&form));
        same_events(&form);
    }
}

#[test]
fn a_change_that_is_wanted_and_no_write_is_refused() {
    let good = line(&record());
    let odd = |from, to| rewritten(&good, from, to);
    let change =
        |line: &[u8]| decode_events(line, &UpTo::Writes)?.event(1, 1).map(|it| it.is_some());
    assert_eq!(change(&good), Ok(true));
    let document = "{\"name\":\"Jake\"}";
    for bad in [
        odd(document, "{\"name\":\"Jake\"]"),
        odd(document, "12x"),
        odd(&format!(",\"doc\":{document}"), ""),
        odd("8dbcc63254ccd02d", "8DBCC63254CCD02D"),
        odd("8dbcc63254ccd02d", "8dbc"),
        odd("{\"key\":\"agents/3f2a\"", "{\"key\":\"agents//3f2a\""),
        odd("{\"key\":\"agents/3f2a\"", "{\"key\":\".docbox/store\""),
    ] {
        assert!(change(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
        assert!(decode_events(&bad, &UpTo::Events).is_ok(), "nobody else looks at it");
    }
}

#[test]
fn documents_of_the_stores_own_are_nobodys_changes() {
    let mut own = record();
    own.writes.insert(0, write(".docbox/dead/ui/0000000000000007-00000", Some(raw("{}"))));
    let line = line(&own);
    let seen = decode_events(&line, &UpTo::Writes).unwrap();
    let kinds: Vec<_> = seen.writes.iter().map(WriteText::kind).collect();
    assert_eq!(kinds, [None, Some("docbox.put"), Some("docbox.remove")]);
    assert_eq!(seen.event(2, 1).unwrap().unwrap().about(), Some("agents/3f2a"), "and keep theirs");
}
