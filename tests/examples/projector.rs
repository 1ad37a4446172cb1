//! A projector that counts events by type, exactly once each, whatever crashes:
//!
//! ```sh
//! cargo run --example projector tavern
//! jq . tavern/stats/by_type.json
//! ```
//!
//! The count and the place of the subscription are one commit: `delivery.commit`. So whoever kills this
//! program, at whatever instruction, finds a count that is right as of some event, and starts it again.

use std::collections::BTreeMap;
use std::path::Path;

use docbox::{Start, Store, Transaction};

/// The document that it keeps.
pub const COUNTS: &str = "stats/by_type";

/// How many events of each type there were.
pub type Counts = BTreeMap<String, u64>;

/// Counts every event from the beginning on; ends at the head, unless it is to follow.
///
/// # Errors
/// What the store says.
pub fn count(folder: &Path, follow: bool) -> docbox::Result<()> {
    let store = Store::open(folder)?;
    // Another one that was killed a moment ago may not be gone yet.
    let mut events = store.subscribe("by-type").from(Start::Beginning).wait(true).open()?;
    // Read once: nobody else writes this document, and each commit below says what it holds by now.
    let mut counts: Counts = store.get(COUNTS)?.map_or_else(Counts::new, |found| found.value);
    let mut deliveries: Box<dyn Iterator<Item = _>> =
        if follow { Box::new(events.iter()) } else { Box::new(events.catch_up()) };
    deliveries.try_for_each(|delivery| {
        let delivery = delivery?;
        *counts.entry(delivery.event().kind().to_owned()).or_default() += 1;
        // Both or neither: the new count, and that this event is counted.
        delivery.commit(Transaction::new().put(COUNTS, &counts)?).map(drop)
    })?;
    drop(deliveries);
    drop(events);
    store.close()
}

/// `projector FOLDER`, and `--follow` to wait for more.
#[allow(dead_code, reason = "a test runs `count` in a process of its own")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("usage: projector FOLDER [--follow]")?;
    count(Path::new(&folder), args.next().as_deref() == Some("--follow"))?;
    Ok(())
}
