//! Transactions as JSON text, the form in which other programs give them.
//!
//! `{"writes":[{"key":…,"doc":…,"if":…},{"key":…,"delete":true}],"events":[{"type":…,"subject":…,"data":…}],
//! "meta":…,"ref":…}`. Nothing here does I/O.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::json::{self, Json};
use crate::key::printable;
use crate::layout;
use crate::record::some;
use crate::transaction::{Expect, Transaction};

/// The whole text. Its lists stay text at first, because `serde` would take an array for an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<'a> {
    #[serde(borrow, default)]
    writes: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "some")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "some", rename = "ref")]
    reference: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteText<'a> {
    key: String,
    #[serde(borrow, default, deserialize_with = "some")]
    doc: Option<&'a RawValue>,
    #[serde(default)]
    delete: bool,
    #[serde(default, rename = "if", deserialize_with = "text")]
    expect: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventText<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(borrow, default, deserialize_with = "some")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "some")]
    meta: Option<&'a RawValue>,
}

/// A field that may be absent but not `null`: `"if": null` might be meant as "absent", and must not
/// become an unconditional write.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

impl Transaction {
    /// Reads a transaction from its JSON text, and what the text carries as `ref`, as JSON.
    ///
    /// ```
    /// # use docbox::Transaction;
    /// let text = r#"{"writes":[{"key":"agents/jake","doc":{"state":"idle"},"if":"absent"}],"ref":7}"#;
    /// let (transaction, reference) = Transaction::from_json(text)?;
    /// assert_eq!(reference.as_deref(), Some("7"));
    /// # let _ = transaction;
    /// # Ok::<(), docbox::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Json`] with line and column in this text, also for what is wrong within a document;
    /// [`Error::Invalid`] for a key, a revision, a document that is too large.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<(Self, Option<String>)> {
        let source = Source::new(text.as_ref())?;
        let whole: Whole<'_> = source.object(source.0, "a transaction")?;
        let mut transaction = Self::new();
        for write in whole.writes {
            transaction = source.write(transaction, write)?;
        }
        for event in whole.events {
            transaction = transaction.emit(source.event(event)?);
        }
        transaction.meta = source.scan_if_given(whole.meta)?;
        let reference = source.scan_if_given(whole.reference)?;
        Ok((transaction, reference.map(|json| json.as_str().to_owned())))
    }
}

/// The text, in which every fault has its place.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl<'a> Source<'a> {
    fn new(text: &'a [u8]) -> Result<Self> {
        str::from_utf8(text).map(Self).map_err(|error| {
            let (line, column) = layout::line_and_column(text, error.valid_up_to());
            let what = "bytes that are not UTF-8; give the text in UTF-8".into();
            Error::Json { line, column, what }
        })
    }

    /// Reads a part of the text as an object.
    fn object<T: Deserialize<'a>>(self, part: &'a str, what: &str) -> Result<T> {
        let begin = part.trim_ascii_start();
        if !begin.is_empty() && !begin.starts_with('{') {
            let what = format!("{what} is an object, as in {{\"…\":…}}");
            return Err(self.at(begin, Error::Json { line: 1, column: 1, what }));
        }
        serde_json::from_str(part).map_err(|error| self.at(part, json::refused(&error)))
    }

    fn scan(self, part: &RawValue) -> Result<Json> {
        Json::parse(part.get().as_bytes()).map_err(|error| self.at(part.get(), error))
    }

    fn scan_if_given(self, part: Option<&RawValue>) -> Result<Option<Json>> {
        part.map(|part| self.scan(part)).transpose()
    }

    /// Moves the place of a fault in a part of the text to where it stands in the whole.
    fn at(self, part: &str, error: Error) -> Error {
        let Error::Json { line, column, what } = error else { return error };
        let offset = part.as_ptr().addr().saturating_sub(self.0.as_ptr().addr());
        let (first_line, first_column) = layout::line_and_column(self.0.as_bytes(), offset);
        let column = if line == 1 { first_column + column - 1 } else { column };
        Error::Json { line: first_line + line - 1, column, what }
    }

    fn write(self, transaction: Transaction, part: &'a RawValue) -> Result<Transaction> {
        let WriteText { key, doc, delete, expect } = self.object(part.get(), "a write")?;
        let refuse =
            |what: &str| Err(Error::Invalid(format!("the write of `{}` {what}", printable(&key))));
        let expect = match expect.as_deref() {
            None => Expect::Anything,
            Some("absent") => Expect::Absent,
            Some(revision) => {
                let Ok(parsed) = revision.parse() else {
                    let given = printable(revision);
                    return refuse(&format!(
                        "has `if`: `{given}`; give \"absent\", or a revision: 16 lower-case hex digits"
                    ));
                };
                Expect::At(parsed)
            }
        };
        match (doc, delete, expect) {
            (Some(doc), false, expect) => transaction.write(&key, expect, self.scan(doc)?),
            (None, true, Expect::Anything) => transaction.remove(&key),
            (None, true, Expect::At(revision)) => transaction.remove_if(&key, revision),
            (None, true, Expect::Absent) => {
                refuse("deletes a document that must be absent; leave out one of the two")
            }
            (Some(_), true, _) => refuse("has `doc` and `delete`; give one of them"),
            (None, false, _) => refuse("has neither `doc` nor `\"delete\":true`; give one of them"),
        }
    }

    fn event(self, part: &'a RawValue) -> Result<Event> {
        let EventText { kind, subject, data, meta } = self.object(part.get(), "an event")?;
        let (data, meta) = (self.scan_if_given(data)?, self.scan_if_given(meta)?);
        Ok(Event { kind, subject, data, meta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Error {
        Transaction::from_json(text).unwrap_err()
    }

    fn place(text: &str) -> (usize, usize) {
        match refusal(text) {
            Error::Json { line, column, .. } => (line, column),
            other => panic!("{text}: {other}"),
        }
    }

    #[test]
    fn reads_what_was_given() {
        let (transaction, reference) = Transaction::from_json(
            r#" {"writes":[{"key":"a","doc":{"n":1.0},"if":"absent"},{"key":"b","delete":true,"if":"9f86d081884c7d65"},
                 {"key":"c","doc":null}],
                "events":[{"type":"T","subject":"a","data":null},{"type":"U"}],"meta":{"actor":"x"},"ref":[1, 2]}"#,
        )
        .unwrap();
        let writes: Vec<_> = transaction
            .writes
            .iter()
            .map(|write| {
                let doc = write.content.as_ref().map(|content| content.json.as_str());
                (write.key.as_str(), doc, write.expect)
            })
            .collect();
        let revision = "9f86d081884c7d65".parse().unwrap();
        assert_eq!(
            writes,
            [
                ("a", Some(r#"{"n":1.0}"#), Expect::Absent),
                ("b", None, Expect::At(revision)),
                ("c", Some("null"), Expect::Anything)
            ]
        );
        assert_eq!(transaction.events[0].data_json(), Some("null"));
        assert_eq!(transaction.events[0].about(), Some("a"));
        assert_eq!(transaction.events[1].data_json(), None);
        assert_eq!(transaction.meta.unwrap().as_str(), r#"{"actor":"x"}"#);
        assert_eq!(reference.as_deref(), Some("[1,2]"));
    }

    #[test]
    fn a_fault_has_its_place_in_the_whole_text() {
        for (text, expected) in [
            ("", (1, 1)),
            (" [1]", (1, 2)),
            ("{\"writes\":[\n  {\"key\":\"a\",\"doc\":\"\\ud800\"}]}", (2, 21)),
            ("{\"writes\":[\n  {\"key\":\"a\",\"doc\":[\n1,\n \"\\ud800\"]}]}", (4, 3)),
            ("{\"events\":[{\"type\":\"T\",\"data\":{\"a\":\"\\udc00\"}}]}", (1, 37)),
            ("{\"writes\":[\n[\"a\"]]}", (2, 1)),
        ] {
            assert_eq!(place(text), expected, "{text}");
        }
        assert_eq!(place("{\n\"wrytes\":[]}").0, 2);
        assert_eq!(place("{\"writes\":[\n {\"key\":\"a\",\n\"dok\":1}]}").0, 3);
        assert_eq!(place("{\"writes\":[\n {\"key\":\"a\",\"if\":null,\n\"doc\":1}]}").0, 2);
        let Error::Json { line: 2, column: 1, .. } =
            Transaction::from_json(b"{\n\xff}").unwrap_err()
        else {
            panic!("the place of bytes that are no text")
        };
    }

    #[test]
    fn the_levels_of_a_document_are_counted_from_the_document() {
        let nested = |levels: usize| {
            let doc = "[".repeat(levels) + &"]".repeat(levels);
            format!(r#"{{"writes":[{{"key":"a","doc":{doc}}}]}}"#)
        };
        assert!(Transaction::from_json(nested(128)).is_ok());
        assert!(refusal(&nested(129)).to_string().contains("more than 128 levels"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (write, said) in [
            (r#"{"key":"a"}"#, "neither"),
            (r#"{"key":"a","delete":false}"#, "neither"),
            (r#"{"key":"a","doc":1,"delete":true}"#, "`doc` and `delete`"),
            (r#"{"key":"a","delete":true,"if":"absent"}"#, "must be absent"),
            (r#"{"key":"a","doc":1,"if":"9F86D081884C7D65"}"#, "give \"absent\""),
            (r#"{"key":"a\u0000b","doc":1}"#, "contains NUL"),
        ] {
            let text = format!(r#"{{"writes":[{write}]}}"#);
            let refused = refusal(&text);
            assert!(matches!(refused, Error::Invalid(_)), "{write}: {refused:?}");
            assert!(refused.to_string().contains(said), "{write}: {refused}");
        }
    }
}
