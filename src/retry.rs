//! Retry policies: how often an event is handed over again, and how long after.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often an event is tried, and the pauses between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// After so many attempts it has failed.
    pub max_attempts: u32,
    /// The pause after the first attempt, the second …; the last one for all that follow. Milliseconds.
    pub backoff_ms: Vec<u64>,
}

impl Default for RetryPolicy {
    /// 10 attempts; 1 s, 5 s, 30 s, 2 min, then 10 min.
    fn default() -> Self {
        Self { max_attempts: 10, backoff_ms: vec![1_000, 5_000, 30_000, 120_000, 600_000] }
    }
}

impl RetryPolicy {
    /// The pause after attempt `attempt` (from 1), within 20 % of what the policy says, so that many who
    /// failed together do not all come back together.
    #[must_use]
    pub fn backoff(&self, attempt: u32) -> Duration {
        let dice = RandomState::new().build_hasher().finish();
        self.backoff_with(attempt, dice)
    }

    fn backoff_with(&self, attempt: u32, dice: u64) -> Duration {
        let last = self.backoff_ms.len().saturating_sub(1);
        let index = (attempt.max(1) as usize - 1).min(last);
        let base_us = self.backoff_ms.get(index).copied().unwrap_or(0).saturating_mul(1000);
        // 80 % to 120 %, in thousandths.
        let factor = 800 + dice % 401;
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
        let policy = RetryPolicy { max_attempts: 1, backoff_ms: Vec::new() };
        assert_eq!(policy.backoff(3), Duration::ZERO);
    }
}
