//! Progress on a terminal, for what takes longer than a second.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::CliError;
use crate::output;

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears when the work has lasted a second, if stderr is a terminal.
pub(crate) struct Progress {
    started: Instant,
    total: u64,
    what: &'static str,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress of `total` pieces of `what`.
    pub(crate) fn new(total: u64, what: &'static str) -> Self {
        Self { started: Instant::now(), total, what, bar: None }
    }

    /// `done` pieces are behind us, and this is at hand.
    pub(crate) fn at(&mut self, done: u64, current: impl FnOnce() -> String) {
        if self.bar.is_none() && self.started.elapsed() > PATIENCE {
            let template = format!("{{bar:40}} {{pos}}/{{len}} {} {{msg}}", self.what);
            let bar = ProgressBar::new(self.total);
            // A template that doesn't parse leaves the default style.
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(current());
        }
    }

    /// Writes a line to stdout without breaking the bar.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), CliError> {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::line(text)),
            None => output::line(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
