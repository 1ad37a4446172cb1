//! Who may read what, under every umask.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::home::Home;
use crate::program::run;

/// Every verb, one after the other, so that everything a store can hold is made. Where asked for, the journal
/// is filled past a segment; a torn tail is kept aside.
const SCRIPT: &str = r#"
umask "$1"; docbox="$2"; set -e
"$docbox" init
echo '{"n":1}' | "$docbox" put agents/a --event Made
echo '{"n":1}' | "$docbox" put top
echo '{"n":1}' | "$docbox" put gone
"$docbox" update agents/a --exec 'echo 2' --event Changed
"$docbox" rm gone
if [ "$3" = long ]; then
    head -c 9000000 /dev/zero | tr '\0' x | sed 's/^/"/;s/$/"/' > .long
    "$docbox" put long .long; "$docbox" put long2 .long
fi
"$docbox" subscribe ui --from beginning --max 1 --json
"$docbox" subscribe other --from now
"$docbox" reset ui --to beginning
rm -rf .docbox/spool .docbox/dead
# The end of the newest line, and behind it what a writer left that died.
end=$(sed -n 's/.*"seq":\([0-9]*\).*"offset":\([0-9]*\).*/\1 \2/p' .docbox/head | sort -n | tail -n 1 | cut -d ' ' -f 2)
printf '{"crc":"torn' | dd of=".docbox/journal/$(ls .docbox/journal | tail -n 1)" bs=1 seek="$end" conv=notrunc 2> /dev/null
"$docbox" status; "$docbox" subscriptions; "$docbox" ls; "$docbox" events; "$docbox" get agents/a
"$docbox" verify
echo '{"n":2}' | "$docbox" put agents/a
"#;

/// The permission bits of everything in a folder.
fn modes(folder: &Path) -> BTreeMap<PathBuf, (bool, u32)> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.insert(path, (metadata.is_dir(), metadata.permissions().mode() & 0o7777));
    }
    all
}

#[test]
fn everything_in_docbox_is_the_owner_s_alone_whatever_the_umask() {
    for umask in ["0", "022", "077", "027", "0277", "0777"] {
        let home = Home::new();
        // A umask belongs to a process, so that a child has it.
        let mut bash = Command::new("bash");
        let long = if umask == "0777" { "long" } else { "" };
        bash.args(["-c", SCRIPT, "bash", umask, env!("CARGO_BIN_EXE_docbox"), long]);
        bash.current_dir(home.root()).env_remove("DOCBOX_STORE").env_remove("DOCBOX_LOG");
        let outcome = run(&mut bash, b"");
        let is_root = fs::metadata("/proc/self").unwrap_or_else(|error| panic!("{error}"));
        let is_root = std::os::unix::fs::MetadataExt::uid(&is_root) == 0;
        if umask == "0277" || umask == "0777" {
            // Nobody but root can go on with documents and files that their own maker cannot open.
            assert!(outcome.code == 0 || !is_root, "{umask}: {outcome:?}");
        } else {
            assert_eq!(outcome.code, 0, "{umask}: {outcome:?}");
        }
        let found = modes(&home.path(".docbox"));
        assert!(found.len() > if outcome.code == 0 { 18 } else { 12 }, "{umask}: {found:#?}");
        let bits = u32::from_str_radix(umask, 8).unwrap();
        for (path, (is_folder, mode)) in found {
            let wanted = match path.parent() {
                _ if is_folder => 0o700,
                // A displaced document keeps its mode: whoever looked its name up may still open it.
                Some(folder) if folder.ends_with("spool") => 0o666 & !bits,
                _ => 0o600,
            };
            assert_eq!(mode, wanted, "umask {umask}: {} is {mode:o}", path.display());
        }
        if outcome.code == 0 {
            assert!(!home.recovered().is_empty(), "a torn tail was kept aside");
            assert!(long.is_empty() || home.names(".docbox/journal").len() > 1);
            let umask = u32::from_str_radix(umask, 8).unwrap();
            let mode =
                |name: &str| fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode("agents/a.json"), 0o666 & !umask, "documents are the user's own files");
            assert_eq!(mode("agents"), 0o777 & !umask);
        }
    }
}

#[test]
fn a_replaced_document_keeps_its_mode_under_every_umask() {
    for umask in ["0", "077", "0777"] {
        let home = Home::new();
        home.open().close().unwrap();
        let put = |text: &str| {
            let script = format!("umask {umask}; exec '{}' put a", env!("CARGO_BIN_EXE_docbox"));
            let mut bash = Command::new("bash");
            bash.args(["-c", &script]).current_dir(home.root());
            run(&mut bash, text.as_bytes()).ok();
        };
        put("1");
        for kept in [0o640, 0o444, 0o755, 0o600] {
            fs::set_permissions(home.path("a.json"), fs::Permissions::from_mode(kept)).unwrap();
            put(&format!("{kept}"));
            assert_eq!(home.text("a.json"), format!("{kept}\n"));
            assert_eq!(
                fs::metadata(home.path("a.json")).unwrap().permissions().mode() & 0o7777,
                kept
            );
        }
    }
}

#[test]
fn a_file_of_the_store_that_others_may_read_is_not_made_so_by_us_and_new_ones_are_not() {
    let home = Home::new();
    home.open().close().unwrap();
    for lock in ["open.lock", "commit.lock"] {
        let path = home.path(".docbox").join(lock);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    }
    drop(home.open());
    let mode = fs::metadata(home.path(".docbox/open.lock")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "what is made when missing is private when it is there, too");
}
