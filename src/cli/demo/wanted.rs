//! The three subscriptions, and what each of them wants.

/// A subscription of the demo.
pub struct Wanted {
    pub name: &'static str,
    /// The globs that it is opened with; none for all.
    pub globs: &'static [&'static str],
    /// The same said once more, in another way, so that the store's own filter is checked too.
    pub wants: fn(&str) -> bool,
}

/// All of them. The second is the one that is killed.
pub const SUBSCRIPTIONS: [Wanted; 3] = [
    Wanted { name: "ui", globs: &[], wants: |_| true },
    Wanted {
        name: "parents",
        globs: &["Agent*", "Commitment*"],
        wants: |kind| kind.starts_with("Agent") || kind.starts_with("Commitment"),
    },
    Wanted {
        name: "monitor",
        globs: &["Usage*", "Budget*", "*Failed"],
        wants: |kind| {
            kind.starts_with("Usage") || kind.starts_with("Budget") || kind.ends_with("Failed")
        },
    },
];

/// Which of [`SUBSCRIPTIONS`] is killed in mid-run.
pub const KILLED: usize = 1;
