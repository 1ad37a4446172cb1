//! `beginning`, `now`, `snapshot`, a position, or a time.

use docbox::Start;

/// Where to begin, as the command line says it.
#[derive(Clone, Copy, Debug)]
pub struct StartArg(pub Start);

/// Reads it.
pub fn start(text: &str) -> Result<StartArg, String> {
    match text {
        "beginning" => Ok(StartArg(Start::Beginning)),
        "now" => Ok(StartArg(Start::Now)),
        "snapshot" => Ok(StartArg(Start::Snapshot)),
        text => match (text.parse(), text.parse()) {
            (Ok(position), _) => Ok(StartArg(Start::After(position))),
            (_, Ok(time)) => Ok(StartArg(Start::At(time))),
            (Err(error), _) => {
                let error: docbox::Error = error;
                Err(format!(
                    "{error}; or `beginning`, or `now`, or `snapshot`, or a time as `2026-11-25T18:00:00Z`"
                ))
            }
        },
    }
}
