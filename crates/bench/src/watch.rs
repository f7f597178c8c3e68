//! What is measured between two points of an iteration.

use std::time::{Duration, Instant};

/// Told where the measured part of an iteration begins and ends.
pub(crate) trait Watch {
    /// It begins.
    fn start(&mut self);
    /// It ends.
    fn stop(&mut self);
}

/// Adds up the time in between.
#[derive(Debug)]
pub(crate) struct Clock {
    since: Instant,
    total: Duration,
}

impl Clock {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), total: Duration::ZERO }
    }

    /// All time in between.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch for Clock {
    #[inline]
    fn start(&mut self) {
        self.since = Instant::now();
    }

    #[inline]
    fn stop(&mut self) {
        self.total += self.since.elapsed();
    }
}
