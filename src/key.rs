//! Keys: what documents are called.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Error, Result};
use crate::names;
use crate::position::Position;

/// The name of a document: 1 to 16 segments joined by `/`, in Unicode NFC.
///
/// Its file lies at the same path under the store's root, with `.json` after it; characters that a
/// file name cannot hold on every system are percent-encoded there. Keys sort by their bytes.
///
/// ```
/// use docbox::Key;
/// let key = Key::new("projects/p1/agents/7c")?;
/// assert_eq!(key.as_str(), "projects/p1/agents/7c");
/// assert_eq!(Key::new("Jose\u{301}")?, Key::new("Jos\u{e9}")?);
/// assert!(Key::new("agents//7c").is_err());
/// # Ok::<(), docbox::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

impl Key {
    /// How many segments a key can have.
    pub const MAX_SEGMENTS: usize = 16;
    /// How many bytes a segment can take in a file name, encoded and without the final `.json`.
    pub const MAX_SEGMENT_BYTES: usize = 200;
    /// How many bytes all segments can take in a path, encoded, with the `/` between them and
    /// without the final `.json`.
    pub const MAX_BYTES: usize = 1_024;

    /// Brings a text to Unicode NFC and checks that it is a key.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], with the rule that the text breaks: an empty segment, `.` or `..`, NUL, a
    /// `/` at the beginning or the end, a first segment `.docbox` in any case, or a limit.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = nfc(text.as_ref());
        match broken_rule(&text) {
            Some(rule) => {
                Err(Error::Invalid(format!("`{}` is not a key: {rule}", printable(&text))))
            }
            None => Ok(Self(text.into())),
        }
    }

    /// A key as it stands in the journal, where the store has keys of its own too:
    /// `.docbox/dead/<subscription>/<position>`.
    pub(crate) fn from_journal(text: &str) -> Result<Self> {
        if is_own(text) { Ok(Self(text.into())) } else { Self::new(text) }
    }

    /// The key of a dead letter.
    pub(crate) fn letter(subscription: &str, position: Position) -> Self {
        let (home, dead, position) = (names::HOME, names::DEAD, position.padded());
        Self(format!("{home}/{dead}/{subscription}/{position}").into())
    }

    /// Whether this is a key of the store's own. Such keys come from the journal only.
    pub(crate) fn is_own(&self) -> bool {
        is_own(&self.0)
    }

    /// The key's text, in NFC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a key in the journal is the store's own. Such keys stand in file names as they are, so nothing that
/// would need encoding may pass here.
pub(crate) fn is_own(text: &str) -> bool {
    // Most are not, and this is asked again and again.
    if !text.starts_with(names::HOME) {
        return false;
    }
    let mut segments = text.split('/');
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    segments.next() == Some(names::HOME)
        && segments.next() == Some(names::DEAD)
        && segments.next().is_some_and(|name| names::check_subscription(name).is_ok())
        && segments.next().is_some_and(|position| {
            (1..=Key::MAX_SEGMENT_BYTES).contains(&position.len()) && position.bytes().all(plain)
        })
        && segments.next().is_none()
}

/// Which rule of keys an NFC text breaks, and what to do.
fn broken_rule(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty; give 1 to 16 segments joined by `/`".to_owned());
    }
    if text.starts_with('/') {
        return Some("it begins with `/`; leave that out".to_owned());
    }
    if text.ends_with('/') {
        return Some("it ends with `/`; leave that out, or add the last segment".to_owned());
    }
    if is_in_home(text) {
        return Some("a first segment `.docbox` is the store's own; choose another".to_owned());
    }
    let segments = text.bytes().filter(|byte| *byte == b'/').count() + 1;
    let most = Key::MAX_SEGMENTS;
    if segments > most {
        return Some(format!("it has {segments} segments, {most} are allowed; join some of them"));
    }
    text.split('/').find_map(broken_segment_rule).or_else(|| broken_limit(text))
}

/// Whether its first segment is `.docbox`, in any case.
fn is_in_home(text: &str) -> bool {
    let is_home = |first: &str| first.eq_ignore_ascii_case(names::HOME);
    text.starts_with('.') && text.split('/').next().is_some_and(is_home)
}

fn broken_segment_rule(segment: &str) -> Option<String> {
    match segment {
        "" => Some("a segment is empty; put one `/` alone between two segments".to_owned()),
        "." | ".." => Some(format!("a segment is `{segment}`; give the whole path instead")),
        _ if segment.contains('\0') => Some("it contains NUL; leave that out".to_owned()),
        _ => None,
    }
}

fn broken_limit(text: &str) -> Option<String> {
    let mut all = 0;
    for (at, name) in names::encoded_segments(text).enumerate() {
        let (bytes, most) = (name.len(), Key::MAX_SEGMENT_BYTES);
        if bytes > most {
            let segment = printable(text.split('/').nth(at).unwrap_or_default());
            return Some(format!(
                "segment `{segment}` takes {bytes} bytes in a file name, {most} are allowed; \
                 shorten it"
            ));
        }
        all += bytes + 1;
    }
    let (bytes, most) = (all - 1, Key::MAX_BYTES);
    (bytes > most)
        .then(|| format!("it takes {bytes} bytes as a path, {most} are allowed; shorten it"))
}

/// What of a refused key goes into a message: nothing that a terminal would obey or hide, and not a
/// megabyte.
pub(crate) fn printable(text: &str) -> String {
    const MOST: usize = 100;
    let (shown, rest) = match text.char_indices().nth(MOST) {
        Some((at, _)) => (&text[..at], "…"),
        None => (text, ""),
    };
    escaped(shown).into_owned() + rest
}

/// The text with everything escaped that a terminal would obey or hide.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_hidden = |char: char| char.is_control() || names::is_invisible(char);
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if is_hidden(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// The text in Unicode NFC.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Keys are ordered, told apart and hashed as their texts are.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Key {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        match Key::new(text) {
            Err(Error::Invalid(what)) => what,
            other => panic!("{text:?} gives {other:?}"),
        }
    }

    #[test]
    fn keys_are_taken_as_they_are() {
        for text in [
            "a",
            "agents/3f2a",
            "María Elena",
            ".x/a.json/b",
            "...",
            "..a",
            "a/ /b",
            "con",
            "a.",
            "\u{1}",
            ".docboxes/a",
            "a/.docbox",
            "a/.docbox/dead",
            "docbox",
            "%",
            "\u{feff}",
            "a\\b",
            "日本/語",
        ] {
            assert_eq!(Key::new(text).unwrap().as_str(), text);
            assert!(!Key::new(text).unwrap().is_own());
        }
    }

    #[test]
    fn each_refusal_says_which_rule() {
        for (text, rule) in [
            ("", "it is empty"),
            ("/", "begins with `/`"),
            ("/a", "begins with `/`"),
            ("a/", "ends with `/`"),
            ("a//b", "a segment is empty"),
            (".", "a segment is `.`"),
            ("a/./b", "a segment is `.`"),
            ("..", "a segment is `..`"),
            ("a/..", "a segment is `..`"),
            ("a\0b", "contains NUL"),
            (".docbox", "the store's own"),
            (".DocBox/a", "the store's own"),
            (".docbox/dead/ui/0000000000000042-00000", "the store's own"),
            ("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "it has 17 segments, 16 are allowed"),
        ] {
            let said = refusal(text);
            assert!(said.contains(rule), "{text:?}: {said}");
            assert!(said.contains("` is not a key: ") && said.contains("; "), "{said}");
        }
    }

    #[test]
    fn a_refusal_escapes_what_a_terminal_would_obey_or_hide() {
        assert!(refusal("a\u{1b}[2J\u{202e}\0").starts_with("`a\\u{1b}[2J\\u{202e}\\u{0}` is not"));
        assert!(refusal(&"/".repeat(1 << 20)).len() < 300);
        assert!(refusal(&"a".repeat(1 << 20)).len() < 500);
    }

    #[test]
    fn limits_count_what_stands_in_the_path() {
        let fits = ["a".repeat(200), "%".repeat(66) + "aa", "é".repeat(100)];
        for segment in fits {
            assert!(Key::new(&segment).is_ok());
            assert!(Key::new(format!("b/{segment}/c")).is_ok());
            let said = refusal(&format!("b/{segment}a"));
            assert!(said.contains("takes 201 bytes in a file name, 200 are allowed"), "{said}");
        }
        let dotted = "a".repeat(195) + ".json";
        assert!(Key::new(&dotted).is_ok(), "the dot is not encoded in the last segment");
        assert!(refusal(&format!("{dotted}/a")).contains("takes 202 bytes"));

        let five = vec!["a".repeat(200); 5].join("/");
        assert!(Key::new(format!("{five}/{}", "b".repeat(19))).is_ok());
        assert!(
            refusal(&format!("{five}/{}", "b".repeat(20)))
                .contains("takes 1025 bytes as a path, 1024 are allowed")
        );
        assert!(Key::new(["a"; 16].join("/")).is_ok());
    }

    #[test]
    fn a_key_is_brought_to_nfc() {
        for (given, kept) in [
            ("Jose\u{301}", "José"),
            ("\u{212a}", "K"),
            ("\u{1100}\u{1161}", "가"),
            ("e/\u{301}", "e/\u{301}"),
        ] {
            assert_eq!(Key::new(given).unwrap().as_str(), kept);
        }
        assert!(Key::new("e\u{301}".repeat(100)).is_ok(), "the limit counts what is kept");
    }

    #[test]
    fn the_journal_alone_brings_own_keys() {
        let own = Key::from_journal(".docbox/dead/ui_2/0000000000000042-00000").unwrap();
        assert!(own.is_own());
        assert_eq!(own.as_str(), ".docbox/dead/ui_2/0000000000000042-00000");
        assert_eq!(Key::from_journal("a/e\u{301}").unwrap(), Key::new("a/é").unwrap());
        for text in [
            ".docbox/dead",
            ".docbox/dead/ui",
            ".docbox/dead/ui/",
            ".docbox/dead//1",
            ".docbox/dead/ui/1/2",
            ".docbox/dead/ui/..",
            ".docbox/dead/ui/a.json",
            ".docbox/dead/UI/1",
            ".docbox/dead/ui/A",
            ".docbox/dead/ui/%",
            ".Docbox/dead/ui/1",
            ".docbox/Dead/ui/1",
            ".docbox/head",
            "a//b",
        ] {
            assert!(Key::from_journal(text).is_err(), "{text:?}");
        }
        let position = |length| format!(".docbox/dead/ui/{}", "1".repeat(length));
        assert!(Key::from_journal(&position(200)).is_ok());
        assert!(Key::from_journal(&position(201)).is_err());
    }

    #[test]
    fn serde_goes_through_the_checks() {
        let key: Key = serde_json::from_str(r#""e\u0301/x""#).unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"é/x\"");
        let said = serde_json::from_str::<Key>(r#""a//b""#).unwrap_err().to_string();
        assert!(said.contains("a segment is empty"), "{said}");
        assert!(serde_json::from_str::<Key>(r#"".docbox/dead/ui/1""#).is_err());
    }

    proptest! {
        #[test]
        fn a_key_is_a_key_again(text in any::<String>()) {
            if let Ok(key) = Key::new(&text) {
                prop_assert_eq!(&Key::new(key.as_str()).unwrap(), &key);
                prop_assert_eq!(&key.to_string().parse::<Key>().unwrap(), &key);
                prop_assert_eq!(&Key::from_journal(key.as_str()).unwrap(), &key);
            }
        }
    }
}
