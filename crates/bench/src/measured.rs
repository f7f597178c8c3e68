//! What a run has measured so far.

use crate::results::{Cost, Distribution, Figures, Key, Limit, Ratio, ResultFile, Timing};

/// The measured part of a result file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) timings: Vec<Timing>,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) distributions: Vec<Distribution>,
    pub(crate) costs: Vec<Cost>,
    pub(crate) limits: Vec<Limit>,
}

impl Measured {
    /// What a run that was stopped had measured.
    pub(crate) fn of(file: &ResultFile) -> Self {
        Self {
            timings: file.timings.clone(),
            ratios: file.ratios.clone(),
            distributions: file.distributions.clone(),
            costs: file.costs.clone(),
            limits: file.limits.clone(),
        }
    }

    pub(crate) fn extend(&mut self, more: Self) {
        self.timings.extend(more.timings);
        self.ratios.extend(more.ratios);
        self.distributions.extend(more.distributions);
        self.costs.extend(more.costs);
        self.limits.extend(more.limits);
    }

    pub(crate) fn figures(&self, key: &Key) -> Option<&Figures> {
        let timing = self.timings.iter().find(|timing| timing.key == *key)?;
        Some(&timing.figures)
    }

    /// Whether anything of a scenario is there. Scenarios come whole or not at all.
    pub(crate) fn has(&self, scenario: &str) -> bool {
        self.timings.iter().any(|timing| timing.key.scenario == scenario)
            || self.limits.iter().any(|limit| limit.scenario == scenario)
    }
}

impl Figures {
    /// This over `by`, of which each was measured by itself: the interval is the widest that their
    /// intervals allow.
    pub(crate) fn over(&self, by: &Self) -> Self {
        use crate::collect::round;
        let median = self.median / by.median;
        Self {
            n: self.n.min(by.n),
            iterations: self.iterations.min(by.iterations),
            mean: round(self.mean / by.mean),
            median: round(median),
            lower: round(self.lower / by.upper),
            upper: round(self.upper / by.lower),
            min: round(self.min / by.min),
            p99: round(self.p99 / by.p99),
            std_dev: round(median * f64::hypot(self.std_dev / self.median, by.std_dev / by.median)),
        }
    }

    /// How wide the interval is, as a part of the median.
    pub(crate) fn width(&self) -> f64 {
        (self.upper - self.lower) / self.median
    }
}

#[cfg(test)]
mod tests {
    use vhost_accel::Interface;

    use super::*;
    use crate::client::Client;
    use crate::results::Unit;
    use crate::{Configuration, Scenario};

    fn timing(pairs: u16, median: f64) -> Timing {
        let figures = Figures::of(vec![median; 10], 10).unwrap();
        let configuration = Configuration::plain(Interface::VhostMdev);
        let key = Key::new(Scenario::Setup(pairs), configuration, Client::Library);
        Timing { key, unit: Unit::Instructions, figures }
    }

    #[test]
    fn a_quotient_has_the_widest_interval() {
        let of = Figures::of(vec![9.0, 10.0, 11.0], 3).unwrap();
        let by = Figures::of(vec![4.0, 5.0, 6.0], 3).unwrap();
        let ratio = of.over(&by);
        assert_eq!((ratio.median, ratio.lower, ratio.upper), (2.0, 1.5, 2.75));
        assert!((ratio.width() - 0.625).abs() < 1e-9);
    }

    #[test]
    fn a_scenario_is_known_by_its_id() {
        let measured = Measured { timings: vec![timing(16, 1.0)], ..Measured::default() };
        assert!(measured.has("setup/16") && !measured.has("setup/1"));
    }
}
