//! The logical time of the day; it has nothing to do with the machine's.

use std::fmt;

/// A second of 2026-03-05. It never goes back.
pub struct Clock(pub u64);

impl Clock {
    pub fn new(hour: u64, minute: u64, second: u64) -> Self {
        Self((hour * 60 + minute) * 60 + second)
    }

    pub fn pass(&mut self, seconds: u64) {
        self.0 += seconds;
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        write!(f, "2026-03-05T{hour:02}:{minute:02}:{second:02}Z")
    }
}
