use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn path(text: &str) -> String {
    document_path(&key(text)).to_str().unwrap().replace('\\', "/")
}

fn parse(path: &str) -> Option<Key> {
    parse_document_path(Path::new(path))
}

/// A key, and where its document lies.
const DOCUMENTS: &[(&str, &str)] = &[
    ("agents/3f2a", "agents/3f2a.json"),
    ("projects/p1/agents/7c", "projects/p1/agents/7c.json"),
    ("a7 2", "a7 2.json"),
    ("María Elena", "María Elena.json"),
    ("日本/語", "日本/語.json"),
    ("p%q", "p%25q.json"),
    (".x/a.json/b", "%2Ex/a%2Ejson/b.json"),
    // ASCII that stands as it is, and all that does not.
    ("azAZ09 -_.+@=x", "azAZ09 -_.+@=x.json"),
    ("!\"#$%&'(", "%21%22%23%24%25%26%27%28.json"),
    (")*,:;<>?", "%29%2A%2C%3A%3B%3C%3E%3F.json"),
    ("[\\]^`{|}~", "%5B%5C%5D%5E%60%7B%7C%7D%7E.json"),
    ("\u{1}\n\u{1f}\u{7f}", "%01%0A%1F%7F.json"),
    // The list outside ASCII, and its neighbours.
    ("\u{80}\u{9f}\u{a0}", "%C2%80%C2%9F\u{a0}.json"),
    ("\u{ac}\u{ad}\u{ae}", "\u{ac}%C2%AD\u{ae}.json"),
    ("\u{200a}\u{200b}\u{200f}\u{2010}", "\u{200a}%E2%80%8B%E2%80%8F\u{2010}.json"),
    ("\u{2027}\u{2028}\u{202e}\u{202f}", "\u{2027}%E2%80%A8%E2%80%AE\u{202f}.json"),
    ("\u{205f}\u{2060}\u{206f}\u{2070}", "\u{205f}%E2%81%A0%E2%81%AF\u{2070}.json"),
    ("\u{fefc}\u{feff}\u{ff01}", "\u{fefc}%EF%BB%BF\u{ff01}.json"),
    // Dots and spaces at the edges, of the last segment too.
    ("a.", "a%2E.json"),
    ("a./b", "a%2E/b.json"),
    ("a ", "a%20.json"),
    (" a/ b", "%20a/%20b.json"),
    ("...", "%2E.%2E.json"),
    ("a/ /b", "a/%20/b.json"),
    (" ", "%20.json"),
    ("\u{3000}a", "\u{3000}a.json"),
    // Devices.
    ("con", "%63on.json"),
    ("PRN/Aux.txt/nul.", "%50RN/%41ux.txt/%6Eul%2E.json"),
    ("CONIN$/conout$.b", "%43ONIN%24/%63onout%24.b.json"),
    ("com0/COM9.a.b/lpt5", "%63om0/%43OM9.a.b/%6Cpt5.json"),
    ("COM¹/com²/lpt³", "%43OM¹/%63om²/%6Cpt³.json"),
    ("com/com10/com¼/coma/com4a/xcon", "com/com10/com¼/coma/com4a/xcon.json"),
    ("con a/.con/conin/cöm1/con\u{301}", "con a/%2Econ/conin/cöm1/coń.json"),
    // A final `.json`, in folders alone.
    ("a.json", "a.json.json"),
    ("a.json/b", "a%2Ejson/b.json"),
    ("a.JSON/b.JSON", "a%2EJSON/b.JSON.json"),
    (".json", "%2Ejson.json"),
    (".json/con.json/a.json.json", "%2Ejson/%63on%2Ejson/a.json.json.json"),
    ("a.json.json/ajson/json/b", "a.json%2Ejson/ajson/json/b.json"),
    ("a.json./a.json /a.jsonl/ä.json/b", "a.json%2E/a.json%20/a.jsonl/ä%2Ejson/b.json"),
    (".docboxes/a", "%2Edocboxes/a.json"),
    ("a/.docbox", "a/%2Edocbox.json"),
    // An accent after an escape joins its last digit: names are NFC.
    (".\u{301}", "%2É.json"),
    ("a/~\u{303}\u{323}", "a/%7\u{1eb8}\u{303}.json"),
    ("<\u{338}", "≮.json"),
];

#[test]
fn keys_and_names_lead_to_each_other() {
    for (text, name) in DOCUMENTS {
        assert_eq!(path(text), *name);
        assert_eq!(parse(name), Some(key(text)), "{name}");
    }
}

#[test]
fn a_decomposed_name_is_the_same_name() {
    for (text, name) in DOCUMENTS {
        let name: String = name.nfd().collect();
        assert_eq!(parse(&name), Some(key(text)), "{name}");
    }
}

#[test]
fn what_is_no_keys_name_is_a_stray() {
    for name in [
        "a%2f.json", // lower-case hex
        "%61.json",  // needless escapes
        "a%20b.json",
        "a%2Eb.json",
        "a%2Ejson.json",
        "%C3%A9.json",
        "c%6Fn.json",
        "a%2E/b%2Ec.json",
        "a%.json", // cut escapes, and no escapes
        "a%2.json",
        "%4\u{301}.json",
        "%GG.json",
        "%+1.json",
        "100%.json",
        "%FF.json", // no UTF-8
        "%C2.json",
        "%C0%AF.json",
        "%ED%A0%80.json",
        "%65\u{301}.json", // no NFC: it would be é
        "%00.json",        // no keys
        "a%2Fb.json",
        "a%2Fb/c.json",
        "%2E.json",
        "%2E%2E.json",
        "%2E/a.json",
        "%2Edocbox.json",
        "%2EDocbox/a.json",
        "%2Edocbox/dead/ui/1.json",
        "a..json", // what would have been encoded
        "a .json",
        " a.json",
        "a./b.json",
        "a:b.json",
        "CON.json",
        "aux.b.json",
        "lpt²/a.json",
        "a.json/b.json",
        "a.Json/b.json",
        "\u{feff}.json",
        "a\u{ad}b.json",
        "~a.json",
        "a~.json",
    ] {
        assert_eq!(parse(name), None, "{name}");
        let last = name.rsplit('/').next().unwrap();
        assert!(is_document_name(last.as_ref()), "{name}");
    }
    assert_eq!(parse(&format!("{}.json", "a".repeat(201))), None);
    assert_eq!(parse(&format!("{}.json", ["a"; 17].join("/"))), None);
}

#[test]
fn what_is_hidden_or_no_json_is_not_ours() {
    for name in [
        "",
        ".json",
        ".a.json",
        ".git/a.json",
        ".docbox/store.json",
        ".docbox/dead/ui/0000000000000042-00000.json",
        "a/.b/c.json",
        "a",
        "a.JSON",
        "a.jsonl",
        "a.json~",
        "json",
        "/a.json",
        "../a.json",
        "a/../b.json",
    ] {
        assert_eq!(parse(name), None, "{name}");
    }
    for name in [".json", ".a.json", "a.JSON", "a.jsonl", "json", "a"] {
        assert!(!is_document_name(name.as_ref()), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_a_stray() {
    use std::os::unix::ffi::OsStrExt;
    let name = OsStr::from_bytes(b"a\xff.json");
    assert!(is_document_name(name));
    assert_eq!(parse_document_path(Path::new(name)), None);
    assert!(Folder::root().folder(OsStr::from_bytes(b"a\xff")).is_none());
}

#[test]
fn a_walk_turns_back_where_only_strays_can_follow() {
    let root = Folder::root();
    for name in [".git", ".docbox", "%2Edocbox", "a.json", "a%20b", "a.", "nul", "%2E", "a%2Fb"] {
        assert!(root.folder(name.as_ref()).is_none(), "{name}");
    }
    let folder = root.folder("%2Ex".as_ref()).unwrap().folder("a%2Ejson".as_ref()).unwrap();
    assert_eq!(folder.document("b.json".as_ref()), Some(key(".x/a.json/b")));
    assert_eq!(folder.document("b".as_ref()), None);
    assert_eq!(folder.document("b/c.json".as_ref()), None);
    // `.docbox` is the store's own at the root alone.
    let inner = root.folder("a".as_ref()).unwrap().folder("%2Edocbox".as_ref()).unwrap();
    assert_eq!(inner.document("b.json".as_ref()), Some(key("a/.docbox/b")));

    let deepest = (0..15).try_fold(root.clone(), |folder, _| folder.folder("a".as_ref()));
    let deepest = deepest.unwrap();
    assert!(deepest.document("a.json".as_ref()).is_some());
    assert!(deepest.folder("a".as_ref()).is_none());

    let long = "a".repeat(200);
    let longest = (0..5).try_fold(root, |folder, _| folder.folder(long.as_ref())).unwrap();
    assert!(longest.folder("b".repeat(17).as_ref()).is_some());
    assert!(longest.folder("b".repeat(18).as_ref()).is_none());
}

#[test]
fn the_store_s_own_keys_are_not_encoded() {
    let own = Key::from_journal(".docbox/dead/ui/0000000000000042-00000").unwrap();
    let file = Path::new(".docbox/dead/ui/0000000000000042-00000.json");
    assert_eq!(document_path(&own), file);
    let names = Names::new("/s");
    assert_eq!(names.document(&own), Path::new("/s").join(file));
    assert!(names.document(&own).starts_with(names.dead()));
    // A device's name too: it is a folder of ours, and never met in a walk.
    let own = Key::from_journal(".docbox/dead/con/1").unwrap();
    assert_eq!(document_path(&own), Path::new(".docbox/dead/con/1.json"));
}

#[test]
fn the_store_s_files_lie_where_the_format_says() {
    let names = Names::new("/s");
    for (made, expected) in [
        (names.root().to_owned(), "/s"),
        (names.document(&key("a./b")), "/s/a%2E/b.json"),
        (names.home(), "/s/.docbox"),
        (names.store_json(), "/s/.docbox/store.json"),
        (names.readme(), "/s/.docbox/README"),
        (names.gitignore(), "/s/.docbox/.gitignore"),
        (names.commit_lock(), "/s/.docbox/commit.lock"),
        (names.open_lock(), "/s/.docbox/open.lock"),
        (names.checkpoint_lock(), "/s/.docbox/checkpoint.lock"),
        (names.head(), "/s/.docbox/head"),
        (names.applied(), "/s/.docbox/applied"),
        (names.cursors(), "/s/.docbox/cursors"),
        (names.cursor("ui"), "/s/.docbox/cursors/ui"),
        (names.cursor_definition("ui"), "/s/.docbox/cursors/ui.json"),
        (names.cursor_lock("ui"), "/s/.docbox/cursors/ui.lock"),
        (names.snapshot(42, 0x9f), "/s/.docbox/cursors/0000000000000042-000000000000009f.jsonl"),
        (names.journal(), "/s/.docbox/journal"),
        (names.segment(1), "/s/.docbox/journal/0000000000000001.jsonl"),
        (names.spool(), "/s/.docbox/spool"),
        (names.recovered(), "/s/.docbox/recovered"),
        (names.dead(), "/s/.docbox/dead"),
    ] {
        assert_eq!(made, Path::new(expected));
    }
}

#[test]
fn segments_are_named_by_their_first_seq() {
    for (name, seq) in [
        ("0000000000000001.jsonl", 1),
        ("0000000000000042.jsonl", 42),
        ("9999999999999999.jsonl", 9_999_999_999_999_999),
        ("10000000000000000.jsonl", 10_000_000_000_000_000),
        ("18446744073709551615.jsonl", u64::MAX),
    ] {
        assert_eq!(parse_segment(name.as_ref()), Some(seq));
        assert_eq!(Names::new("").segment(seq).file_name(), Some(name.as_ref()));
    }
    for name in [
        "0000000000000000.jsonl",
        "1.jsonl",
        "000000000000001.jsonl",
        "00000000000000001.jsonl",
        "+000000000000001.jsonl",
        "000000000000000a.jsonl",
        "18446744073709551616.jsonl",
        "0000000000000001.json",
        "0000000000000001.jsonl~",
        "0000000000000001",
        ".jsonl",
        "",
    ] {
        assert_eq!(parse_segment(name.as_ref()), None, "{name}");
    }
}

#[test]
fn subscriptions_have_plain_names() {
    let longest = "a".repeat(64);
    for name in ["ui", "a", "0", "a-b_c", "9-_", &longest] {
        assert!(check_subscription(name).is_ok(), "{name}");
        assert_eq!(parse_cursor(name.as_ref()), Some(name));
    }
    let longer = "a".repeat(65);
    for name in ["", "-a", "_a", "UI", "a b", "a.json", "a.lock", "a/b", "..", "é", &longer] {
        let said = check_subscription(name).unwrap_err().to_string();
        assert!(said.contains("give 1 to 64 of `a-z 0-9 - _`"), "{said}");
        assert_eq!(parse_cursor(name.as_ref()), None, "{name}");
    }
}

#[test]
fn the_spool_prefix_is_a_hash_of_the_key() {
    // printf %s agents/3f2a | sha256sum | cut -c1-16
    assert_eq!(spool_prefix(&key("agents/3f2a")), "53dc0890c1335ac1-");
}

/// Pieces that meet every rule, so that rules meet each other.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec![
            "/", "/", ".", " ", "%", "%2", "%2E", "2E", "E", "5", "a", "A", "~", "é", "¹", ".json",
            ".JSON", "con", "COM", "lpt1", "nul.", ".docbox", "\u{301}", "\u{303}", "\u{323}",
            "\u{327}", "\u{338}", "\u{345}", "<", "\u{ad}", "\u{200b}", "\u{feff}", "\u{1100}",
            "\u{1161}", "\u{11a8}", "\u{212a}", "\u{1ed8}", "\u{fb2c}", "\u{7f}", "\u{9f}",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn a_key() -> impl Strategy<Value = Key> {
    pieces().prop_filter_map("no key", |text| Key::new(text).ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn key_to_name_to_key_is_the_identity(key in a_key()) {
        let path = document_path(&key);
        prop_assert_eq!(parse_document_path(&path), Some(key.clone()));
        let text = path.to_str().unwrap();
        let [composed, decomposed]: [String; 2] = [text.nfc().collect(), text.nfd().collect()];
        prop_assert_eq!(&composed, text, "names are NFC");
        prop_assert_eq!(parse_document_path(Path::new(&decomposed)), Some(key));
        prop_assert!(!text.starts_with('.') && !text.contains("/."), "nothing is hidden");
        prop_assert!(path.file_name().is_some_and(is_document_name));
    }

    #[test]
    fn a_name_that_is_read_is_the_name_that_is_made(name in pieces()) {
        let name = format!("{name}.json");
        if let Some(key) = parse_document_path(Path::new(&name)) {
            prop_assert_eq!(document_path(&key), PathBuf::from(&*nfc(&name)));
        }
    }

    #[test]
    fn two_keys_never_want_one_path(one in a_key(), other in a_key(), tail in pieces()) {
        let below = [".json/", "/", ".JSON/", "."]
            .map(|joint| Key::new(format!("{one}{joint}{tail}")).ok());
        for other in below.into_iter().flatten().chain([other]).filter(|other| *other != one) {
            let (one, other) = (document_path(&one), document_path(&other));
            prop_assert_ne!(&one, &other);
            // Neither is a folder above the other.
            prop_assert!(!one.starts_with(&other) && !other.starts_with(&one));
        }
    }

    #[test]
    fn a_walk_finds_what_the_whole_path_says(name in pieces()) {
        let name = format!("{name}.json");
        let (folders, last) = name.rsplit_once('/').unwrap_or(("", &name));
        let folder = folders.split('/').filter(|name| !name.is_empty())
            .try_fold(Folder::root(), |folder, name| folder.folder(name.as_ref()));
        let found = folder.and_then(|folder| folder.document(last.as_ref()));
        if !name.starts_with('/') && !name.contains("/./") {
            prop_assert_eq!(found, parse(&name));
        }
    }
}
