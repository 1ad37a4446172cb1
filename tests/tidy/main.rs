//! The house rules, read off the source: layers, absences, sizes, and that no test was forgotten.

#![expect(clippy::disallowed_methods, reason = "it reads the source of this very project")]

mod layers;
mod rules;
mod source;
