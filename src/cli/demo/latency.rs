//! Percentiles of latencies.

use std::time::Duration;

/// The smallest of `sorted` that at least `percent` of them do not exceed; `None` of nothing.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A latency as people read it: `0.42 ms`.
pub fn show(latency: Option<Duration>) -> String {
    latency.map_or("-".to_owned(), |latency| format!("{:.2} ms", latency.as_secs_f64() * 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(last: u64) -> Vec<Duration> {
        (1..=last).map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_one_of_the_values_found() {
        let hundred = up_to(100);
        assert_eq!(percentile(&hundred, 50), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&hundred, 99), Some(Duration::from_millis(99)));
        assert_eq!(percentile(&hundred, 100), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&up_to(3), 50), Some(Duration::from_millis(2)));
        assert_eq!(percentile(&up_to(3), 99), Some(Duration::from_millis(3)));
    }

    #[test]
    fn one_value_is_every_percentile_and_none_is_none() {
        assert_eq!(percentile(&up_to(1), 1), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn latencies_are_shown_in_milliseconds() {
        assert_eq!(show(Some(Duration::from_micros(1_420))), "1.42 ms");
        assert_eq!(show(None), "-");
    }
}
