use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::scan::plain;
use super::*;

fn kept(text: &str) -> String {
    compact(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &[u8]) -> (usize, usize, String) {
    match compact(text) {
        Err(Error::Json { line, column, what }) => (line, column, what),
        other => panic!("{:?} gives {other:?}", String::from_utf8_lossy(text)),
    }
}

fn nested(levels: usize) -> String {
    let opened: String = (0..levels).map(|level| ["[", "{\"a\":"][level % 2]).collect();
    let closed: String = (0..levels).rev().map(|level| ["]", "}"][level % 2]).collect();
    format!("{opened}1{closed}")
}

#[test]
fn white_space_goes_and_every_token_stays() {
    for (text, expected) in [
        (" null\n", "null"),
        ("\t\r\n [ 1 ,\t2 ] ", "[1,2]"),
        ("{ \"b\" : { } ,\r\n \"a\" : [ ] }", r#"{"b":{},"a":[]}"#),
        (r#" " a \" b \\" "#, r#"" a \" b \\""#),
        (r#"{"a":1, "a":2}"#, r#"{"a":1,"a":2}"#),
        (
            "[ 123456789012345678901234567890, 1.0, -0, 1E+2, 1e-09 ]",
            "[123456789012345678901234567890,1.0,-0,1E+2,1e-09]",
        ),
        (r#""\u00E9\/\u0000\uD83D\ude00é😀""#, r#""\u00E9\/\u0000\uD83D\ude00é😀""#),
        ("\"\u{7f}\u{2028}\u{feff}\"", "\"\u{7f}\u{2028}\u{feff}\""),
        ("\"\"", "\"\""),
        ("0", "0"),
        ("[true,false,null]", "[true,false,null]"),
    ] {
        assert_eq!(kept(text), expected);
        assert_eq!(kept(expected), expected);
    }
}

#[test]
fn a_refusal_names_line_and_column() {
    for (text, line, column, what) in [
        ("", 1, 1, "there is nothing"),
        (" \n ", 2, 2, "there is nothing"),
        ("\u{feff}1", 1, 1, "byte order mark"),
        ("[\n1,\n  x]", 3, 3, "`x` where a value"),
        ("\"é\" x", 1, 6, "`x` where the end"),
        ("1 2", 1, 3, "`2` where the end"),
        ("[1,]", 1, 4, "`]` where a value"),
        ("[,1]", 1, 2, "`,` where a value"),
        ("[1 2]", 1, 4, "`2` where `,` or `]`"),
        ("[1}", 1, 3, "`}` where `,` or `]`"),
        ("{\"a\":1]", 1, 7, "`]` where `,` or `}`"),
        ("[", 1, 2, "the end where a value"),
        ("]", 1, 1, "`]` where a value"),
        ("[]]", 1, 3, "`]` where the end"),
        ("{\"a\" 1}", 1, 6, "`1` where `:`"),
        ("{\"a\":}", 1, 6, "`}` where a value"),
        ("{\"a\":1,}", 1, 8, "`}` where a member's name"),
        ("{a:1}", 1, 2, "`a` where a member's name"),
        ("{1:1}", 1, 2, "`1` where a member's name"),
        ("'a'", 1, 1, "`'` where a value"),
        ("\u{1b}", 1, 1, "`\\u{1b}` where a value"),
        ("\u{a0}1", 1, 1, "where a value"),
        ("\u{b}1", 1, 1, "where a value"),
        ("\u{c}1", 1, 1, "where a value"),
        ("tru", 1, 1, "unknown word"),
        ("True", 1, 1, "`T` where a value"),
        ("[nulll]", 1, 6, "`l` where `,`"),
        ("NaN", 1, 1, "`N` where a value"),
        ("01", 1, 2, "begins with 0"),
        ("-", 1, 2, "the end where a digit"),
        ("00", 1, 2, "begins with 0"),
        ("-01", 1, 3, "begins with 0"),
        ("+1", 1, 1, "`+` where a value"),
        (".5", 1, 1, "`.` where a value"),
        ("1.", 1, 3, "the end where a digit"),
        ("1.e5", 1, 3, "`e` where a digit"),
        ("1e", 1, 3, "the end where a digit"),
        ("1e+-1", 1, 4, "`-` where a digit"),
        ("1.0.0", 1, 4, "`.` where the end"),
        ("0x1", 1, 2, "`x` where the end"),
        ("\"a", 1, 3, "not closed"),
        ("\"a\\\"", 1, 5, "not closed"),
        ("[\"a\nb\"]", 1, 4, "write `\\u000a`"),
        ("\"0123456789\u{1f}\"", 1, 12, "write `\\u001f`"),
        ("\"\0\"", 1, 2, "control character"),
        ("\"\\x\"", 1, 3, "`x` where one of"),
        ("\"\\v\"", 1, 3, "`v` where one of"),
        ("\"\\é\"", 1, 3, "`é` where one of"),
        ("\"\\", 1, 3, "the end where one of"),
        ("\"\\u12g4\"", 1, 6, "`g` where four hex digits"),
        ("\"\\u123", 1, 7, "the end where four hex"),
        ("\"ab\\ud800\"", 1, 4, "half of a surrogate"),
        ("\"\\udc00\"", 1, 2, "half of a surrogate"),
        ("\"\\ud83d\\n\"", 1, 2, "half of a surrogate"),
        ("\"\\ud83d\\ud83d\\ude00\"", 1, 2, "half of a surrogate"),
        ("\"\\ud83d\\u0041\"", 1, 2, "half of a surrogate"),
        ("\"\\ud83d\\uzzzz\"", 1, 10, "four hex digits"),
        ("// a\n1", 1, 1, "`/` where a value"),
    ] {
        let found = refusal(text.as_bytes());
        assert!(
            (found.0, found.1) == (line, column) && found.2.contains(what),
            "{text:?}: {found:?}, not {line}, {column}, {what}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_stand() {
    for (text, line, column, what) in [
        (&b"\xff"[..], 1, 1, "not UTF-8"),
        (b"[1,\n\"a\xc3\"]", 2, 3, "not UTF-8"),
        (b"1 \xc0\xaf", 1, 3, "not UTF-8"),
        (b"\"\xed\xa0\x80\"", 1, 2, "not UTF-8"),
        (b"\"\\u12\xff\"", 1, 6, "not UTF-8"),
        (b"1.\xff", 1, 3, "not UTF-8"),
        (b"[x,\xff]", 1, 2, "`x` where a value"),
        (b"\xff\xfe1\0", 1, 1, "not UTF-8"),
    ] {
        let found = refusal(text);
        assert!(
            (found.0, found.1) == (line, column) && found.2.contains(what),
            "{text:?}: {found:?}"
        );
    }
}

#[test]
fn a_letter_has_as_many_levels_as_take_a_whole_document() {
    let within = |text: &str| compact_within(text.as_bytes(), LETTER_LEVELS);
    for levels in 126..=131 {
        let deep = nested(levels);
        assert_eq!(within(&deep).unwrap(), deep);
        assert_eq!(within(str::from_utf8(&pretty(&deep)).unwrap()).unwrap(), deep);
        let crossed = deep.replacen(']', "}", 1);
        assert!(within(&crossed).is_err() && within(&deep[..deep.len() - 1]).is_err());
        let last = deep.len() - 1;
        assert!(within(&format!("{}}}", &deep[..last])).is_err(), "the outermost is an array");
    }
    assert!(within(&nested(132)).is_err());
}

#[test]
fn a_hundred_and_twenty_eight_levels_are_allowed_and_no_more() {
    assert_eq!(MAX_LEVELS, 128);
    let (most, more) = (nested(128), nested(129));
    assert_eq!(kept(&most), most);
    assert_eq!(compact(&pretty(&most)).unwrap(), most);
    let innermost = format!("\n{}\"a\": 1\n", " ".repeat(256));
    assert!(String::from_utf8(pretty(&most)).unwrap().contains(&innermost));
    let (line, column, what) = refusal(more.as_bytes());
    assert_eq!((line, column), (1, 64 * 6 + 1));
    assert!(what.contains("more than 128 levels"), "{what}");
    // Levels side by side are not levels in each other.
    assert!(compact(format!("[{most},{most}]").as_bytes()).is_err());
    let side = vec![nested(127); 3].join(",");
    assert_eq!(kept(&format!("[{side}]")).len(), side.len() + 2);
    refusal("[".repeat(1 << 20).as_bytes());
}

#[test]
fn the_layout_is_two_spaces_a_level_and_one_final_newline() {
    for (text, expected) in [
        ("1", "1\n"),
        ("{}", "{}\n"),
        ("[]", "[]\n"),
        (r#""{[,:]}\"\\""#, "\"{[,:]}\\\"\\\\\"\n"),
        (r#"{"a:b,":1}"#, "{\n  \"a:b,\": 1\n}\n"),
        (
            r#"{"a":[1,{},[[]]],"b":{"c":"d"}}"#,
            "{\n  \"a\": [\n    1,\n    {},\n    [\n      []\n    ]\n  ],\n  \"b\": {\n    \"c\": \"d\"\n  }\n}\n",
        ),
    ] {
        assert_eq!(String::from_utf8(pretty(text)).unwrap(), expected);
        assert_eq!(kept(expected), text);
    }
}

#[test]
fn a_look_at_many_bytes_at_once_finds_what_a_look_at_each_finds() {
    let stops = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    for length in (0..20).chain(46..52).chain(78..84) {
        for at in 0..length {
            for byte in 0..=u8::MAX {
                for around in [b' ', b'!', b'#', b'[', b']', b'a', 0x7f, 0x80, 0xff] {
                    let mut bytes = vec![around; length];
                    bytes[at] = byte;
                    assert_eq!(plain(&bytes), if stops(byte) { at } else { length });
                }
            }
        }
    }
}

/// Whether the second opinion takes it; it takes halves of surrogate pairs, so those are looked for
/// in what it took, where a backslash stands in strings alone.
fn serde_json_takes(text: &[u8]) -> bool {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    deserializer.disable_recursion_limit();
    let raw = <&RawValue>::deserialize(&mut deserializer);
    let (Ok(raw), Ok(())) = (raw, deserializer.end()) else { return false };
    let mut rest = raw.get();
    let mut awaited = false;
    while let Some((before, escape)) = rest.split_once('\\') {
        let unit = escape.strip_prefix('u').map(|hex| u32::from_str_radix(&hex[..4], 16).unwrap());
        let is_low = matches!(unit, Some(0xdc00..=0xdfff));
        if awaited != (is_low && before.is_empty()) || is_low && !awaited {
            return false;
        }
        awaited = matches!(unit, Some(0xd800..=0xdbff));
        rest = &escape[if unit.is_some() { 5 } else { 1 }..];
    }
    !awaited
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 48, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Into::into),
            vec((any::<String>(), inner), 0..5)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        &b"{"[..],
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\"a\"",
        b"\"a\":",
        b" ",
        b"\n",
        b"\r",
        b"0",
        b"7",
        b"-",
        b".",
        b"e",
        b"E",
        b"+",
        b"true",
        b"false",
        b"null",
        b"\\",
        b"\\n",
        b"\\u",
        b"\\ud83d",
        b"\\ude00",
        b"\\u00e9",
        b"/",
        b"\x0c",
        b"\x1f",
        b"\x7f",
        b"\xc2",
        b"\xa0",
        b"\xef\xbb\xbf",
    ]);
    vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

fn in_string() -> impl Strategy<Value = Vec<u8>> {
    pieces().prop_map(|inner| [b"\"", &inner[..], b"\""].concat())
}

/// A valid text with one piece put in place of a few bytes.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (json(), any::<bool>(), any::<Index>(), 0..3_usize, pieces()).prop_map(
        |(value, laid_out, at, cut, piece)| {
            let mut text = value.to_string().into_bytes();
            if laid_out {
                text = serde_json::to_vec_pretty(&value).unwrap();
            }
            let at = at.index(text.len());
            let end = text.len().min(at + cut);
            text.splice(at..end, piece);
            text
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_taken_is_what_serde_json_takes(
        text in prop_oneof![pieces(), in_string(), damaged(), vec(any::<u8>(), 0..12)],
    ) {
        let result = compact(&text);
        prop_assert_eq!(result.is_ok(), serde_json_takes(&text), "{:?}", result);
        if let Ok(compact_text) = result {
            prop_assert_eq!(compact(&pretty(&compact_text)).unwrap(), compact_text.clone());
            prop_assert_eq!(compact(compact_text.as_bytes()).unwrap(), compact_text);
        } else if let Err(Error::Json { line, column, .. }) = result {
            let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
            prop_assert!((1..=lines.len()).contains(&line));
            prop_assert!((1..=lines[line - 1].len() + 1).contains(&column));
        }
    }

    #[test]
    fn the_first_value_is_found_if_it_is_compact(
        value in json(),
        bad in prop_oneof![pieces(), in_string(), damaged()],
        rest in select(vec!["", "}", "]", ",\"a\":1}", " ", "\"", "\u{7f}"]),
    ) {
        let text = serde_json::to_string(&value).unwrap();
        let found = first_compact(&[text.as_bytes(), rest.as_bytes()].concat(), MAX_LEVELS).map(str::to_owned);
        prop_assert_eq!(found, Some(text));
        if let Some(found) = first_compact(&bad, MAX_LEVELS) {
            prop_assert_eq!(compact(found.as_bytes()).unwrap(), found);
        }
    }

    #[test]
    fn the_layout_is_that_of_serde_json(value in json()) {
        let mut expected = serde_json::to_vec_pretty(&value).unwrap();
        let text = compact(&expected).unwrap();
        prop_assert_eq!(&text, &serde_json::to_string(&value).unwrap());
        expected.push(b'\n');
        prop_assert_eq!(pretty(&text), expected);
    }

    #[test]
    fn the_layout_of_anything_ends(text in any::<String>(), deep in 0..3_000_usize) {
        let text = format!("{text}{}\"{text}\\", "[".repeat(deep));
        prop_assert!(pretty(&text).len() < 400 * (text.len() + 1));
    }
}
