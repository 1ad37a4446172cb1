//! Medians and the like.

use serde::{Deserialize, Serialize};

/// The value below which `share` of all lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() - 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index in range"
    )]
    let at = (share * last as f64).round() as usize;
    values[at.min(last)]
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

/// How long something took, many times over, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    pub samples: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

impl Spread {
    pub fn of(mut values_us: Vec<f64>) -> Self {
        Self {
            samples: values_us.len(),
            p50_us: quantile(&mut values_us, 0.5),
            p99_us: quantile(&mut values_us, 0.99),
            max_us: quantile(&mut values_us, 1.0),
        }
    }
}
