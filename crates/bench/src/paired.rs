//! How much longer one thing takes than another, measured in turns.
//!
//! What disturbs a machine comes and goes in milliseconds: two times that are measured a second
//! apart differ by it, two that take turns share it.

use std::time::{Duration, Instant};

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

use crate::error::Result;
use crate::scenario::Work;
use crate::watch::Clock;

/// Pairs of turns in one sample.
const PAIRS: u64 = 8;
/// A sample that takes longer has fewer.
const LONG: Duration = Duration::from_millis(40);

/// Runs both about `count` times, in turns, and says what the first takes over what the second
/// does: the median of the pairs. In a pair one comes first and last, the other twice in between,
/// so that who comes first doesn't matter.
pub(crate) fn paired(of: &mut Work<'_>, over: &mut Work<'_>, count: u64) -> Result<f64> {
    let share = (count / (2 * PAIRS)).max(1);
    let (begun, mut ratios) = (Instant::now(), Vec::with_capacity(PAIRS as usize));
    for _ in 0..PAIRS {
        let (mut first, mut second) = (Clock::new(), Clock::new());
        of(share, &mut first)?;
        over(2 * share, &mut second)?;
        of(share, &mut first)?;
        ratios.push(first.total().as_secs_f64() / second.total().as_secs_f64());
        if begun.elapsed() > LONG {
            break;
        }
    }
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len();
    Ok(f64::midpoint(ratios[(n - 1) / 2], ratios[n / 2]))
}

/// A ratio for each iteration, as criterion's measured value.
#[derive(Debug)]
pub(crate) struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        0.0
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Ratio {
    fn scale_values(&self, _: f64, _: &mut [f64]) -> &'static str {
        "x"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        "x"
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "1"
    }
}
