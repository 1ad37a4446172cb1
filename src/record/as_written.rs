//! Reading a line in the form in which this crate writes it, without a parser: each member where it must be.
//!
//! Events stand before the documents, which are most of a line, so reading stops there, unless changes of documents are
//! asked for. The checksum has been checked over the whole line by then: what is not looked at is what was written. The
//! values of an event that is wanted are scanned where they stand; of any other, the ends are found by their brackets,
//! and its type and subject by their quotes, whether they are text or not.

use std::borrow::Cow;

use super::changes::WriteText;
use super::events::{EventLine, EventText, Time, Value};
use super::microseconds;
use super::sight::{Sight, UpTo};
use crate::crc::{self, Crc};
use crate::json::JsonText;
use crate::layout;
use crate::number;
use crate::position::Position;
use crate::revision::Revision;

/// What a sight sees of a line that is sound and has the form in which this crate writes it.
pub(super) fn as_written<'a, S: Sight>(line: &'a [u8], sight: &S) -> Option<EventLine<'a>> {
    let crc = crc::check(line)?;
    Text { line, at: 0 }.line(crc, sight)
}

/// A line that is being read. Every step says `None` where the text is not what this crate writes.
struct Text<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    fn line<S: Sight>(&mut self, crc: Crc, sight: &S) -> Option<EventLine<'a>> {
        self.skip(crc::PREFIX_BYTES)?;
        self.literal(b"\"prev\":\"")?;
        let prev = Crc::of_digits(self.take(8)?)?;
        self.literal(b"\",\"seq\":")?;
        let seq = self.number()?;
        self.literal(b",\"batch\":")?;
        let batch = self.number()?;
        self.literal(b",\"time\":\"")?;
        let time = self.time()?;
        self.member(b",\"token\":")?;
        self.member(b",\"acks\":")?;
        self.member(b",\"settles\":")?;
        let meta = self.member(b",\"meta\":")?;
        self.literal(b",\"events\":[")?;
        let mut events = Vec::new();
        let event_count = self.list(|text, idx| {
            events.extend(text.event(idx, sight)?);
            Some(())
        })?;
        self.literal(b",\"writes\":[")?;
        let mut writes = Vec::new();
        if sight.up_to() == UpTo::Writes {
            self.writes(&mut writes)?;
        }
        Position::check_room(event_count, writes.len()).ok()?;
        Some(EventLine { crc, prev, seq, batch, time, event_count, events, writes, meta })
    }

    /// A time in the form in which it is written, and the quote that ends it.
    fn time(&mut self) -> Option<Time<'a>> {
        let (text, _) = self.line[self.at..].split_first_chunk()?;
        if !microseconds::has_form(text) {
            return None;
        }
        self.skip(text.len())?;
        self.literal(b"\"")?;
        Some(Time::Written(text))
    }

    /// The writes, up to the end of the line. Not inlined: most readers do not come here.
    #[inline(never)]
    fn writes(&mut self, into: &mut Vec<WriteText<'a>>) -> Option<()> {
        self.list(|text, _| {
            into.push(text.write()?);
            Some(())
        })?;
        self.literal(b"}")?;
        (self.at == self.line.len()).then_some(())
    }

    /// What stands in a list behind its opening bracket, and the bracket that ends it: how many items there are.
    fn list(&mut self, mut item: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<usize> {
        let mut count = 0;
        if !self.has(b"]") {
            loop {
                item(self, count)?;
                count += 1;
                if self.has(b"]") {
                    break;
                }
                self.literal(b",")?;
            }
        }
        Some(count)
    }

    fn write(&mut self) -> Option<WriteText<'a>> {
        self.literal(b"{\"key\":\"")?;
        let key = Cow::Borrowed(self.rest_of_text()?);
        self.literal(b",\"was\":")?;
        let was = self.revision()?;
        self.literal(b",\"rev\":")?;
        let new = match (self.revision()?, self.member(b",\"doc\":")?) {
            (Some(revision), Some(document)) => Some((revision, document)),
            (None, None) => None,
            _ => return None,
        };
        self.literal(b"}")?;
        Some(WriteText { key, was, new })
    }

    /// A revision, or that there is none. The outer `None`: it is not understood.
    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn revision(&mut self) -> Option<Option<Revision>> {
        if self.has(b"null") {
            return Some(None);
        }
        self.literal(b"\"")?;
        self.rest_of_text()?.parse().ok().map(Some)
    }

    /// An event. The outer `None`: it is not understood; the inner one: it is not wanted.
    #[expect(clippy::option_option, reason = "not wanted and not understood are not the same")]
    fn event<S: Sight>(&mut self, idx: usize, sight: &S) -> Option<Option<EventText<'a>>> {
        self.literal(b"{\"type\":\"")?;
        let kind = self.rest_of_bytes()?;
        let has_subject = self.has(b",\"subject\":\"");
        let subject = if has_subject { Some(self.rest_of_bytes()?) } else { None };
        let mut wanted = None;
        if sight.may_want(kind) {
            let kind = str::from_utf8(kind).ok()?;
            let subject = subject.map(str::from_utf8).transpose().ok()?;
            wanted = sight.wants(kind, subject).then_some((kind, subject));
        }
        let value = if wanted.is_some() { Self::scanned } else { Self::value };
        let data = self.member_by(b",\"data\":", value)?;
        let meta = self.member_by(b",\"meta\":", value)?;
        self.literal(b"}")?;
        Some(wanted.map(|(kind, subject)| {
            let (kind, subject) = (Cow::Borrowed(kind), subject.map(Cow::Borrowed));
            EventText { idx, kind, subject, data, meta }
        }))
    }

    /// A member that may be there. The outer `None`: it is there, and not understood.
    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn member<const N: usize>(&mut self, name: &[u8; N]) -> Option<Option<Value<'a>>> {
        self.member_by(name, Self::value)
    }

    #[expect(clippy::option_option, reason = "absent and not understood are not the same")]
    fn member_by<const N: usize>(
        &mut self,
        name: &[u8; N],
        value: impl Fn(&mut Self) -> Option<Value<'a>>,
    ) -> Option<Option<Value<'a>>> {
        if self.has(name) { value(self).map(Some) } else { Some(None) }
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.line.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }

    // Their length is known when this is compiled, so that no call compares them.
    fn has<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        let has = self.line[self.at..].starts_with(literal);
        if has {
            self.at += literal.len();
        }
        has
    }

    fn literal<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.has(literal).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        let rest = &self.line[self.at..];
        // A number of so many digits is no more than a u64 holds.
        let digits = rest.iter().take(19).take_while(|byte| byte.is_ascii_digit());
        let (count, number) = digits.fold((0, 0), |(count, number), digit| {
            (count + 1, number * 10 + u64::from(digit - b'0'))
        });
        self.at += count;
        // As JSON has it: no zero in front.
        let is_number = count > 0 && (count == 1 || rest[0] != b'0');
        (is_number && number <= number::LAST).then_some(number)
    }

    /// The text up to the quote that ends it, if nothing in it is escaped.
    fn rest_of_text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.rest_of_bytes()?).ok()
    }

    /// The same, which need not be text yet.
    fn rest_of_bytes(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = self.line[self.at..].split_at(layout::plain(&self.line[self.at..]));
        if !rest.starts_with(b"\"") {
            return None;
        }
        self.at += text.len() + 1;
        Some(text)
    }

    /// A value, scanned where it is as it would be written.
    fn scanned(&mut self) -> Option<Value<'a>> {
        let Some(text) = JsonText::first(&self.line[self.at..]) else { return self.value() };
        self.at += text.as_str().len();
        Some(Value::Json(text))
    }

    /// A value, up to the bracket or quote that ends it, or to what follows a number or a word.
    fn value(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match *self.line.get(self.at)? {
                b'"' => self.at = layout::after_string(self.line, self.at)?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let is_plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.');
                    let plain =
                        self.line[self.at..].iter().take_while(|byte| is_plain(byte)).count();
                    if plain == 0 {
                        return None;
                    }
                    self.at += plain;
                }
            }
            if depth == 0 {
                return Some(Value::Bytes(&self.line[start..self.at]));
            }
        }
    }
}
