//! Progress on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::say_lines;

/// Elsewhere than on a terminal, a line each time so many commits are acknowledged.
const COMMITS_PER_LINE: u64 = 400;

/// What the reader sees while the demo runs.
pub struct Progress {
    bar: Option<ProgressBar>,
    told: u64,
}

impl Progress {
    /// Begins, with so many commits to come.
    pub fn new(commits: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(commits);
            let template = "{elapsed_precise} {wide_bar} {pos}/{len} commits  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, told: 0 }
    }

    /// So many commits are acknowledged, so many events delivered to each subscription.
    pub fn show(&mut self, commits: u64, delivered: &[(&str, u64)]) {
        let text = || {
            let each: Vec<String> =
                delivered.iter().map(|(name, count)| format!("{name} {count}")).collect();
            each.join("  ")
        };
        match &self.bar {
            Some(bar) if commits != bar.position() => {
                bar.set_position(commits);
                bar.set_message(text());
            }
            None if commits >= self.told + COMMITS_PER_LINE => {
                self.told = commits - commits % COMMITS_PER_LINE;
                say_lines(&format!("{commits} commits, delivered: {}", text()));
            }
            _ => {}
        }
    }

    /// Something happened that is worth a line.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say_lines(text)),
            None => say_lines(text),
        }
    }

    /// The run is over, well or not.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
