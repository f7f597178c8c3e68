//! How single iterations are spread: what a median hides.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Client;
use crate::configuration::Configuration;
use crate::devices::Devices;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::options::RunOptions;
use crate::placement::Placement;
use crate::results::{Distribution, Key, Mode, Unit};
use crate::scenario::Scenario;
use crate::watch::Watch;

/// The percentiles that are kept of the whole.
const CURVE: [f64; 16] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99,
    100.0,
];
/// Rounds in which every interface has its turn.
const ROUNDS: usize = 4;

/// Lets `configurations` take turns at `scenario`, and keeps every single iteration.
///
/// # Errors
/// Those of the scenario.
pub(crate) fn distributions(
    options: &RunOptions,
    placement: Option<Placement>,
    scenario: Scenario,
    configurations: &[Configuration],
) -> Result<Vec<Distribution>> {
    let (most, limit) = match options.mode {
        Mode::Full => (5_000, Duration::from_millis(500)),
        Mode::Quick => (500, Duration::from_millis(50)),
    };
    let devices = Devices::find(&options.externals)?;
    let guest = Guest::new(options.queue_pairs, options.waiting(placement))?;
    let mut recorders: Vec<Recorder> = configurations.iter().map(|_| Recorder::new()).collect();
    for _ in 0..ROUNDS {
        for (&configuration, recorder) in configurations.iter().zip(&mut recorders) {
            let key = Key::new(scenario, configuration, Client::Library);
            let mut round = || -> Result<()> {
                let place = devices.first(configuration.interface)?;
                let mut work = scenario.prepare(configuration, Client::Library, &place, &guest)?;
                // Whatever is slow the first time is not what is asked for.
                work(100, &mut Recorder::new())?;
                let begun = Instant::now();
                for _ in 0..most / 100 {
                    if options.stopped() || begun.elapsed() > limit {
                        break;
                    }
                    work(100, recorder)?;
                }
                Ok(())
            };
            round().map_err(Error::scenario(&key))?;
        }
    }
    let all = configurations.iter().zip(recorders);
    Ok(all
        .filter_map(|(&configuration, recorder)| recorder.into(scenario, configuration))
        .collect())
}

/// Keeps what each iteration takes.
struct Recorder {
    since: Instant,
    histogram: Histogram<u64>,
}

impl Recorder {
    fn new() -> Self {
        // Three digits of anything up to ten seconds; it grows no further than what is recorded.
        let mut histogram = Histogram::new(3).unwrap_or_else(|_| unreachable!("3 is a precision"));
        histogram.auto(true);
        Self { since: Instant::now(), histogram }
    }

    fn into(self, scenario: Scenario, configuration: Configuration) -> Option<Distribution> {
        let histogram = self.histogram;
        let at = |percentile| histogram.value_at_percentile(percentile);
        (!histogram.is_empty()).then(|| Distribution {
            key: Key::new(scenario, configuration, Client::Library),
            unit: Unit::Nanoseconds,
            n: histogram.len(),
            min: histogram.min(),
            p50: at(50.0),
            p99: at(99.0),
            p99_9: at(99.9),
            max: histogram.max(),
            curve: CURVE.iter().map(|&percentile| (percentile, at(percentile))).collect(),
        })
    }
}

impl Watch for Recorder {
    #[inline]
    fn start(&mut self) {
        self.since = Instant::now();
    }

    #[inline]
    fn stop(&mut self) {
        let nanoseconds = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // It grows: what is out of its range there is not.
        let _ = self.histogram.record(nanoseconds);
    }
}

#[cfg(test)]
mod tests {
    use vhost_accel::Interface;

    use super::*;

    #[test]
    fn percentiles_are_of_single_iterations() {
        let mut recorder = Recorder::new();
        for value in 1..=1_000 {
            recorder.since = Instant::now() - Duration::from_micros(10 * value);
            recorder.stop();
        }
        let configuration = Configuration::plain(Interface::VhostMdev);
        let distribution = recorder.into(Scenario::Call, configuration).unwrap();
        assert_eq!(distribution.n, 1_000);
        // What is slow is kept as well as what is quick: the test's own time comes on top.
        for (value, micros) in [
            (distribution.min, 10),
            (distribution.p50, 5_000),
            (distribution.p99, 9_900),
            (distribution.max, 10_000),
        ] {
            assert!(value >= micros * 1_000, "{value} ns are less than {micros} µs");
        }
        assert!(distribution.p50 < distribution.p99 && distribution.p99_9 <= distribution.max);
        assert!(distribution.curve.is_sorted());
        assert_eq!(distribution.curve.len(), CURVE.len());
        assert!(Recorder::new().into(Scenario::Call, configuration).is_none());
    }
}
