//! The library's warnings, on stderr.

use std::env;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Shows warnings, or what `DOCBOX_LOG` asks for.
pub fn start() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .with_env_var("DOCBOX_LOG")
        .from_env_lossy();
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let shown = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_color)
        .with_target(false)
        .without_time()
        .compact()
        .try_init();
    // There is one already only if this ran before.
    drop(shown);
}
