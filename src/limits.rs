//! How large things may grow.

use std::time::Duration;

use crate::journal::Sizes;

/// Sizes and ages; the defaults are those of docs/architecture.md.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How the journal is cut up.
    pub sizes: Sizes,
    /// `applied` moves after this much of journal.
    pub checkpoint_bytes: u64,
    /// `applied` moves after this long without a commit.
    pub checkpoint_idle: Duration,
    /// The journal is kept this long.
    pub retain_age: Duration,
    /// Or shorter, once it is larger than this.
    pub retain_bytes: u64,
    /// A file that was one document becomes another only after this long.
    pub spool_age: Duration,
    /// A file whose last change is more recent than this may have changed again, where the filesystem does not tell
    /// each change by another time.
    pub settled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sizes: Sizes::default(),
            checkpoint_bytes: 16 << 20,
            checkpoint_idle: Duration::from_secs(5),
            retain_age: Duration::from_hours(7 * 24),
            retain_bytes: 1 << 30,
            spool_age: Duration::from_secs(10),
            settled: Duration::from_millis(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    use crate::crc::PREFIX_BYTES;
    use crate::creation::FORMAT;
    use crate::event::{MAX_SUBJECT_BYTES, MAX_TYPE_BYTES};
    use crate::filter::MAX_GLOB_BYTES;
    use crate::key::Key;
    use crate::layout::MAX_LEVELS;
    use crate::names::{SEGMENT_DIGITS, SUBSCRIPTION_BYTES};
    use crate::pause::MAX_REASON_BYTES;
    use crate::position::Position;
    use crate::queue::{BATCH_BYTES, BATCH_TRANSACTIONS};
    use crate::register::{SLOT_BYTES, SLOTS};
    use crate::retry::RetryPolicy;
    use crate::spool::shelf::{MOST_SPOOL_FILES, SPOOL_BYTES, SPOOL_FILES};
    use crate::transaction::{
        MAX_COMMIT_BYTES, MAX_DOCUMENT_BYTES, MAX_IN_COMMIT, MAX_TOKEN_BYTES,
    };

    /// The rows of the section "Numbers" of docs/format.md.
    fn written_down() -> BTreeMap<String, String> {
        let text = include_str!("../docs/format.md");
        let numbers = text.split("\n## Numbers\n").nth(1).unwrap();
        let rows = numbers.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
        let cells = rows.map(|row| row.split_once(" | ").unwrap());
        cells.map(|(name, value)| (name.replace('`', ""), value.to_owned())).collect()
    }

    #[test]
    fn the_numbers_of_the_format_are_those_that_are_written_down() {
        let limits = Limits::default();
        let Limits { sizes, checkpoint_bytes, checkpoint_idle, retain_age, retain_bytes, .. } =
            limits;
        let RetryPolicy { max_attempts, backoff_ms, .. } = RetryPolicy::default();
        let backoff_ms: Vec<String> = backoff_ms.iter().map(u64::to_string).collect();
        let numbers = [
            ("FORMAT", FORMAT.to_string()),
            ("Key::MAX_SEGMENTS", Key::MAX_SEGMENTS.to_string()),
            ("Key::MAX_SEGMENT_BYTES", Key::MAX_SEGMENT_BYTES.to_string()),
            ("Key::MAX_BYTES", Key::MAX_BYTES.to_string()),
            ("SUBSCRIPTION_BYTES", SUBSCRIPTION_BYTES.to_string()),
            ("MAX_REASON_BYTES", MAX_REASON_BYTES.to_string()),
            ("MAX_LEVELS", MAX_LEVELS.to_string()),
            ("MAX_DOCUMENT_BYTES", MAX_DOCUMENT_BYTES.to_string()),
            ("MAX_COMMIT_BYTES", MAX_COMMIT_BYTES.to_string()),
            ("MAX_IN_COMMIT", MAX_IN_COMMIT.to_string()),
            ("MAX_TOKEN_BYTES", MAX_TOKEN_BYTES.to_string()),
            ("MAX_TYPE_BYTES", MAX_TYPE_BYTES.to_string()),
            ("MAX_SUBJECT_BYTES", MAX_SUBJECT_BYTES.to_string()),
            ("MAX_GLOB_BYTES", MAX_GLOB_BYTES.to_string()),
            ("Position::LAST_IDX", Position::LAST_IDX.to_string()),
            ("PREFIX_BYTES", PREFIX_BYTES.to_string()),
            ("SEGMENT_DIGITS", SEGMENT_DIGITS.to_string()),
            ("Sizes::segment_bytes", sizes.segment_bytes.to_string()),
            ("Sizes::fill_bytes", sizes.fill_bytes.to_string()),
            ("SLOT_BYTES", SLOT_BYTES.to_string()),
            ("SLOTS", SLOTS.to_string()),
            ("BATCH_TRANSACTIONS", BATCH_TRANSACTIONS.to_string()),
            ("BATCH_BYTES", BATCH_BYTES.to_string()),
            ("Limits::checkpoint_bytes", checkpoint_bytes.to_string()),
            ("Limits::checkpoint_idle (s)", checkpoint_idle.as_secs().to_string()),
            ("Limits::retain_age (s)", retain_age.as_secs().to_string()),
            ("Limits::retain_bytes", retain_bytes.to_string()),
            ("Limits::spool_age (s)", limits.spool_age.as_secs().to_string()),
            ("Limits::settled (ms)", limits.settled.as_millis().to_string()),
            ("SPOOL_FILES", SPOOL_FILES.to_string()),
            ("MOST_SPOOL_FILES", MOST_SPOOL_FILES.to_string()),
            ("SPOOL_BYTES", SPOOL_BYTES.to_string()),
            ("RetryPolicy::max_attempts", max_attempts.to_string()),
            ("RetryPolicy::backoff_ms", backoff_ms.join(", ")),
        ];
        let numbers = numbers.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(written_down(), BTreeMap::from(numbers));
    }
}
