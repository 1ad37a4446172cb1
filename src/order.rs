//! Orders: what of a subscription may be in hand at once.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// In which order events are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other; one that fails holds all that follow.
    #[default]
    Total,
    /// One of each subject at once, so that one that fails holds its own subject alone. Events without a
    /// subject are one after the other, as if they had one in common.
    PerSubject {
        /// How many subjects at once: 1 to [`Order::MAX_PARALLEL`].
        parallel: u32,
    },
}

impl Order {
    /// The most subjects at once: what each of them is at must have room in the cursor.
    pub const MAX_PARALLEL: u32 = 32;

    /// How many events may be in hand at once, when they are asked for one by one.
    #[must_use]
    pub(crate) fn parallel(self) -> usize {
        match self {
            Self::Total => 1,
            Self::PerSubject { parallel } => parallel as usize,
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::PerSubject { parallel } if parallel == 0 || parallel > Self::MAX_PARALLEL => {
                Err(Error::Invalid(format!(
                    "{parallel} subjects at once: give 1 to {}",
                    Self::MAX_PARALLEL
                )))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_in_a_definition_as_a_word_or_an_object() {
        let text = |order: Order| serde_json::to_string(&order).unwrap();
        assert_eq!(text(Order::Total), r#""total""#);
        assert_eq!(text(Order::PerSubject { parallel: 4 }), r#"{"per_subject":{"parallel":4}}"#);
    }

    #[test]
    fn a_limit_on_subjects_at_once() {
        for (parallel, good) in [(0, false), (1, true), (32, true), (33, false)] {
            assert_eq!(Order::PerSubject { parallel }.check().is_ok(), good, "{parallel}");
        }
    }
}
