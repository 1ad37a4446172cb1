//! What fuzzing holds: one function a target. Each takes any bytes, and asserts what must be so whatever
//! they are.
//!
//! In builds of the tests and of cargo-fuzz only. The targets are in tests/fuzz, and so is the corpus,
//! which the unit tests replay. The disk below is the simulated one of the tests, without its faults.

#![allow(missing_docs, clippy::missing_panics_doc, reason = "a panic is what they are for")]

mod damage;
mod golden;
mod keys;
mod records;
mod registers;
mod segments;
mod store;
mod transactions;

pub use keys::keys;
pub use records::records;
pub use registers::registers;
pub use segments::segments;
pub use store::store;
pub use transactions::transactions;

/// What is held for any bytes.
pub type Target = fn(&[u8]);

/// All of them, by the name of their target.
pub const TARGETS: [(&str, Target); 6] = [
    ("records", records),
    ("registers", registers),
    ("segments", segments),
    ("keys", keys),
    ("transactions", transactions),
    ("store", store),
];

#[cfg(test)]
mod tests;
