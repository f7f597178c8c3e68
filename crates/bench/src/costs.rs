//! What each kind of crossing costs by itself: a price list.
//!
//! They are taken call by call from setups with one queue pair. What larger setups and other
//! scenarios take is then predicted from their counts, and compared with what was measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::baseline::call_by_call;
use crate::client::Client;
use crate::configuration::{Configuration, Variant};
use crate::devices::Devices;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::measured::Measured;
use crate::options::RunOptions;
use crate::placement::Placement;
use crate::results::{Clock, Cost, Crossings, Key, Mode, Unit};
use crate::scenario::Scenario;
use crate::watch::Watch;

/// What isn't in a system call, for each crossing.
const USERSPACE: &str = "userspace";

/// The setup that the costs of `configuration` are taken from.
fn source(configuration: Configuration) -> Scenario {
    match configuration.variant {
        Variant::Plain => Scenario::Setup(1),
        Variant::Batch | Variant::MemTable => Scenario::SetupBatched(1),
    }
}

/// Takes the costs of `configurations`. What was measured and counted of their setups tells what is
/// left for userspace.
///
/// # Errors
/// Those of a setup.
pub(crate) fn costs(
    options: &RunOptions,
    placement: Option<Placement>,
    configurations: &[Configuration],
    measured: &Measured,
    crossings: &[Crossings],
) -> Result<Vec<Cost>> {
    let setups = match (options.clock, options.mode) {
        (Clock::Instructions, _) | (_, Mode::Quick) => 5,
        (Clock::Wall, Mode::Full) => 60,
    };
    let devices = Devices::find(&options.externals)?;
    let guest = Guest::new(options.queue_pairs, options.waiting(placement))?;
    let clock = clock_cost();
    let unit = match options.clock {
        Clock::Wall => Unit::Nanoseconds,
        Clock::Instructions => Unit::Instructions,
    };
    let mut all = Vec::new();
    for &configuration in configurations {
        let place = devices.first(configuration.interface)?;
        let scenario = source(configuration);
        let key = Key::new(scenario, configuration, Client::Library);
        let mut calls: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut work = scenario.prepare(configuration, Client::Baseline, &place, &guest)?;
        for _ in 0..setups {
            let (done, timed) = call_by_call(|| work(1, &mut Unwatched));
            done.map_err(Error::scenario(&key))?;
            for (kind, took) in timed {
                let took = took.saturating_sub(clock).as_nanos() as f64;
                calls.entry(kind).or_default().push(took);
            }
        }
        let cost = |kind: &str, n, cost: f64| Cost {
            interface: configuration.interface,
            variant: configuration.variant,
            kind: kind.to_owned(),
            unit,
            n,
            cost: crate::collect::round(cost),
        };
        let costs: BTreeMap<&str, (usize, f64)> = calls
            .iter_mut()
            .map(|(&kind, took)| (kind, (took.len(), trimmed_mean(took))))
            .collect();
        all.extend(costs.iter().map(|(kind, &(n, mean))| cost(kind, n, mean)));
        let counted = crossings.iter().find(|counted| counted.key == key);
        if let (Some(figures), Some(counted)) = (measured.figures(&key), counted) {
            let known = |(kind, &count): (&String, &u64)| {
                costs.get(kind.as_str()).map(|&(_, mean)| mean * count as f64)
            };
            let known: Option<f64> = counted.kinds.iter().map(known).sum();
            if let Some(known) = known {
                let rest = (figures.median - known) / counted.total as f64;
                all.push(cost(USERSPACE, figures.n, rest));
            }
        }
    }
    Ok(all)
}

/// The mean without the slowest and the quickest tenth.
fn trimmed_mean(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let cut = samples.len() / 10;
    let kept = &samples[cut..samples.len() - cut];
    kept.iter().sum::<f64>() / kept.len() as f64
}

/// What reading the clock twice adds to what lies in between.
fn clock_cost() -> Duration {
    let mut readings: Vec<Duration> = (0..1_001).map(|_| Instant::now().elapsed()).collect();
    readings.sort_unstable();
    readings[readings.len() / 2]
}

/// Watches nothing.
struct Unwatched;

impl Watch for Unwatched {
    fn start(&mut self) {}

    fn stop(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trimmed_mean_forgets_the_ends() {
        let mut samples = vec![1_000.0, 2.0, 2.0, 4.0, 4.0, 2.0, 4.0, 2.0, 4.0, 0.0];
        assert!((trimmed_mean(&mut samples) - 3.0).abs() < 1e-9);
        assert!((trimmed_mean(&mut [5.0]) - 5.0).abs() < 1e-9);
    }
}
