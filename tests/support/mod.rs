//! What the test binaries share. Each takes it in with `#[path = "../support/mod.rs"] mod support;`.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part; `expect` would fail in one that uses all"
)]

pub mod other;
pub mod sim;
