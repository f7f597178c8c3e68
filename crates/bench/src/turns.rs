//! How much longer one thing takes than another, measured in turns.
//!
//! What disturbs a machine comes and goes in milliseconds: two times that are measured a second apart
//! differ by it, two that take turns share it.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

use crate::error::Result;
use crate::session::Session;
use crate::stage::Stage;
use crate::watch::Clock;

/// Turns in one sample, where it has so many iterations.
const TURNS: u64 = 16;

/// Runs both `count` times, in turns, and says what the first takes over what the second does.
pub(crate) fn take_turns<A: Session, B: Session>(
    of: &mut Stage<'_, A>,
    over: &mut Stage<'_, B>,
    count: u64,
) -> Result<f64> {
    let (mut first, mut second) = (Clock::new(), Clock::new());
    let turns = count.min(TURNS);
    for turn in 0..turns {
        let share = count * (turn + 1) / turns - count * turn / turns;
        // Whoever comes first does so every second time.
        if turn.is_multiple_of(2) {
            of.iterate(share, &mut first)?;
            over.iterate(share, &mut second)?;
        } else {
            over.iterate(share, &mut second)?;
            of.iterate(share, &mut first)?;
        }
    }
    Ok(first.total().as_secs_f64() / second.total().as_secs_f64())
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
