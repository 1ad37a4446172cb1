//! Recovery through the public door, on the real disk.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store"
)]

mod again;
mod children;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod reading;
mod redo;
mod roll_forward;

use docbox::{Revision, layout};

/// The members of a line that writes a document and emits an event.
fn write(key: &str, was: Option<&str>, doc: &str) -> String {
    let quoted = |revision: String| format!("\"{revision}\"");
    let was = was.map_or("null".to_owned(), |text| quoted(revision(text)));
    let rev = quoted(revision(doc));
    format!(
        r#""events":[{{"type":"Left","subject":"{key}"}}],"writes":[{{"key":"{key}","was":{was},"rev":{rev},"doc":{doc}}}]"#
    )
}

fn revision(compact: &str) -> String {
    Revision::of(&layout::pretty(compact)).to_string()
}
