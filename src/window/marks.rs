//! How far into a window anything has been done, so that a word on one event of tens of thousands does not take a
//! look at all of them.

/// Places in the events of a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// From here on nothing is to be said of any event but that it waits.
    touched: usize,
    /// From here up to there the same is to be said of each: that it is handed over for the so-manieth time.
    alike: usize,
}

impl Marks {
    pub(super) fn touched(&self) -> usize {
        self.touched
    }

    pub(super) fn alike(&self) -> usize {
        self.alike
    }

    pub(super) fn has_alike(&self) -> bool {
        self.alike < self.touched
    }

    /// Something else than before is to be said of the event at `at`, and of none like it.
    pub(super) fn change(&mut self, at: usize) {
        self.touched = self.touched.max(at + 1);
        self.alike = self.alike.max(at + 1);
    }

    /// The same, where it is like the one before it, if that is among those alike.
    pub(super) fn join(&mut self, at: usize) {
        if at < self.touched {
            return self.change(at);
        }
        if at > self.touched {
            self.alike = at;
        }
        self.touched = at + 1;
    }

    /// So many events are gone from the front.
    pub(super) fn pass(&mut self, count: usize) {
        // What is settled was handed over before.
        self.touched -= count;
        self.alike = self.alike.saturating_sub(count);
    }

    /// So many are there again.
    pub(super) fn restore(&mut self, count: usize) {
        self.touched += count;
        self.alike += count;
    }
}
