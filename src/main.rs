//! The `docbox` program. What it does is in `cli`; what it promises on stdout and by its exit code is in
//! docs/cli.md.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
