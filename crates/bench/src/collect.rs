//! From what criterion wrote to what a result file says.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::results::{Key, Timing, Unit};

/// criterion's `sample.json`.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// criterion's `estimates.json`, as much as is used of it.
#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
    median: Estimate,
    std_dev: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Where criterion wrote, and since when what it wrote counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collector<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) since: SystemTime,
}

impl Collector<'_> {
    /// The time of `key`; `None` if criterion's filter left it out.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Json`].
    pub(crate) fn timing(self, key: &Key) -> Result<Option<Timing>> {
        self.collect(key, &key.function(), Unit::Nanoseconds)
    }

    /// The ratio of `key`; `None` if criterion's filter left it out.
    ///
    /// # Errors
    /// As [`timing`](Self::timing).
    pub(crate) fn ratio(self, key: &Key) -> Result<Option<Timing>> {
        self.collect(key, &key.ratio_function(), Unit::One)
    }

    fn collect(self, key: &Key, function: &str, unit: Unit) -> Result<Option<Timing>> {
        let dir = self.dir.join(directory(&key.scenario)).join(directory(function)).join("new");
        let sample = dir.join("sample.json");
        let written = fs::metadata(&sample).and_then(|file| file.modified());
        if !written.is_ok_and(|written| written >= self.since) {
            return Ok(None);
        }
        let Sample { iters, times } = read(&sample)?;
        let estimates: Estimates = read(&dir.join("estimates.json"))?;
        let mut samples: Vec<f64> =
            iters.iter().zip(&times).map(|(iters, time)| time / iters).collect();
        samples.sort_by(f64::total_cmp);
        let single = iters.iter().all(|&iters| iters == 1.0) && samples.len() >= 100;
        let interval = estimates.median.confidence_interval;
        Ok(Some(Timing {
            key: key.clone(),
            unit,
            n: samples.len(),
            iterations: iters.iter().sum::<f64>() as u64,
            mean: round(estimates.mean.point_estimate),
            median: round(estimates.median.point_estimate),
            lower: round(interval.lower_bound),
            upper: round(interval.upper_bound),
            min: round(samples.first().copied().unwrap_or_default()),
            p99: single.then(|| round(samples[samples.len() * 99 / 100])),
            std_dev: round(estimates.std_dev.point_estimate),
        }))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    serde_json::from_str(&text).map_err(Error::json(path))
}

/// A name as criterion makes a directory of it.
fn directory(name: &str) -> String {
    name.replace('/', "_")
}

/// To a picosecond, or a thousandth: what lies below is no measurement.
fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use vhost_accel_core::Interface;

    use super::*;
    use crate::{MapSize, Scenario, Side, Subject};

    const ESTIMATES: &str = r#"{
        "mean": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 19.0,
                 "upper_bound": 31.0}, "point_estimate": 25.00049, "standard_error": 1.0},
        "median": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 20.0,
                   "upper_bound": 30.0}, "point_estimate": 24.0, "standard_error": 1.0},
        "median_abs_dev": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 1.0,
                           "upper_bound": 2.0}, "point_estimate": 1.5, "standard_error": 1.0},
        "slope": null,
        "std_dev": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 1.0,
                    "upper_bound": 2.0}, "point_estimate": 1.25, "standard_error": 1.0}
    }"#;

    fn key() -> Key {
        let subject = Subject::plain(Interface::VhostMdev);
        Key::new(Scenario::DmaMap(MapSize::Page), subject, Side::Floor)
    }

    fn collector(dir: &tempfile::TempDir) -> Collector<'_> {
        Collector { dir: dir.path(), since: SystemTime::UNIX_EPOCH }
    }

    fn write(sample: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("dma-map_4K/vhost-mdev floor/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("estimates.json"), ESTIMATES).unwrap();
        fs::write(new.join("sample.json"), sample).unwrap();
        dir
    }

    #[test]
    fn samples_are_per_iteration() {
        let dir =
            write(r#"{"sampling_mode": "Flat", "iters": [10.0, 20.0], "times": [300.0, 400.0]}"#);
        let timing = collector(&dir).timing(&key()).unwrap().unwrap();
        assert_eq!((timing.n, timing.iterations), (2, 30));
        assert_eq!((timing.mean, timing.median, timing.min), (25.0, 24.0, 20.0));
        assert_eq!((timing.lower, timing.upper), (20.0, 30.0));
        assert_eq!((timing.std_dev, timing.p99), (1.25, None));
    }

    #[test]
    fn the_99th_percentile_is_of_single_iterations() {
        let times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let sample = serde_json::json!({"iters": vec![1.0; 200], "times": times});
        let dir = write(&sample.to_string());
        let timing = collector(&dir).timing(&key()).unwrap().unwrap();
        assert_eq!((timing.min, timing.p99), (1.0, Some(199.0)));
    }

    #[test]
    fn what_did_not_run_is_absent() {
        let dir = write(r#"{"iters": [1.0, 1.0], "times": [1.0, 2.0]}"#);
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(Collector { since: later, ..collector(&dir) }.timing(&key()).unwrap(), None);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(collector(&dir).timing(&key()).unwrap(), None);
    }
}
