//! `beginning`, `now`, or a position.

use docbox::Start;

/// Where to begin, as the command line says it.
#[derive(Clone, Copy, Debug)]
pub struct StartArg(pub Start);

/// Reads it.
pub fn start(text: &str) -> Result<StartArg, String> {
    match text {
        "beginning" => Ok(StartArg(Start::Beginning)),
        "now" => Ok(StartArg(Start::Now)),
        position => position
            .parse()
            .map(|position| StartArg(Start::After(position)))
            .map_err(|error: docbox::Error| format!("{error}; or `beginning`, or `now`")),
    }
}
