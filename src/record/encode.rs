//! Lines as they are written: the members in the order of the format, and JSON that passed the scan as it is.

use serde::Serialize;

use super::{EventRecord, Record, WriteRecord, microseconds};
use crate::crc::{self, Crc};
use crate::json::JsonText;
use crate::layout;
use crate::revision::Revision;

impl Record<'_> {
    /// Appends this record and its newline; the line's checksum.
    ///
    /// `crc` is computed here, whatever the field holds.
    pub fn encode(&self, buffer: &mut Vec<u8>) -> Crc {
        let start = buffer.len();
        Line(buffer).record(self);
        let crc = crc::seal(&mut buffer[start..]);
        buffer.push(b'\n');
        crc
    }
}

/// The line that is being written.
struct Line<'b>(&'b mut Vec<u8>);

impl Line<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.put("{\"crc\":\"00000000\"");
        self.put(",\"prev\":");
        self.quoted(&record.prev.digits());
        self.member(",\"seq\":", &record.seq);
        self.member(",\"batch\":", &record.batch);
        self.put(",\"time\":\"");
        microseconds::write(record.time, self.0);
        self.put("\"");
        self.member_if(",\"token\":", record.token.as_ref());
        self.member_if(",\"acks\":", Some(&record.acks).filter(|acks| !acks.is_empty()));
        self.member_if(
            ",\"settles\":",
            Some(&record.settles).filter(|settles| !settles.is_empty()),
        );
        self.text_if(",\"meta\":", record.meta);
        self.list(",\"events\":[", &record.events, Self::event);
        self.list(",\"writes\":[", &record.writes, Self::write);
        self.put("}");
    }

    fn event(&mut self, event: &EventRecord<'_>) {
        self.text("{\"type\":", &event.kind);
        if let Some(subject) = &event.subject {
            self.text(",\"subject\":", subject);
        }
        self.text_if(",\"data\":", event.data);
        self.text_if(",\"meta\":", event.meta);
        self.put("}");
    }

    fn write(&mut self, write: &WriteRecord<'_>) {
        self.text("{\"key\":", &write.key);
        self.revision(",\"was\":", write.was);
        self.revision(",\"rev\":", write.rev);
        self.text_if(",\"doc\":", write.doc);
        self.put("}");
    }

    /// A text, of which most have nothing to be escaped.
    fn text(&mut self, name: &str, text: &str) {
        if layout::is_plain(text) {
            self.put(name);
            self.quoted(text.as_bytes());
        } else {
            self.member(name, &text);
        }
    }

    fn revision(&mut self, name: &str, revision: Option<Revision>) {
        self.put(name);
        match revision {
            Some(revision) => self.quoted(&revision.digits()),
            None => self.put("null"),
        }
    }

    fn quoted(&mut self, plain: &[u8]) {
        self.put("\"");
        self.0.extend_from_slice(plain);
        self.put("\"");
    }

    fn list<T>(&mut self, name: &str, items: &[T], item: impl Fn(&mut Self, &T)) {
        self.put(name);
        for (at, one) in items.iter().enumerate() {
            if at > 0 {
                self.put(",");
            }
            item(self, one);
        }
        self.put("]");
    }

    fn member(&mut self, name: &str, value: &impl Serialize) {
        self.put(name);
        if let Err(error) = serde_json::to_writer(&mut *self.0, value) {
            // Writing to memory does not fail, and every member is a JSON value.
            unreachable!("a record is always JSON: {error}");
        }
    }

    fn member_if(&mut self, name: &str, value: Option<&impl Serialize>) {
        if let Some(value) = value {
            self.member(name, value);
        }
    }

    fn text_if(&mut self, name: &str, text: Option<JsonText<'_>>) {
        if let Some(text) = text {
            self.put(name);
            self.put(text.as_str());
        }
    }

    fn put(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
}
