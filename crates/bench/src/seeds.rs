//! What a run gives in guests with other random seeds.

use crate::results::{Key, ResultFile, Seeds, Spread};

/// From so many guests on a figure's interval says what is equal, and what is less.
pub const ENOUGH: usize = 10;

impl Seeds {
    /// Of `runs`, which are alike but for the seed: between what each median was that all have.
    pub fn of(runs: &[ResultFile]) -> Self {
        let first = runs.first().into_iter().flat_map(|run| &run.timings);
        let spread = first.filter_map(|timing| Spread::of(&timing.key, runs)).collect();
        Self { boots: runs.len(), spread }
    }

    /// That of `key`.
    pub fn spread(&self, key: &Key) -> Option<&Spread> {
        self.spread.iter().find(|spread| spread.key == *key)
    }
}

impl Spread {
    fn of(key: &Key, runs: &[ResultFile]) -> Option<Self> {
        let median = |run: &ResultFile| {
            let timing = run.timings.iter().find(|timing| timing.key == *key)?;
            Some(timing.figures.median)
        };
        let mut medians = runs.iter().map(median).collect::<Option<Vec<_>>>()?;
        medians.sort_by(f64::total_cmp);
        let (&low, &high) = (medians.first()?, medians.last()?);
        let (below, above) = (medians[(medians.len() - 1) / 2], medians[medians.len() / 2]);
        Some(Self { key: key.clone(), low, median: f64::midpoint(below, above), high })
    }

    /// How far apart the least and the greatest are, as a share of the median.
    pub fn width(&self) -> f64 {
        if self.median > 0.0 { (self.high - self.low) / self.median } else { 0.0 }
    }
}

impl ResultFile {
    /// Whether its figures say which of two is less: a count of instructions hangs on where memory
    /// lies, and one guest shows one case of that.
    pub fn decides(&self) -> bool {
        match self.run.clock {
            crate::Clock::Wall => true,
            crate::Clock::Instructions => {
                self.run.seeds.as_ref().is_some_and(|seeds| seeds.boots >= ENOUGH)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_least_and_the_greatest() {
        let runs: Vec<ResultFile> = [30.0, 10.0, 20.0, 25.0]
            .into_iter()
            .map(|median| {
                let mut run = crate::compare::tests::run();
                for timing in &mut run.timings {
                    timing.figures.median = median;
                }
                run
            })
            .collect();
        let seeds = Seeds::of(&runs);
        assert_eq!((seeds.boots, seeds.spread.len()), (4, runs[0].timings.len()));
        let spread = seeds.spread(&runs[0].timings[0].key).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (10.0, 22.5, 30.0));
        assert_eq!(spread.width(), 20.0 / 22.5);
    }

    #[test]
    fn what_a_run_lacks_has_no_interval() {
        let run = crate::compare::tests::run();
        let mut other = run.clone();
        other.timings.clear();
        assert_eq!(Seeds::of(&[run, other]).spread, []);
    }
}
