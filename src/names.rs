//! Names: every file name of a store is made here, and parsed here.

mod aside;
mod snapshot;

pub(crate) use aside::{Displaced, kept_prefix, spool_prefix};
pub(crate) use snapshot::{SNAPSHOT_DRAFT, parse_snapshot, parse_snapshot_stem, snapshot_stem};

use std::borrow::Cow;
use std::ffi::OsStr;
#[cfg(any(test, fuzzing))]
use std::path::Component;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};
use crate::key::{Key, nfc, printable};
use crate::position::Position;

/// The folder of all that is not a document.
pub(crate) const HOME: &str = ".docbox";
/// In it, the folder of dead letters, which alone holds documents of the store's own.
pub(crate) const DEAD: &str = "dead";

/// What the name of a store begins with that is being made.
const BUILDING: &str = ".docbox-new-";

const DOCUMENT_END: &str = ".json";
const SEGMENT_END: &str = ".jsonl";
/// So that `ls` shows the segments in their order.
pub(crate) const SEGMENT_DIGITS: usize = 16;
pub(crate) const SUBSCRIPTION_BYTES: usize = 64;

// Documents: the percent-encoding of keys. Its lists are fixed and follow no Unicode table, so that
// format 1 stays what it is whatever compiler and libraries build it.

/// Where the document `key` lies under the store's root.
pub(crate) fn document_path(key: &Key) -> PathBuf {
    document_below(Path::new(""), key)
}

/// The same, below a folder.
fn document_below(folder: &Path, key: &Key) -> PathBuf {
    let mut path = PathBuf::with_capacity(folder.as_os_str().len() + key.as_str().len() + 8);
    path.push(folder);
    if key.is_own() {
        path.extend(key.as_str().split('/'));
    } else {
        encoded_segments(key.as_str()).for_each(|segment| path.push(&*segment));
    }
    path.as_mut_os_string().push(DOCUMENT_END);
    path
}

/// The name in its folder of what has one of our paths; of those every one ends in a name that is text.
pub(crate) fn last(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// The key whose document lies at `relative` under the root. `None` where no key's does: it is hidden,
/// no `*.json`, or a stray.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_document_path(relative: &Path) -> Option<Key> {
    let mut folder = Folder::root();
    let mut components = relative.components();
    let Some(Component::Normal(last)) = components.next_back() else { return None };
    for component in components {
        let Component::Normal(name) = component else { return None };
        folder = folder.folder(name)?;
    }
    folder.document(last)
}

/// A folder in which documents can lie, as met on a walk from the root down.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// What the keys of its documents begin with: nothing, or segments with a `/` after each.
    prefix: String,
}

impl Folder {
    /// The store's root.
    pub(crate) fn root() -> Self {
        Self { prefix: String::new() }
    }

    /// The folder `name` in this one. `None`: it is hidden, or every `*.json` below it is a stray.
    pub(crate) fn folder(&self, name: &OsStr) -> Option<Self> {
        let segment = decode(&nfc(name.to_str()?), Place::Folder)?;
        let prefix = format!("{}{segment}/", self.prefix);
        // The shortest key that can lie in it: so depth, length and `.docbox` are checked where the
        // walk still can turn back.
        Key::new(format!("{prefix}a")).ok()?;
        Some(Self { prefix })
    }

    /// The key whose document is the file `name` in this folder. `None` where there is none: see
    /// [`is_document_name`].
    pub(crate) fn document(&self, name: &OsStr) -> Option<Key> {
        let name = nfc(name.to_str()?);
        let segment = decode(name.strip_suffix(DOCUMENT_END)?, Place::Document)?;
        Key::new(format!("{}{segment}", self.prefix)).ok()
    }
}

/// Whether a file of this name is a document or, where no key has that name, a stray.
pub(crate) fn is_document_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(DOCUMENT_END.as_bytes()) && !name.starts_with(b".")
}

/// What the segments of a key become in its path, without the final `.json`.
pub(crate) fn encoded_segments(key: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut segments = key.split('/').peekable();
    std::iter::from_fn(move || {
        let segment = segments.next()?;
        let place = if segments.peek().is_some() { Place::Folder } else { Place::Document };
        Some(encode(segment, place))
    })
}

/// Characters outside ASCII that nobody can see, or that turn the text around them.
pub(crate) fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Whether a segment names a folder or, with `.json` after it, the document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Folder,
    Document,
}

fn encode(segment: &str, place: Place) -> Cow<'_, str> {
    // Letters, digits and dashes alone, as most are; and no device's name, which is short and begins with a letter.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if segment.bytes().all(plain) && (segment.len() > 4 || segment.starts_with(char::is_numeric)) {
        return Cow::Borrowed(segment);
    }
    // The dot of a final `.json` in a folder: else key `a` and a folder `a.json` would want one name.
    let json_dot = segment.len().wrapping_sub(DOCUMENT_END.len());
    let ends_in_json = place == Place::Folder
        && segment
            .as_bytes()
            .get(json_dot..)
            .is_some_and(|end| end.eq_ignore_ascii_case(DOCUMENT_END.as_bytes()));
    let must = |at: usize, char: char| {
        let edge = at == 0 || at + char.len_utf8() == segment.len();
        is_always_encoded(char)
            || edge && matches!(char, '.' | ' ')
            || at == 0 && is_device(segment)
            || at == json_dot && ends_in_json
    };
    if !segment.char_indices().any(|(at, char)| must(at, char)) {
        return Cow::Borrowed(segment);
    }
    let mut name = String::with_capacity(segment.len() + 8);
    for (at, char) in segment.char_indices() {
        if must(at, char) {
            let mut utf8 = [0; 4];
            for byte in char.encode_utf8(&mut utf8).bytes() {
                name.push('%');
                name.push(char::from(HEX[usize::from(byte >> 4)]));
                name.push(char::from(HEX[usize::from(byte & 15)]));
            }
        } else {
            name.push(char);
        }
    }
    // A last digit A to F and an accent after it are one character in NFC (`.` and U+0301: `%2É`).
    match nfc(&name) {
        Cow::Owned(composed) => Cow::Owned(composed),
        Cow::Borrowed(_) => Cow::Owned(name),
    }
}

/// The segment whose name (in NFC) this is.
fn decode(name: &str, place: Place) -> Option<String> {
    let segment = if name.contains('%') { unescape(name)? } else { name.to_owned() };
    let is_segment = !segment.contains(['/', '\0']);
    (is_segment && encode(&segment, place) == name).then_some(segment)
}

fn unescape(name: &str) -> Option<String> {
    // Decomposed, because a digit of an escape may have been composed with the accent after it.
    let apart: String = name.nfd().collect();
    let mut parts = apart.as_bytes().split(|byte| *byte == b'%');
    let mut bytes = parts.next()?.to_vec();
    for part in parts {
        let (&[high, low], rest) = part.split_first_chunk()?;
        let digit = |byte| HEX.iter().position(|digit| *digit == byte);
        bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(nfc(&String::from_utf8(bytes).ok()?).into_owned())
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn is_always_encoded(char: char) -> bool {
    match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '-' | '_' | '.' | '+' | '@' | '=' => false,
        '\0'..='\u{9f}' => true,
        _ => is_invisible(char),
    }
}

/// Whether Windows would take a name of this beginning for a device.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default();
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    let numbered = |name: &str| {
        stem.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && matches!(
                &stem.as_bytes()[name.len()..],
                [b'0'..=b'9'] | [0xc2, 0xb9 | 0xb2 | 0xb3] // ¹ ² ³
            )
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is)
        || ["COM", "LPT"].into_iter().any(numbered)
}

// The store's own files.

/// Where the files of one store lie.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    root: PathBuf,
    home: PathBuf,
}

impl Names {
    /// Of the store at `root`.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { home: root.join(HOME), root }
    }

    /// Of a store that is being made at `root`, beside the place where it will appear.
    pub(crate) fn building(root: &Path, id: &str) -> Self {
        Self { root: root.to_owned(), home: root.join(format!("{BUILDING}{id}")) }
    }

    /// Of a store that is being made, or was, if this is the name of such a folder.
    pub(crate) fn left_over(root: &Path, name: &OsStr) -> Option<Self> {
        Some(Self::building(root, name.to_str()?.strip_prefix(BUILDING)?))
    }

    /// The user's own folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a document.
    pub(crate) fn document(&self, key: &Key) -> PathBuf {
        document_below(&self.root, key)
    }

    /// The folder of all that is not a document.
    pub(crate) fn home(&self) -> PathBuf {
        self.home.clone()
    }

    /// What makes the folder a store: format, id, epoch, options.
    pub(crate) fn store_json(&self) -> PathBuf {
        self.home.join("store.json")
    }

    /// Tells a stranger what this folder is.
    pub(crate) fn readme(&self) -> PathBuf {
        self.home.join("README")
    }

    /// Keeps git away.
    pub(crate) fn gitignore(&self) -> PathBuf {
        self.home.join(".gitignore")
    }

    /// Held by whoever commits.
    pub(crate) fn commit_lock(&self) -> PathBuf {
        self.home.join("commit.lock")
    }

    /// Held, shared, by every open store.
    pub(crate) fn open_lock(&self) -> PathBuf {
        self.home.join("open.lock")
    }

    /// Held by whoever moves `applied`.
    pub(crate) fn checkpoint_lock(&self) -> PathBuf {
        self.home.join("checkpoint.lock")
    }

    /// The register of the newest commit that is durable and in place.
    pub(crate) fn head(&self) -> PathBuf {
        self.home.join("head")
    }

    /// The register up to which documents are durable in the folder.
    pub(crate) fn applied(&self) -> PathBuf {
        self.home.join("applied")
    }

    /// The folder of cursors.
    pub(crate) fn cursors(&self) -> PathBuf {
        self.home.join("cursors")
    }

    /// The register of a subscription: how far it is.
    pub(crate) fn cursor(&self, subscription: &str) -> PathBuf {
        self.cursors().join(subscription)
    }

    /// What a subscription is: its filter, order and retry policy.
    pub(crate) fn cursor_definition(&self, subscription: &str) -> PathBuf {
        self.cursors().join(format!("{subscription}.json"))
    }

    /// Held by the one consumer of a subscription.
    pub(crate) fn cursor_lock(&self, subscription: &str) -> PathBuf {
        self.cursors().join(format!("{subscription}.lock"))
    }

    /// The folder of segments.
    pub(crate) fn journal(&self) -> PathBuf {
        self.home.join("journal")
    }

    /// The segment that begins with the commit `first_seq`.
    pub(crate) fn segment(&self, first_seq: u64) -> PathBuf {
        self.journal().join(format!("{first_seq:0SEGMENT_DIGITS$}{SEGMENT_END}"))
    }

    /// The folder of document files to be put in place, and of displaced ones to be used again.
    pub(crate) fn spool(&self) -> PathBuf {
        self.home.join("spool")
    }

    /// The file that a document displaced, or that is to displace it.
    pub(crate) fn displaced(&self, key: &Key) -> PathBuf {
        self.spool().join(Displaced::by(key).name())
    }

    /// The folder of whatever recovery or repair displaced.
    pub(crate) fn recovered(&self) -> PathBuf {
        self.home.join("recovered")
    }

    /// The folder of dead letters.
    pub(crate) fn dead(&self) -> PathBuf {
        self.home.join(DEAD)
    }

    /// The folder of a subscription's dead letters.
    pub(crate) fn letters(&self, subscription: &str) -> PathBuf {
        self.dead().join(subscription)
    }
}

/// The folder of a store in an archive.
pub(crate) fn archive_of(store: &str, epoch: u32) -> String {
    format!("{store}-{epoch}")
}

/// The name of a segment in an archive.
pub(crate) fn archived(first_seq: u64, gzip: bool) -> String {
    let end = if gzip { ".gz" } else { "" };
    format!("{first_seq:0SEGMENT_DIGITS$}{SEGMENT_END}{end}")
}

/// The first seq of the segment of this name in `journal/`; `None` where it is no segment's. (From
/// 10^16 on a seq has more than 16 digits, and stands there whole.)
pub(crate) fn parse_segment(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(SEGMENT_END)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_shortest =
        digits.len() == SEGMENT_DIGITS || digits.len() > SEGMENT_DIGITS && !digits.starts_with('0');
    (is_number && is_shortest).then(|| digits.parse().ok())?.filter(|seq| *seq > 0)
}

/// The subscription whose register has this name in `cursors/`; `None` for a definition, a lock or
/// anything else.
pub(crate) fn parse_cursor(name: &OsStr) -> Option<&str> {
    name.to_str().filter(|name| check_subscription(name).is_ok())
}

/// The subscription whose definition has this name in `cursors/`; `None` for anything else.
pub(crate) fn parse_definition(name: &OsStr) -> Option<&str> {
    name.to_str()?.strip_suffix(DOCUMENT_END).filter(|name| check_subscription(name).is_ok())
}

/// The position of the dead letter whose file has this name; `None` for anything else.
pub(crate) fn parse_letter(name: &OsStr) -> Option<Position> {
    let padded = name.to_str()?.strip_suffix(DOCUMENT_END)?;
    padded.parse().ok().filter(|position: &Position| position.padded() == padded)
}

/// Checks the name of a subscription.
pub(crate) fn check_subscription(name: &str) -> Result<()> {
    let first = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = name.as_bytes();
    let good = bytes.len() <= SUBSCRIPTION_BYTES
        && bytes.first().is_some_and(|byte| first(*byte))
        && bytes.iter().all(|byte| first(*byte) || matches!(byte, b'-' | b'_'));
    if good {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "`{}` is not a name of a subscription: give 1 to {SUBSCRIPTION_BYTES} of `a-z 0-9 - _`, \
         the first a letter or digit",
        printable(name)
    )))
}

#[cfg(test)]
mod tests;
