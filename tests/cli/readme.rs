//! The README's session on the command line is real: each command is run, and says what stands there.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn the_session_in_the_readme_is_real() {
    if !Command::new("jq")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: there is no jq");
        return;
    }
    let readme = readme();
    let session = readme.split("```console\n").nth(1).expect("a session");
    let session = session.split("```").next().unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    // One shell for all of it; a line of its own between what the commands print.
    let mut script = String::new();
    let mut expected = String::new();
    for line in session.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            script.push_str(command);
            script.push_str("\necho ---\n");
            if !expected.is_empty() {
                expected.push_str("---\n");
            }
        } else {
            expected.push_str(line);
            expected.push('\n');
        }
        if expected.is_empty() {
            expected.push('\0');
        }
    }
    expected.push_str("---\n");
    let bin = Path::new(env!("CARGO_BIN_EXE_docbox")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap_or_default());
    let run = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env_remove("DOCBOX_STORE")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert_eq!(said, expected.replace('\0', ""));
}
