//! Figures as the reports write them.

use vhost_accel::Interface;

use crate::{Client, Clock, Configuration, Figures, Key, Over, ResultFile, Scenario};

/// Three digits and a unit; `-` for none.
pub(super) fn time(nanoseconds: Option<f64>) -> String {
    nanoseconds.map_or_else(|| "-".to_owned(), |ns| scaled(ns, [" ns", " µs", " ms"]))
}

/// Three digits and the unit that suits: one, a thousand or a million of the first.
pub(super) fn scaled(value: f64, [one, thousand, million]: [&str; 3]) -> String {
    let (value, unit) = match value {
        value if value < 999.5 => (value, one),
        value if value < 999_500.0 => (value / 1e3, thousand),
        value => (value / 1e6, million),
    };
    let digits = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{unit}")
}

/// Instructions: whole below ten thousand, four digits above; `-` for none.
pub(super) fn instructions(instructions: Option<f64>) -> String {
    let Some(count) = instructions else {
        return "-".to_owned();
    };
    if count < 9_999.5 {
        let fraction = (count - count.round()).abs() >= 0.05 && count < 99.95;
        return format!("{count:.*}", usize::from(fraction));
    }
    let (value, unit) = match count {
        count if count < 999_950.0 => (count / 1e3, "k"),
        count if count < 999_950_000.0 => (count / 1e6, "M"),
        count => (count / 1e9, "G"),
    };
    let digits = match value {
        value if value < 9.9995 => 3,
        value if value < 99.995 => 2,
        _ => 1,
    };
    format!("{value:.digits$}{unit}")
}

/// What `clock` counted; `-` for nothing.
pub(super) fn work(clock: Clock, value: Option<f64>) -> String {
    match clock {
        Clock::Wall => time(value),
        Clock::Instructions => instructions(value),
    }
}

/// A ratio with its interval, where it has one: `0.93 (0.91-0.95)`.
pub(super) fn interval(figures: Option<&Figures>) -> String {
    let Some(figures) = figures else {
        return "-".to_owned();
    };
    let median = ratio(Some(figures.median));
    let (lower, upper) = (ratio(Some(figures.lower)), ratio(Some(figures.upper)));
    if lower == upper { median } else { format!("{median} ({lower}-{upper})") }
}

/// A share of one, in hundredths: `12.3%`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// A ratio with two digits behind the point; `-` for none.
pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// How many CPUs, with the word.
pub(super) fn cpus(cores: usize) -> String {
    format!("{cores} {}", if cores == 1 { "CPU" } else { "CPUs" })
}

/// A count; `-` for none.
pub(super) fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

/// What the reports ask of a result.
impl ResultFile {
    /// The figure that is quoted: the median, and of several guests' medians the one in the middle.
    pub(super) fn figure(&self, key: &Key) -> Option<f64> {
        let seeds = self.run.seeds.as_ref().and_then(|seeds| seeds.spread(key));
        let one = || self.timings.iter().find(|timing| timing.key == *key);
        seeds.map(|spread| spread.median).or_else(|| one().map(|timing| timing.figures.median))
    }

    /// The median of the library's time.
    pub(super) fn median(&self, scenario: Scenario, configuration: Configuration) -> Option<f64> {
        self.figure(&Key::new(scenario, configuration, Client::Library))
    }

    /// The median of the baseline's time.
    pub(super) fn baseline(&self, scenario: Scenario, configuration: Configuration) -> Option<f64> {
        self.figure(&Key::new(scenario, configuration, Client::Baseline))
    }

    /// The library's time as a multiple of the baseline's, measured in turns.
    pub(super) fn over_baseline(
        &self,
        scenario: Scenario,
        configuration: Configuration,
    ) -> Option<f64> {
        self.over(scenario, configuration, Client::Library, Over::Baseline)
    }

    /// How much longer `client` takes than what is said.
    pub(super) fn over(
        &self,
        scenario: Scenario,
        configuration: Configuration,
        client: Client,
        over: Over,
    ) -> Option<f64> {
        self.ratio(scenario, configuration, client, over).map(|ratio| ratio.figures.median)
    }

    /// How many crossings the library makes.
    pub(super) fn total(&self, scenario: Scenario, configuration: Configuration) -> Option<u64> {
        self.crossings(scenario, configuration, Client::Library).map(|counted| counted.total)
    }

    /// How many of them are of a kind that begins with `prefix`.
    pub(super) fn of_kind(
        &self,
        scenario: Scenario,
        configuration: Configuration,
        prefix: &str,
    ) -> Option<u64> {
        let counted = self.crossings(scenario, configuration, Client::Library)?;
        let of_kind = counted.kinds.iter().filter(|(kind, _)| kind.starts_with(prefix));
        Some(of_kind.map(|(_, count)| count).sum())
    }

    /// The crossings of a setup as a fixed part and a part for each queue pair, if that is what
    /// they are.
    pub(super) fn setup_law(
        &self,
        scenario: fn(u16) -> Scenario,
        configuration: Configuration,
    ) -> Option<Law> {
        let mut points = crate::PAIRS
            .iter()
            .map(|&pairs| Some((u64::from(pairs), self.total(scenario(pairs), configuration)?)));
        let (x0, y0) = points.next()??;
        let (x1, y1) = points.next()??;
        let per_pair = y1.checked_sub(y0)? / (x1 - x0);
        let law = Law { fixed: y0.checked_sub(per_pair * x0)?, per_pair };
        let holds = |point: Option<(u64, u64)>| point.is_some_and(|(x, y)| law.at(x) == y);
        (law.at(x1) == y1 && points.all(holds)).then_some(law)
    }
}

/// `fixed + per_pair × pairs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Law {
    pub(super) fixed: u64,
    pub(super) per_pair: u64,
}

impl Law {
    fn at(self, pairs: u64) -> u64 {
        self.fixed + self.per_pair * pairs
    }
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.per_pair {
            0 => write!(f, "{}", self.fixed),
            per_pair => write!(f, "{} + {per_pair} N", self.fixed),
        }
    }
}

/// The one configuration of an interface in a scenario's row, and the configurations that need a
/// row of their own.
pub(super) fn rows(scenario: Scenario) -> (Vec<Option<Configuration>>, Vec<Configuration>) {
    let (mut main, mut own) = (vec![None; Interface::ALL.len()], Vec::new());
    for configuration in scenario.configurations() {
        let column = Interface::ALL
            .iter()
            .position(|&interface| interface == configuration.interface)
            .unwrap_or_default();
        match main[column] {
            None => main[column] = Some(configuration),
            Some(_) => own.push(configuration),
        }
    }
    (main, own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let times = [0.5, 9.994, 9.995, 99.94, 99.95, 156.4, 999.6, 2_345.0, 1.66e6];
        assert_eq!(
            times.map(|ns| time(Some(ns))),
            [
                "0.50 ns", "9.99 ns", "10.0 ns", "99.9 ns", "100 ns", "156 ns", "1.00 µs",
                "2.35 µs", "1.66 ms"
            ]
        );
        assert_eq!((time(None), ratio(Some(1.004))), ("-".into(), "1.00".into()));
    }

    #[test]
    fn instructions_have_four_digits() {
        let counts = [4.0, 4.25, 624.4, 9_999.4, 12_345.0, 999_949.0, 1_234_567.0, 2.5e9];
        assert_eq!(
            counts.map(|count| instructions(Some(count))),
            ["4", "4.2", "624", "9999", "12.35k", "999.9k", "1.235M", "2.500G"]
        );
        assert_eq!(instructions(None), "-");
    }

    #[test]
    fn an_interval_without_width_is_not_shown() {
        let figures = |lower, upper| Figures {
            n: 3,
            iterations: 3,
            mean: 1.0,
            median: 1.0,
            lower,
            upper,
            min: 1.0,
            p99: 1.0,
            std_dev: 0.0,
        };
        assert_eq!(interval(Some(&figures(0.98, 1.021))), "1.00 (0.98-1.02)");
        assert_eq!(interval(Some(&figures(1.0, 1.0))), "1.00");
        assert_eq!(interval(None), "-");
    }

    #[test]
    fn a_law_reads_as_a_formula() {
        assert_eq!(Law { fixed: 31, per_pair: 11 }.to_string(), "31 + 11 N");
        assert_eq!(Law { fixed: 31, per_pair: 0 }.to_string(), "31");
    }
}
