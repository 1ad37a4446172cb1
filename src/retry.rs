//! Retry policies: how often an event is handed over again, and how long after.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The most pauses that a policy can name.
const MAX_PAUSES: usize = 64;
/// The longest pause, and the longest deadline: a year.
const MAX_MS: u64 = 365 * 24 * 3600 * 1000;

/// How often an event is tried, how long one attempt may take, and the pauses between. One policy for all
/// ways to fail: an error, a nack, a panic, a deadline, a consumer that dies.
///
/// ```
/// use docbox::RetryPolicy;
/// let hasty = RetryPolicy { max_attempts: 3, backoff_ms: vec![10, 100], ..RetryPolicy::default() };
/// assert_eq!((hasty.jitter_percent, hasty.deadline_ms), (20, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// After so many attempts it has failed, and becomes a dead letter. At least 1.
    pub max_attempts: u32,
    /// The pause after the first attempt, the second …; the last one for all that follow. Milliseconds; at
    /// most a year each, at most 64 of them; none at all for no pauses.
    pub backoff_ms: Vec<u64>,
    /// How far a pause may be from what `backoff_ms` says, either way, so that many who failed together do
    /// not all come back together. At most 100.
    #[serde(default = "default_jitter", skip_serializing_if = "is_default_jitter")]
    pub jitter_percent: u32,
    /// How long an attempt may take, in milliseconds, at most a year; `None` for as long as it likes. One that
    /// takes longer has failed, and what its handler says afterwards counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

fn default_jitter() -> u32 {
    20
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_default_jitter(percent: &u32) -> bool {
    *percent == default_jitter()
}

impl Default for RetryPolicy {
    /// 10 attempts; 1 s, 5 s, 30 s, 2 min, then 10 min, each within 20 %; no deadline.
    fn default() -> Self {
        Self {
            max_attempts: 10,
            backoff_ms: vec![1_000, 5_000, 30_000, 120_000, 600_000],
            jitter_percent: default_jitter(),
            deadline_ms: None,
        }
    }
}

impl RetryPolicy {
    /// The pause after attempt `attempt` (from 1), with its jitter.
    #[must_use]
    pub fn backoff(&self, attempt: u32) -> Duration {
        let dice = RandomState::new().build_hasher().finish();
        self.backoff_with(attempt, dice)
    }

    /// How long an attempt may take.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline_ms.map(Duration::from_millis)
    }

    /// What can be refused of it.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Invalid(format!("the retry policy: {what}")));
        if self.max_attempts == 0 {
            return refuse("`max_attempts` is 0; an event is tried at least once".into());
        }
        if self.backoff_ms.len() > MAX_PAUSES {
            let count = self.backoff_ms.len();
            return refuse(format!(
                "{count} pauses are given, {MAX_PAUSES} are allowed; the last holds on"
            ));
        }
        let longest = self.backoff_ms.iter().copied().chain(self.deadline_ms).max().unwrap_or(0);
        if longest > MAX_MS {
            return refuse(format!("{longest} ms is longer than a year ({MAX_MS} ms); give less"));
        }
        if self.deadline_ms == Some(0) {
            return refuse("a deadline of 0 ms lets nothing pass; give more, or none".into());
        }
        if self.jitter_percent > 100 {
            return refuse(format!(
                "a jitter of {} %; at most 100 makes sense",
                self.jitter_percent
            ));
        }
        Ok(())
    }

    fn backoff_with(&self, attempt: u32, dice: u64) -> Duration {
        let last = self.backoff_ms.len().saturating_sub(1);
        let index = (attempt.max(1) as usize - 1).min(last);
        let base_us = self.backoff_ms.get(index).copied().unwrap_or(0).min(MAX_MS) * 1000;
        // 80 % to 120 %, say, in thousandths.
        let jitter = u64::from(self.jitter_percent.min(100)) * 10;
        let factor = 1000 - jitter + dice % (2 * jitter + 1);
        Duration::from_micros(base_us / 1000 * factor + base_us % 1000 * factor / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pause_holds_for_all_that_follow() {
        let policy = RetryPolicy::default();
        let exact = |attempt| policy.backoff_with(attempt, 200);
        assert_eq!(exact(1), Duration::from_secs(1));
        assert_eq!(exact(4), Duration::from_mins(2));
        assert_eq!(exact(5), Duration::from_mins(10));
        assert_eq!(exact(5000), Duration::from_mins(10));
    }

    #[test]
    fn the_pause_stays_within_a_fifth() {
        let policy = RetryPolicy::default();
        for dice in 0..1000 {
            let pause = policy.backoff_with(2, dice);
            assert!(
                pause >= Duration::from_secs(4) && pause <= Duration::from_secs(6),
                "{pause:?}"
            );
        }
        assert_eq!(policy.backoff_with(2, 0), Duration::from_secs(4));
        assert_eq!(policy.backoff_with(2, 400), Duration::from_secs(6));
    }

    #[test]
    fn no_pauses_at_all_is_a_policy_too() {
        let policy = RetryPolicy { backoff_ms: Vec::new(), ..RetryPolicy::default() };
        assert_eq!(policy.backoff(3), Duration::ZERO);
    }

    #[test]
    fn without_jitter_a_pause_is_what_it_says() {
        let policy = RetryPolicy { jitter_percent: 0, ..RetryPolicy::default() };
        assert_eq!(policy.backoff(2), Duration::from_secs(5));
    }

    #[test]
    fn refuses_what_makes_no_sense_on_each_side_of_each_limit() {
        let policy = RetryPolicy::default;
        let good = |policy: RetryPolicy| policy.check().is_ok();
        assert!(good(policy()));
        assert!(good(RetryPolicy { max_attempts: 1, ..policy() }));
        assert!(!good(RetryPolicy { max_attempts: 0, ..policy() }));
        assert!(good(RetryPolicy { backoff_ms: vec![MAX_MS; MAX_PAUSES], ..policy() }));
        assert!(!good(RetryPolicy { backoff_ms: vec![1; MAX_PAUSES + 1], ..policy() }));
        assert!(!good(RetryPolicy { backoff_ms: vec![MAX_MS + 1], ..policy() }));
        assert!(good(RetryPolicy { jitter_percent: 100, ..policy() }));
        assert!(!good(RetryPolicy { jitter_percent: 101, ..policy() }));
        assert!(good(RetryPolicy { deadline_ms: Some(1), ..policy() }));
        assert!(!good(RetryPolicy { deadline_ms: Some(0), ..policy() }));
        assert!(!good(RetryPolicy { deadline_ms: Some(MAX_MS + 1), ..policy() }));
    }
}
