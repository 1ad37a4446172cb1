//! The library's warnings, on stderr.

use std::env;
use std::fmt::{self, Debug};
use std::io::{self, IsTerminal};

use docbox::escaped;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

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
        .fmt_fields(debug_fn(field).delimited(" "))
        .try_init();
    // There is one already only if this ran before.
    drop(shown);
}

/// A field, with everything escaped that a terminal would obey: keys and paths may hold anything.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{field}=")?;
    }
    writer.write_str(&escaped(&format!("{value:?}")))
}
