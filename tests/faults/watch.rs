//! A system that tells nobody of changes, because the limit is reached.

use std::process::Command;

use crate::disk::say;
use crate::program::{Running, Tavern, program};
use crate::skip;

/// The program, where this limit is 0. Within a namespace of its own, so that nobody else has it.
fn limited(tavern: &Tavern, limit: &str, args: &[&str]) -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c"]);
        command
    };
    let set = format!("echo 0 > /proc/sys/user/{limit}");
    if let Err(why) = say(unshare().arg(&set)) {
        skip(&why);
        return None;
    }
    let docbox = program(&tavern.root, args);
    let mut command = unshare();
    command.arg(format!("{set} && exec \"$0\" \"$@\"")).arg(docbox.get_program()).args(args);
    command.current_dir(&tavern.root).env_remove("DOCBOX_STORE").env_remove("DOCBOX_LOG");
    Some(command)
}

fn is_looked_for(limit: &str) {
    let tavern = Tavern::with_turns(1);
    let args = ["subscribe", "ui", "--from", "beginning", "--follow", "--json"];
    let Some(mut command) = limited(&tavern, limit, &args) else { return };
    let running = Running::start(&mut command);
    assert!(running.line().contains(r#""1-1-0""#), "it begins");
    running.says("the system does not tell of changes; looking for them instead");
    for number in 2..6 {
        tavern.run_with(&["put", "turns/1", "--event", "Turn"], number.to_string()).ok();
        let line = running.line();
        assert!(line.contains(&format!(r#""1-{number}-0""#)), "{line}");
    }
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains("looking for them"), "said once: {}", ended.stderr);
}

#[test]
fn where_no_watcher_can_be_had_changes_are_looked_for_and_that_is_said() {
    is_looked_for("max_inotify_instances");
}

#[test]
fn where_nothing_can_be_watched_changes_are_looked_for_and_that_is_said() {
    is_looked_for("max_inotify_watches");
}
