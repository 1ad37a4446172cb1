//! Events as lines for people.

use docbox::RecordedEvent;

/// How much of an event's data is shown on a terminal, in characters.
const SHOWN_CHARS: usize = 120;

/// One line for people: position, time, type, subject, and the beginning of the data.
pub fn for_people(event: &RecordedEvent, attempt: Option<u32>) -> String {
    let position = event.position().to_string();
    let subject = event.about().unwrap_or("-");
    let data = event.data_json().unwrap_or("");
    let (data, more) = match data.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => (&data[..at], "…"),
        None => (data, ""),
    };
    let again = match attempt {
        Some(attempt) if attempt > 1 => format!("  (attempt {attempt})"),
        _ => String::new(),
    };
    format!("{position:<9} {} {:<20} {subject:<20} {data}{more}{again}", time(event), event.kind())
}

fn time(event: &RecordedEvent) -> String {
    format!("{:.6}", event.time())
}
