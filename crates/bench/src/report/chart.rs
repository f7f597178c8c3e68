//! What the plots show: series of figures, before anything is drawn.

use vhost_accel::{Interface, KickKind};

use super::document::{Block, Figure};
use super::evidence::{Evidence, Kind};
use super::numbers::{instructions, time};
use crate::{
    Client, Clock, Configuration, Distribution, LIVE, PAIRS, ResultFile, Scenario, Variant,
};

/// A plot to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// Its file below `img/`.
    pub(super) file: &'static str,
    /// What it shows, in a sentence.
    pub(super) alt: String,
    /// The figures.
    pub(super) form: Form,
}

/// How figures are drawn.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// Lines between points, both axes logarithmic.
    Lines { x: Axis, y: Axis, series: Vec<Series> },
    /// A row for each name, on one logarithmic axis; filled and hollow markers.
    Dots { x: Axis, rows: Vec<Row> },
}

/// A logarithmic axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it measures, with the unit.
    pub(super) label: String,
    /// Where it has marks; none: at 1, 2 and 5 times the powers of ten.
    pub(super) marks: Vec<f64>,
    /// How a mark is written.
    pub(super) write: fn(f64) -> String,
}

/// How a line is drawn, besides its interface's colour and marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    /// Through, with filled markers.
    Solid,
    /// In dashes, with hollow markers.
    Dashed,
    /// In dots, with hollow markers.
    Dotted,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) interface: Interface,
    pub(super) stroke: Stroke,
    pub(super) points: Vec<(f64, f64)>,
}

/// A row of dots.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) interface: Interface,
    pub(super) library: Option<f64>,
    pub(super) baseline: Option<f64>,
}

/// The plots that there are figures for.
pub(super) fn all(evidence: &Evidence<'_>) -> Vec<Chart> {
    let counted = evidence.counts().and_then(|file| {
        setup(
            "setup-crossings.svg",
            "Crossings of a setup against queue pairs, by interface".to_owned(),
            whole("crossings of a setup"),
            |scenario, configuration| file.total(scenario, configuration).map(|count| count as f64),
        )
    });
    let mut all: Vec<Chart> = counted.into_iter().collect();
    let runs = [
        (evidence.real(), ["setup-real.svg", "churn-real.svg", "kick-real.svg"]),
        (
            evidence.instructions(),
            ["setup-instructions.svg", "churn-instructions.svg", "kick-instructions.svg"],
        ),
        (evidence.emulated(), ["setup-time.svg", "churn-time.svg", "kick-time.svg"]),
    ];
    for (file, [setups, churns, kicks]) in runs {
        let Some(file) = file else { continue };
        let kind = Kind::of(file).name();
        all.extend(setup(
            setups,
            format!("Setup against queue pairs, by interface ({kind})"),
            clock(file, "of a setup"),
            |scenario, configuration| file.median(scenario, configuration),
        ));
        all.extend(churn(churns, file));
        all.extend(kick(kicks, file));
    }
    let latencies = [
        (evidence.real(), ["latency-kick-real.svg", "latency-call-real.svg"]),
        (evidence.emulated(), ["latency-kick.svg", "latency-call.svg"]),
    ];
    for (file, [kicks, calls]) in latencies {
        let Some(file) = file else { continue };
        let kinds = KickKind::ALL.map(Scenario::KickLatency);
        all.extend(latency(
            kicks,
            file,
            "from a kick until the device has used the buffer",
            &kinds,
        ));
        let call = "from a kick until a thread on the call eventfd is awake";
        all.extend(latency(calls, file, call, &[Scenario::Call]));
    }
    all
}

/// The figure of the plot in `file`, if it is drawn.
pub(super) fn figure(charts: &[Chart], file: &str) -> Option<Block> {
    let chart = charts.iter().find(|chart| chart.file == file)?;
    Some(Block::Figure(Figure { file: chart.file, alt: chart.alt.clone() }))
}

fn whole(label: &str) -> Axis {
    Axis { label: label.to_owned(), marks: Vec::new(), write: |mark| format!("{mark:.0}") }
}

/// The axis of what the clock of `file` counted.
fn clock(file: &ResultFile, of: &str) -> Axis {
    let kind = Kind::of(file).name();
    match file.run.clock {
        Clock::Wall => Axis {
            label: format!("median time {of}, {kind}"),
            marks: Vec::new(),
            write: short_time,
        },
        Clock::Instructions => Axis {
            label: format!("median instructions {of}, {}", kind.trim_end_matches(", instructions")),
            marks: Vec::new(),
            write: short_count,
        },
    }
}

fn short_time(ns: f64) -> String {
    short(&time(Some(ns)))
}

fn short_count(count: f64) -> String {
    short(&instructions(Some(count)))
}

/// Without noughts behind the point.
fn short(figure: &str) -> String {
    let end = figure.find(|letter: char| letter != '.' && !letter.is_ascii_digit());
    let (number, unit) = figure.split_at(end.unwrap_or(figure.len()));
    if number.contains('.') {
        let number = number.trim_end_matches('0').trim_end_matches('.');
        return format!("{number}{unit}");
    }
    figure.to_owned()
}

/// A figure of `setup/N` and `setup-batched/N` against N.
fn setup(
    file: &'static str,
    alt: String,
    y: Axis,
    figure: impl Fn(Scenario, Configuration) -> Option<f64>,
) -> Option<Chart> {
    let mut series = Vec::new();
    for interface in Interface::ALL {
        let plain = (Scenario::Setup as fn(u16) -> Scenario, Some(Configuration::plain(interface)));
        let other =
            (Scenario::SetupBatched as fn(u16) -> Scenario, Configuration::other(interface));
        for ((scenario, configuration), stroke) in [(plain, Stroke::Solid), (other, Stroke::Dashed)]
        {
            let Some(configuration) = configuration else { continue };
            let points = PAIRS.iter().filter_map(|&pairs| {
                Some((f64::from(pairs), figure(scenario(pairs), configuration)?))
            });
            series.push(line(
                format!("{} {configuration}", interface.thread_id()),
                interface,
                stroke,
                points,
            ));
        }
    }
    let x = Axis { marks: PAIRS.map(f64::from).into(), ..whole("queue pairs") };
    lines(file, alt, x, y, series)
}

/// `dma-churn/N` against N.
fn churn(file: &'static str, run: &ResultFile) -> Option<Chart> {
    let mut series = Vec::new();
    for configuration in Scenario::DmaChurn(LIVE[0]).configurations() {
        let points = LIVE.iter().filter_map(|&live| {
            Some((f64::from(live), run.median(Scenario::DmaChurn(live), configuration)?))
        });
        let stroke =
            if configuration.variant == Variant::Plain { Stroke::Solid } else { Stroke::Dashed };
        let name = format!("{} {configuration}", configuration.interface.thread_id());
        series.push(line(name, configuration.interface, stroke, points));
    }
    let x = Axis {
        marks: LIVE.map(f64::from).into(),
        ..whole("other mappings that are live, of 4 KiB each")
    };
    let alt = format!(
        "One page mapped, used and unmapped against live mappings, by interface ({})",
        Kind::of(run).name()
    );
    lines(file, alt, x, clock(run, "of map, use, unmap"), series)
}

/// How latencies are spread.
fn latency(
    file: &'static str,
    run: &ResultFile,
    what: &str,
    scenarios: &[Scenario],
) -> Option<Chart> {
    let mut series = Vec::new();
    for &scenario in scenarios {
        let (stroke, kind) = match scenario {
            Scenario::KickLatency(KickKind::Doorbell) => (Stroke::Solid, "doorbell"),
            Scenario::KickLatency(KickKind::EventFd) => (Stroke::Dashed, "eventfd"),
            Scenario::KickLatency(KickKind::RegionWrite) => (Stroke::Dotted, "region write"),
            _ => (Stroke::Solid, "call"),
        };
        for configuration in scenario.configurations() {
            let Some(spread) = run.distribution(scenario, configuration, Client::Library) else {
                continue;
            };
            let name = format!("{} {kind}", configuration.interface.thread_id());
            series.push(line(name, configuration.interface, stroke, curve(spread)));
        }
    }
    let x = Axis {
        label: "share of the iterations that took no longer".to_owned(),
        marks: vec![1.0, 2.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0],
        write: share,
    };
    let alt = format!("How long it takes {what}, by interface ({})", Kind::of(run).name());
    let y = Axis {
        label: format!("time, {}", Kind::of(run).name()),
        marks: Vec::new(),
        write: short_time,
    };
    lines(file, alt, x, y, series)
}

/// A distribution's percentiles, each at one over the share of iterations beyond it.
fn curve(spread: &Distribution) -> impl Iterator<Item = (f64, f64)> {
    spread
        .curve
        .iter()
        .filter(|(percentile, _)| (0.0..100.0).contains(percentile))
        .map(|&(percentile, value)| (1.0 / (1.0 - percentile / 100.0), value as f64))
}

/// One over the share beyond, as a percentile.
fn share(x: f64) -> String {
    // Rounded: what is left of the hundred has as many digits as it needs.
    let percentile = (100.0 - 100.0 / x) * 1e6;
    format!("{} %", percentile.round() / 1e6)
}

fn line(
    name: String,
    interface: Interface,
    stroke: Stroke,
    points: impl Iterator<Item = (f64, f64)>,
) -> Series {
    let points = points.filter(|&(x, y)| has_place(x) && has_place(y)).collect();
    Series { name, interface, stroke, points }
}

/// Whether a logarithmic axis has a place for `figure`: nothing that isn't above zero, nor what is
/// too small for any digit of a result, which would leave no room for the others.
fn has_place(figure: f64) -> bool {
    figure >= 1e-5
}

/// A chart, if it has a point.
fn lines(
    file: &'static str,
    alt: String,
    x: Axis,
    y: Axis,
    mut series: Vec<Series>,
) -> Option<Chart> {
    series.retain(|series| !series.points.is_empty());
    (!series.is_empty()).then_some(Chart { file, alt, form: Form::Lines { x, y, series } })
}

/// The cost of each kind of kick: a row for each interface.
fn kick(file: &'static str, run: &ResultFile) -> Option<Chart> {
    let mut rows = Vec::new();
    for kind in KickKind::ALL {
        let scenario = Scenario::Kick(kind);
        for configuration in scenario.configurations() {
            let above = |figure: Option<f64>| figure.filter(|&figure| has_place(figure));
            let library = above(run.median(scenario, configuration));
            let baseline = above(run.baseline(scenario, configuration));
            if library.is_some() {
                let name = format!("{kind} {}", configuration.interface.thread_id());
                rows.push(Row { name, interface: configuration.interface, library, baseline });
            }
        }
    }
    let x = clock(run, "of a kick to its caller");
    let x = Axis { label: format!("{}; filled: library, hollow: bare libc", x.label), ..x };
    let alt = format!(
        "Cost of a kick by kind and interface, library and baseline ({})",
        Kind::of(run).name()
    );
    (!rows.is_empty()).then_some(Chart { file, alt, form: Form::Dots { x, rows } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_short() {
        assert_eq!([2e3, 5e4, 1e6].map(short_time), ["2 µs", "50 µs", "1 ms"]);
        assert_eq!([500.0, 2e4, 1e6].map(short_count), ["500", "20k", "1M"]);
        let shares = [1.0, 2.0, 10.0, 100.0, 1_000.0, 100_000.0].map(share);
        assert_eq!(shares, ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.999 %"]);
    }
}
