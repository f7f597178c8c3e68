//! From what criterion wrote to what a result file says.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::results::Figures;
use crate::staged::Staged;

/// criterion's `sample.json`.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Where criterion writes what it measured of one thing, round by round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collector<'a> {
    dir: &'a Path,
}

impl<'a> Collector<'a> {
    /// Of what is under `dir`.
    pub(crate) const fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    /// Where a round goes.
    pub(crate) fn round(self, round: usize) -> PathBuf {
        self.dir.join(format!("round-{round}"))
    }

    /// Forgets what rounds before have measured of `function`.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn forget(self, group: &str, function: &str, rounds: usize) -> Result<()> {
        for round in 0..rounds {
            let dir = self.function(round, group, function);
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::file(&dir)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The samples of all rounds; `None` of no rounds.
    ///
    /// # Errors
    /// [`Error::Samples`] of a round that is not there whole.
    pub(crate) fn collect(
        self,
        group: &str,
        function: &str,
        rounds: usize,
    ) -> Result<Option<Figures>> {
        let (mut samples, mut iterations) = (Vec::new(), 0.0);
        for round in 0..rounds {
            let path = self.function(round, group, function).join("new/sample.json");
            let Sample { iters, times } = read(&path)?;
            samples.extend(iters.iter().zip(&times).map(|(iters, time)| time / iters));
            iterations += iters.iter().sum::<f64>();
        }
        Ok(Figures::of(samples, iterations as u64))
    }

    fn function(self, round: usize, group: &str, function: &str) -> PathBuf {
        self.round(round).join(directory(group)).join(directory(function))
    }
}

impl Figures {
    /// What `samples` say; `None` of no samples.
    pub(crate) fn of(mut samples: Vec<f64>, iterations: u64) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let (&min, n) = (samples.first()?, samples.len());
        let mean = samples.iter().sum::<f64>() / n as f64;
        let squares = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>();
        let outside = outside(n);
        Some(Self {
            n,
            iterations,
            mean: round(mean),
            median: round(f64::midpoint(samples[(n - 1) / 2], samples[n / 2])),
            lower: round(samples[outside]),
            upper: round(samples[n - 1 - outside]),
            min: round(min),
            p99: round(samples[(n * 99).div_ceil(100) - 1]),
            std_dev: round((squares / (n.max(2) - 1) as f64).sqrt()),
        })
    }
}

/// How many of `n` samples may lie outside on each side of an interval that has the median with a
/// probability of 95 % or more, whatever the distribution: how many of `n` tosses of a coin come
/// out heads is all that matters.
fn outside(n: usize) -> usize {
    let (mut probability, mut below, mut heads) = (0.5_f64.powi(n as i32), 0.0, 0);
    while heads < n {
        below += probability;
        if below > 0.025 {
            break;
        }
        probability *= (n - heads) as f64 / (heads + 1) as f64;
        heads += 1;
    }
    heads.saturating_sub(1).min(n.saturating_sub(1) / 2)
}

/// What criterion has just written. It goes on when it can't write, and says so where nobody
/// listens.
fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path);
    let value = text.and_then(|text| serde_json::from_str(&text).map_err(io::Error::from));
    value.map_err(|source| Error::Samples {
        path: path.to_owned(),
        source: unwritable(path, source),
    })
}

/// Why no file can be written whole at `path`, or else what `reading` it said.
fn unwritable(path: &Path, reading: io::Error) -> io::Error {
    /// More than any sample takes.
    const ROOM: usize = 1 << 20;
    let write = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut probe = Staged::create(path)?;
        probe.write_all(&vec![0; ROOM])?;
        probe.file().sync_all()
    };
    write().err().unwrap_or(reading)
}

/// A name as criterion makes a directory of it.
fn directory(name: &str) -> String {
    name.replace('/', "_")
}

/// To a thousandth of a nanosecond, or to five digits of a ratio: what lies below is no
/// measurement.
pub(crate) fn round(figure: f64) -> f64 {
    let scale = if figure.abs() < 100.0 { 1e5 } else { 1e3 };
    (figure * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Fault;

    fn write(dir: &Path, round: usize, sample: &str) {
        let new = dir.join(format!("round-{round}/dma-map_4K/vhost-mdev floor/new"));
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("sample.json"), sample).unwrap();
    }

    #[test]
    fn samples_of_all_rounds_are_per_iteration() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            0,
            r#"{"sampling_mode": "Flat", "iters": [10.0, 20.0], "times": [300.0, 400.0]}"#,
        );
        write(dir.path(), 1, r#"{"sampling_mode": "Flat", "iters": [10.0], "times": [280.0]}"#);
        let collector = Collector::new(dir.path());
        let figures = collector.collect("dma-map/4K", "vhost-mdev floor", 2).unwrap().unwrap();
        assert_eq!((figures.n, figures.iterations), (3, 40));
        assert_eq!((figures.mean, figures.median, figures.min), (26.0, 28.0, 20.0));
        assert_eq!((figures.lower, figures.upper, figures.p99), (20.0, 30.0, 30.0));
        assert_eq!(collector.collect("dma-map/4K", "vhost-mdev floor", 0).unwrap(), None);
        for _ in 0..2 {
            collector.forget("dma-map/4K", "vhost-mdev floor", 2).unwrap();
            assert!(!dir.path().join("round-0/dma-map_4K/vhost-mdev floor").exists());
        }
    }

    #[test]
    fn samples_that_are_not_there_whole_are_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let collect =
            |rounds| Collector::new(dir.path()).collect("dma-map/4K", "vhost-mdev floor", rounds);
        write(dir.path(), 0, r#"{"iters": [10.0], "times": [300.0]}"#);
        collect(1).unwrap().unwrap();
        let missing = collect(2).unwrap_err();
        assert!(missing.to_string().contains("round-1"), "{missing}");
        // As a full disk leaves it.
        for cut in ["", r#"{"iters": [10.0], "ti"#] {
            write(dir.path(), 0, cut);
            let error = collect(1).unwrap_err();
            assert!(matches!(error, Error::Samples { .. }), "{error}");
            assert_eq!(error.fault(), Fault::Failed);
        }
    }

    #[test]
    fn why_samples_are_not_there_is_said() {
        let here = Path::new("/proc/self");
        let error = Collector::new(here).collect("a", "b", 1).unwrap_err();
        let wrong = fs::create_dir(here.join("round-0")).unwrap_err();
        assert!(error.to_string().ends_with(&wrong.to_string()), "{error}");
    }

    #[test]
    fn the_interval_has_the_median_in_95_of_100_cases() {
        // Tables of the sign test: of so many, the nth from either end.
        for (n, nth) in
            [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (40, 14), (100, 40)]
        {
            assert_eq!(outside(n) + 1, nth, "{n}");
        }
    }

    #[test]
    fn percentiles_and_spread() {
        let figures = Figures::of((1..=200).rev().map(f64::from).collect(), 200).unwrap();
        assert_eq!((figures.min, figures.p99, figures.median), (1.0, 198.0, 100.5));
        assert!((figures.std_dev - 57.879).abs() < 1e-3, "{}", figures.std_dev);
        assert_eq!(Figures::of(Vec::new(), 0), None);
    }
}
