//! What two runs disagree about, and whether that is more than noise.

use std::collections::HashMap;

use serde::Serialize;

use crate::results::{Clock, Crossings, Key, Over, Platform, ResultFile, Timing};

/// Medians that differ by no more than this share of the first are not called different.
pub const THRESHOLD: f64 = 0.02;

/// What changed from one run to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Why the two should not be compared at all.
    pub incomparable: Vec<Incomparable>,
    /// Counts that differ.
    pub crossings: Vec<CountChange>,
    /// Medians that differ by more than noise.
    pub medians: Vec<MedianChange>,
    /// Ratios that do.
    pub ratios: Vec<RatioChange>,
    /// What only one of the two has.
    pub missing: Vec<Missing>,
    /// Counts, medians and ratios that both have.
    pub compared: usize,
}

/// Something in which two runs must agree for their figures to mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Incomparable {
    /// One counted time and the other instructions.
    Clock,
    /// One was on the emulated kernel and the other on a native one.
    KernelHalf,
    /// One ran on a CPU, and the other on another kind of machine.
    Machine,
    /// The kernel half was set otherwise.
    Setting,
    /// The device or its vrings had another size.
    Device,
}

impl Incomparable {
    /// In a warning.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Clock => "the clocks count different things",
            Self::KernelHalf => "the kernel halves differ",
            Self::Machine => "the kinds of machine differ",
            Self::Setting => "the settings differ",
            Self::Device => "the devices differ in size",
        }
    }
}

/// A count that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountChange {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// In the first run.
    pub before: u64,
    /// In the second.
    pub after: u64,
    /// The kinds that differ, with both counts.
    pub kinds: Vec<(String, u64, u64)>,
}

/// A median that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MedianChange {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// In the first run.
    pub before: f64,
    /// In the second.
    pub after: f64,
    /// The difference as a share of the first.
    pub change: f64,
}

/// A ratio that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RatioChange {
    /// What it is over.
    pub over: Over,
    /// The change.
    #[serde(flatten)]
    pub change: MedianChange,
}

/// What one of two runs lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// A count, a median or a ratio.
    pub what: Figure,
    /// Which run has it.
    pub only_in: Only,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// A count of crossings.
    Crossings,
    /// A median.
    Median,
    /// A ratio.
    Ratio,
}

/// One of two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// The first.
    First,
    /// The second.
    Second,
}

impl Comparison {
    /// Compares `after` with `before`. A median has changed if the two 95 % intervals have no point
    /// in common and the medians differ by more than `threshold`, a share of the first. A count has
    /// changed if it isn't the same. Of runs whose clocks count different things only counts are
    /// compared.
    pub fn new(before: &ResultFile, after: &ResultFile, threshold: f64) -> Self {
        let mut comparison = Self {
            incomparable: incomparable(before, after),
            crossings: Vec::new(),
            medians: Vec::new(),
            ratios: Vec::new(),
            missing: Vec::new(),
            compared: 0,
        };
        let only = |of: Figure| move |(key, only_in)| Missing { key, what: of, only_in };

        let pairs = Pairs::new(&before.crossings, &after.crossings, |one| one.key.clone());
        comparison.compared += pairs.both.len();
        comparison.crossings = pairs.both.iter().filter_map(|(a, b)| counts(a, b)).collect();
        comparison.missing.extend(pairs.missing.into_iter().map(only(Figure::Crossings)));

        if comparison.incomparable.contains(&Incomparable::Clock) {
            // There is nothing that instructions and nanoseconds could differ by.
            return comparison;
        }
        let pairs = Pairs::new(&before.timings, &after.timings, |one| one.key.clone());
        comparison.compared += pairs.both.len();
        comparison.medians =
            pairs.both.iter().filter_map(|(a, b)| medians(a, b, threshold)).collect();
        comparison.missing.extend(pairs.missing.into_iter().map(only(Figure::Median)));

        let pairs = Pairs::new(&before.ratios, &after.ratios, |one| (one.key.clone(), one.over));
        comparison.compared += pairs.both.len();
        comparison.ratios = pairs
            .both
            .iter()
            .filter_map(|(a, b)| {
                let change = changed(&a.key, &a.figures, &b.figures, threshold)?;
                Some(RatioChange { over: a.over, change })
            })
            .collect();
        let ratios = pairs.missing.into_iter().map(|((key, _), only_in)| (key, only_in));
        comparison.missing.extend(ratios.map(only(Figure::Ratio)));
        comparison
    }

    /// Whether something differs by more than noise, or can't be told: figures that only one run
    /// has, or runs that should not be compared.
    pub fn has_changes(&self) -> bool {
        let Self { incomparable, crossings, medians, ratios, missing, compared: _ } = self;
        !(incomparable.is_empty()
            && crossings.is_empty()
            && medians.is_empty()
            && ratios.is_empty()
            && missing.is_empty())
    }
}

/// In what the two runs must agree and don't.
fn incomparable(before: &ResultFile, after: &ResultFile) -> Vec<Incomparable> {
    let (a, b) = (&before.run, &after.run);
    // An instruction is one on every machine.
    let cpu = |machine| machine != Platform::Tcg;
    let machine = a.clock == Clock::Wall && cpu(a.machine) != cpu(b.machine);
    [
        (a.clock != b.clock, Incomparable::Clock),
        (a.kernel_half != b.kernel_half, Incomparable::KernelHalf),
        (machine, Incomparable::Machine),
        (a.setting != b.setting, Incomparable::Setting),
        (before.device != after.device, Incomparable::Device),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}

/// The figures that both runs have, in the order of the first, and those that only one has.
struct Pairs<'a, T, K> {
    both: Vec<(&'a T, &'a T)>,
    missing: Vec<(K, Only)>,
}

impl<'a, T, K: Clone + Eq + std::hash::Hash> Pairs<'a, T, K> {
    fn new(before: &'a [T], after: &'a [T], key: impl Fn(&T) -> K) -> Self {
        let mut second: HashMap<K, &T> = after.iter().map(|one| (key(one), one)).collect();
        let (mut both, mut missing) = (Vec::new(), Vec::new());
        for one in before {
            match second.remove(&key(one)) {
                Some(other) => both.push((one, other)),
                None => missing.push((key(one), Only::First)),
            }
        }
        let rest = after.iter().map(key).filter(|key| second.contains_key(key));
        missing.extend(rest.map(|key| (key, Only::Second)));
        Self { both, missing }
    }
}

fn counts(before: &Crossings, after: &Crossings) -> Option<CountChange> {
    let of = |counted: &Crossings, kind: &str| counted.kinds.get(kind).copied().unwrap_or_default();
    let mut kinds: Vec<&String> = before.kinds.keys().chain(after.kinds.keys()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds: Vec<(String, u64, u64)> = kinds
        .into_iter()
        .map(|kind| (kind.clone(), of(before, kind), of(after, kind)))
        .filter(|(_, before, after)| before != after)
        .collect();
    let same = before.total == after.total && kinds.is_empty();
    (!same).then(|| CountChange {
        key: before.key.clone(),
        before: before.total,
        after: after.total,
        kinds,
    })
}

fn medians(before: &Timing, after: &Timing, threshold: f64) -> Option<MedianChange> {
    changed(&before.key, &before.figures, &after.figures, threshold)
}

fn changed(
    key: &Key,
    before: &crate::Figures,
    after: &crate::Figures,
    threshold: f64,
) -> Option<MedianChange> {
    let apart = before.upper < after.lower || after.upper < before.lower;
    let difference = after.median - before.median;
    let far = difference.abs() > threshold * before.median.abs();
    (apart && far).then(|| MedianChange {
        key: key.clone(),
        before: before.median,
        after: after.median,
        // A first run of nothing has no shares.
        change: if before.median == 0.0 { 1.0 } else { difference / before.median },
    })
}

#[cfg(test)]
pub(crate) mod tests;
