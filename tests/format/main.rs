//! Format 1 on the real disk: golden stores, damage, and another reader.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests look at the files past the store"
)]

mod copied;
mod damaged;
mod docs;
mod golden;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../support/home.rs"]
mod home;
mod identity;
mod journal;
mod register;
mod tail;

use docbox::{Error, Report, Severity};

/// The parts of [`Error::Corrupt`]: the file's name, the offset, the seq.
fn corrupt(error: Error) -> (String, u64, Option<u64>) {
    match error {
        Error::Corrupt { path, offset, seq, .. } => {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), offset, seq)
        }
        other => panic!("damage, not {other}"),
    }
}

/// The files in which `verify` found damage.
fn damaged_files(report: &Report) -> Vec<String> {
    let damage = report.findings.iter().filter(|finding| finding.severity == Severity::Damage);
    damage.map(|finding| finding.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}
