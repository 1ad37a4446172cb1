//! `retention`: what is kept of the journal.

use std::fs;

use serde_json::json;

use crate::program::Tavern;

#[test]
fn what_is_kept_is_told_and_remembered() {
    let tavern = Tavern::new();
    assert_eq!(tavern.run(&["retention", "--json"]).json(), [json!({})]);
    let text = tavern.run(&["retention"]).ok();
    assert!(text.starts_with("keeps: 604800 s, at most 1073741824 bytes"), "{text}");
    let archive = tavern.root.parent().unwrap().join("archive");
    fs::create_dir(&archive).unwrap();
    let archive = archive.to_str().unwrap();
    let args = ["retention", "--age", "30d", "--bytes", "5000", "--archive", archive, "--gzip"];
    tavern.run(&args).ok();
    let told = json!({"age_s": 30 * 24 * 3600, "bytes": 5000, "archive": archive, "gzip": true});
    assert_eq!(tavern.run(&["retention", "--json"]).json(), [told]);
    tavern.run(&["retention", "--keep-all"]).ok();
    assert!(tavern.run(&["retention"]).ok().starts_with("keeps: everything"));
    tavern.run(&["retention", "--default"]).ok();
    assert_eq!(tavern.run(&["retention", "--json"]).json(), [json!({})]);
    tavern.run(&["verify"]).ok();
}

#[test]
fn what_cannot_be_kept_so_is_refused() {
    let tavern = Tavern::new();
    let wrong: [&[&str]; 5] = [
        &["retention", "--age", "soon"],
        &["retention", "--bytes", "-1"],
        &["retention", "--gzip"],
        &["retention", "--keep-all", "--age", "1d"],
        &["retention", "--archive", ""],
    ];
    for args in wrong {
        tavern.run(args).fails(2);
    }
    assert_eq!(tavern.run(&["retention", "--json"]).json(), [json!({})]);
}
