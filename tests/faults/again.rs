//! Running a test again, in a process to which the fault is done.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::skip;

/// Set for a test that runs in such a process.
const INSIDE: &str = "DOCBOX_TEST_INSIDE";

/// The program of these tests.
pub fn itself() -> PathBuf {
    env::current_exe().expect("a path")
}

/// Runs the test `name`, its module with it, by a command that ends in the program of these tests; within
/// it, does what is to be tested.
#[track_caller]
pub fn again(name: &str, command: &mut Command, test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    let output = command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").output();
    let output = output.expect("it starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "no test is named {name}: {stdout}");
    print!("{stdout}");
    for line in stderr.lines().filter_map(|line| line.strip_prefix("skipped: ")) {
        skip(line);
    }
}
