//! The house rules, read off the source: layers, absences, sizes, and that no test was forgotten, nor is
//! one named that is not there.

#![expect(clippy::disallowed_methods, reason = "it reads the source of this very project")]

mod docs;
mod layers;
mod rules;
mod source;
