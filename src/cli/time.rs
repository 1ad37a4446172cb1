//! Times and durations, as the command line says them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct TimeArg(pub Timestamp);

/// Reads a moment: RFC 3339, or how long from now.
pub fn time(text: &str) -> Result<TimeArg, String> {
    if let Ok(time) = text.parse() {
        return Ok(TimeArg(time));
    }
    let from_now = duration(text).ok().and_then(|wait| Timestamp::now().checked_add(wait).ok());
    from_now.map(TimeArg).ok_or_else(|| {
        format!("`{text}` is no time: give one as `2026-11-25T18:00:00Z`, or how long from now, as `30m`")
    })
}

/// Reads a duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span: Option<Span> = text.parse().ok();
    let parsed = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    parsed.and_then(|duration| Duration::try_from(duration).ok()).ok_or_else(|| {
        format!(
            "`{text}` is no duration: give a number and a unit, as `500ms`, `30s`, `5m`, `1h` or `7d`"
        )
    })
}
