//! The one scan that all JSON goes through.

use super::LETTER_LEVELS;

/// Where a text stops being JSON, and why.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
}

impl Fault {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

/// What is done with the white space between tokens.
trait Space {
    /// Where the text goes on behind what stands at `at`.
    fn pass(&mut self, at: usize) -> usize;
}

/// It is dropped, and what is left of the text kept.
struct Dropped<'t> {
    text: &'t str,
    kept: String,
    /// What stands before is kept or was white space.
    copied: usize,
}

impl Space for Dropped<'_> {
    fn pass(&mut self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at..];
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let count = rest.iter().take_while(is_space).count();
        if count > 0 {
            self.kept.push_str(&self.text[self.copied..at]);
            self.copied = at + count;
        }
        at + count
    }
}

/// There must be none.
struct Refused;

impl Space for Refused {
    fn pass(&mut self, at: usize) -> usize {
        at
    }
}

/// A text that is one value, without its white space outside strings.
pub(super) fn compact(text: &str, levels: usize) -> Result<String, Fault> {
    let space = Dropped { text, kept: String::with_capacity(text.len()), copied: 0 };
    let mut scan = Scan::new(text.as_bytes(), levels, space);
    if text.starts_with('\u{feff}') {
        return Err(scan.fault("a byte order mark; leave it out"));
    }
    scan.value()?;
    scan.end()?;
    let Dropped { mut kept, copied, .. } = scan.space;
    kept.push_str(&text[copied..]);
    Ok(kept)
}

/// How many bytes the value has with which a text begins, if no white space is in it. Whether its strings are UTF-8 is
/// not looked at.
pub(super) fn compact_len(text: &[u8], levels: usize) -> Option<usize> {
    let mut scan = Scan::new(text, levels, Refused);
    scan.value().ok().map(|()| scan.at)
}

/// One pass over a value, without recursion.
struct Scan<'t, S> {
    text: &'t [u8],
    at: usize,
    space: S,
    depth: usize,
    levels: usize,
    /// One bit a level, the innermost the lowest: 1 for an object, 0 for an array.
    objects: u128,
    /// Those of the levels further out.
    outer: u8,
}

const _: () = assert!(LETTER_LEVELS <= (u128::BITS + u8::BITS) as usize);

impl<'t, S: Space> Scan<'t, S> {
    fn new(text: &'t [u8], levels: usize, space: S) -> Self {
        Self { text, at: 0, space, depth: 0, levels, objects: 0, outer: 0 }
    }

    /// Goes past the value that stands here.
    fn value(&mut self) -> Result<(), Fault> {
        loop {
            self.skip_space();
            if !self.begin()? {
                // Behind a value: others in the same array or object, or the end of that.
                while self.depth > 0 && self.ends()? {}
                if self.depth == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Goes past a value, or enters it where there are others in it: whether it did.
    fn begin(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            Some(b'{') => return self.enter(true),
            Some(b'[') => return self.enter(false),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            None if self.depth == 0 => return Err(self.fault("there is nothing; give a value")),
            _ => return Err(self.unexpected("a value")),
        }
        Ok(false)
    }

    fn enter(&mut self, is_object: bool) -> Result<bool, Fault> {
        if self.depth == self.levels {
            let levels = self.levels;
            return Err(self.fault(format!("more than {levels} levels; nest less deeply")));
        }
        self.at += 1;
        self.skip_space();
        if self.take(if is_object { b'}' } else { b']' }) {
            return Ok(false);
        }
        self.depth += 1;
        self.outer = self.outer << 1 | u8::from(self.objects >> 127 == 1);
        self.objects = self.objects << 1 | u128::from(is_object);
        if is_object {
            self.name()?;
        }
        Ok(true)
    }

    /// Goes past what follows a value in an array or object: whether that has ended, and is a value too.
    fn ends(&mut self) -> Result<bool, Fault> {
        let in_object = self.objects & 1 == 1;
        self.skip_space();
        if self.take(b',') {
            if in_object {
                self.skip_space();
                self.name()?;
            }
            return Ok(false);
        }
        if !self.take(if in_object { b'}' } else { b']' }) {
            return Err(self.unexpected(if in_object { "`,` or `}`" } else { "`,` or `]`" }));
        }
        self.depth -= 1;
        self.objects = self.objects >> 1 | u128::from(self.outer) << 127;
        self.outer >>= 1;
        Ok(true)
    }

    /// The name of a member, and the colon behind it.
    fn name(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a member's name in double quotes"));
        }
        self.string()?;
        self.skip_space();
        if self.take(b':') { Ok(()) } else { Err(self.unexpected("`:`")) }
    }

    /// Behind the value there is nothing.
    fn end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        match self.peek() {
            Some(_) => Err(self.unexpected("the end, for one value is all")),
            None => Ok(()),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_space(&mut self) {
        // Most texts have none, and every other character of the grammar is a higher one.
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.at = self.space.pass(self.at);
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fault("an unknown word; `true`, `false` and `null` are all there are"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.take(b'-');
        if self.take(b'0') {
            if let Some(b'0'..=b'9') = self.peek() {
                return Err(self.fault("a number that begins with 0; leave the 0 out"));
            }
        } else {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(self.unexpected("a digit")) }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(control) => {
                    return Err(self.fault(format!(
                        "a control character in a string; write `\\u{control:04x}` instead"
                    )));
                }
                None => return Err(self.fault("a string is not closed; end it with `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let backslash = self.at - 1;
                let is_pair = match self.unit()? {
                    0xd800..=0xdbff => {
                        self.text[self.at..].starts_with(b"\\u") && {
                            self.at += 1;
                            matches!(self.unit()?, 0xdc00..=0xdfff)
                        }
                    }
                    0xdc00..=0xdfff => false,
                    _ => true,
                };
                if !is_pair {
                    self.at = backslash;
                    return Err(
                        self.fault("half of a surrogate pair; write the pair, or the character")
                    );
                }
            }
            _ => return Err(self.unexpected("one of `\"\\/bfnrtu` after a backslash")),
        }
        Ok(())
    }

    /// The four digits after the `u` that stands here.
    fn unit(&mut self) -> Result<u32, Fault> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("four hex digits of `\\u`"));
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(self.at, what)
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let rest = self.text[self.at..].utf8_chunks().next().map_or("", |chunk| chunk.valid());
        match rest.chars().next() {
            Some(char) if char.is_control() => {
                self.fault(format!("`{}` where {wanted} must stand", char.escape_unicode()))
            }
            Some(char) => self.fault(format!("`{char}` where {wanted} must stand")),
            None => self.fault(format!("the end where {wanted} must stand")),
        }
    }
}

/// How many bytes of a string follow that need no look: no quote, no backslash, no control character.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    // Most strings are short. What is longer is looked at in blocks, each of them whole, whatever is in it: that
    // is many bytes at once.
    let (first, rest) = bytes.split_at(bytes.len().min(16));
    let few = plain_words(first);
    if few < first.len() {
        return few;
    }
    let (blocks, _) = rest.as_chunks::<32>();
    let any = |block: &[u8; 32]| block.iter().fold(false, |any, byte| any | needs_look(*byte));
    let whole = 32 * blocks.iter().position(any).unwrap_or(blocks.len());
    few + whole + plain_words(&rest[whole..])
}

/// The same, for few bytes.
fn plain_words(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        // The high bit of each byte that was less than the number subtracted. A borrow makes a false
        // hit only above a true one, and the lowest is what counts.
        let hits = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        if hits & HIGHS != 0 {
            return at * 8 + (hits & HIGHS).trailing_zeros() as usize / 8;
        }
    }
    let position = rest.iter().position(|byte| needs_look(*byte));
    words.len() * 8 + position.unwrap_or(rest.len())
}

fn needs_look(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
