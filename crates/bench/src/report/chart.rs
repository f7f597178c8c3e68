//! The charts: figures against a size, by interface, as SVG.
//!
//! Lines are told apart by colour, marker, dash and a label at their end, so that grey print and
//! colour-blind readers lose nothing. Both axes are logarithmic and say so.

use std::fmt::Write as _;

use vhost_accel::Interface;

use super::evidence::Evidence;
use super::numbers::{instructions, time};
use super::tables::way;
use crate::{Client, Clock, Configuration, Key, LIVE, PAIRS, ResultFile, Scenario};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 404.0;
const LEFT: f64 = 70.0;
/// Behind it are the lines' labels.
const RIGHT: f64 = 590.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 360.0;
/// Between the baselines of two labels.
const LINE: f64 = 17.0;
/// The ends of an axis are at least so many times apart: what hardly differs is not to look as if
/// it did.
const LEAST_RANGE: f64 = 5.0;

/// A chart that has been drawn.
pub(super) struct Chart {
    /// Its file below `img/`.
    pub(super) file: String,
    /// What it shows, in a sentence.
    pub(super) alt: String,
    pub(super) svg: String,
}

/// A line: its points, each with the interval that its figure is in.
struct Series {
    configuration: Configuration,
    points: Vec<(f64, f64, [f64; 2])>,
}

/// The charts that there are figures for.
pub(super) fn all(evidence: &Evidence<'_>) -> Vec<Chart> {
    let mut all = Vec::new();
    if let Some(file) = evidence.counts() {
        let count = |scenario, configuration| {
            let count = file.total(scenario, configuration)? as f64;
            Some((count, [count; 2]))
        };
        let alt = "Crossings of a setup against queue pairs, by interface";
        all.extend(setup("setup-crossings.svg".to_owned(), alt, "crossings", whole, count));
    }
    for (file, word) in [
        (evidence.real(), "real"),
        (evidence.alike(), "alike"),
        (evidence.instructions(), "instructions"),
        (evidence.emulated(), "time"),
    ] {
        let Some(file) = file else { continue };
        let (unit, write) = clock(file);
        let figure = |scenario, configuration| median(file, scenario, configuration);
        let alt = format!("Setup against queue pairs, by interface: {unit}");
        all.extend(setup(format!("setup-{word}.svg"), &alt, &unit, write, figure));
        let churn = Scenario::DmaChurn(LIVE[0]).configurations().map(|configuration| {
            let points = LIVE
                .iter()
                .map(|&live| (f64::from(live), figure(Scenario::DmaChurn(live), configuration)));
            series(configuration, points)
        });
        let alt = format!(
            "One page mapped, used and unmapped against live mappings, by interface: {unit}"
        );
        let axes = ["other mappings that are live, of 4 KiB each", &unit];
        all.extend(draw(
            format!("churn-{word}.svg"),
            &alt,
            axes,
            write,
            &LIVE.map(f64::from),
            churn.collect(),
        ));
    }
    all
}

fn clock(file: &ResultFile) -> (String, fn(f64) -> String) {
    let kind = super::evidence::Kind::of(file).name();
    match file.run.clock {
        Clock::Wall => (format!("median time, {}", kind.trim_end_matches(", wall clock")), |ns| {
            short(&time(Some(ns)))
        }),
        Clock::Instructions => {
            let kind = kind.trim_end_matches(", instructions").trim_start_matches("the same, ");
            let unit = format!("median instructions, {kind}");
            (unit, |count| short(&instructions(Some(count))))
        }
    }
}

fn whole(mark: f64) -> String {
    format!("{mark:.0}")
}

/// Without noughts behind the point.
fn short(figure: &str) -> String {
    let end = figure.find(|letter: char| letter != '.' && !letter.is_ascii_digit());
    let (number, unit) = figure.split_at(end.unwrap_or(figure.len()));
    if !number.contains('.') {
        return figure.to_owned();
    }
    format!("{}{unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

fn median(
    file: &ResultFile,
    scenario: Scenario,
    configuration: Configuration,
) -> Option<(f64, [f64; 2])> {
    let key = Key::new(scenario, configuration, Client::Library);
    let figures = &file.timing(scenario, configuration, Client::Library)?.figures;
    let seeds = file.run.seeds.as_ref().and_then(|seeds| seeds.spread(&key));
    Some(match seeds {
        Some(spread) => (spread.median, [spread.low, spread.high]),
        None => (figures.median, [figures.lower, figures.upper]),
    })
}

/// What a logarithmic axis has no place for is left out.
fn series(
    configuration: Configuration,
    points: impl Iterator<Item = (f64, Option<(f64, [f64; 2])>)>,
) -> Series {
    let has_place = |figure: f64| figure >= 1e-5;
    let points = points.filter_map(|(x, figure)| {
        let (y, [low, high]) = figure.filter(|&(y, _)| has_place(y))?;
        Some((x, y, [if has_place(low) { low } else { y }, high.max(y)]))
    });
    Series { configuration, points: points.collect() }
}

/// `setup/N` and `setup-batched/N` against N.
fn setup(
    file: String,
    alt: &str,
    unit: &str,
    write: fn(f64) -> String,
    figure: impl Fn(Scenario, Configuration) -> Option<(f64, [f64; 2])>,
) -> Option<Chart> {
    let of = |scenario: fn(u16) -> Scenario, configuration| {
        let points =
            PAIRS.iter().map(|&pairs| (f64::from(pairs), figure(scenario(pairs), configuration)));
        series(configuration, points)
    };
    let mut all = Vec::new();
    for interface in Interface::ALL {
        all.push(of(Scenario::Setup, Configuration::plain(interface)));
        let other = Configuration::other(interface);
        all.extend(other.map(|configuration| of(Scenario::SetupBatched, configuration)));
    }
    draw(file, alt, ["queue pairs", unit], write, &PAIRS.map(f64::from), all)
}

/// A logarithmic axis: from which figure to which, and between which pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(figures: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = figures
            .fold((f64::INFINITY, 0.0_f64), |(low, high), one| (low.min(one), high.max(one)));
        let widen = (LEAST_RANGE * low / high).max(1.0).sqrt() * 1.15;
        Self { low: low / widen, high: high * widen, from, to }
    }

    fn at(&self, figure: f64) -> f64 {
        let share = (figure / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// At powers of ten, and at twice and five times these as long as that is not too many.
    fn marks(&self) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let steps: &[f64] = match (self.high / self.low).log10() {
            decades if decades < 2.5 => &[1.0, 2.0, 5.0],
            decades if decades < 10.0 => &[1.0],
            _ => &[],
        };
        let marks =
            decades.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        marks.filter(|mark| (self.low..=self.high).contains(mark)).collect()
    }
}

/// A chart, if it has a point.
fn draw(
    file: String,
    alt: &str,
    [x_label, y_label]: [&str; 2],
    write: fn(f64) -> String,
    x_marks: &[f64],
    mut all: Vec<Series>,
) -> Option<Chart> {
    all.retain(|series| !series.points.is_empty());
    let points = || all.iter().flat_map(|series| &series.points);
    points().next()?;
    let x = Axis::new(points().map(|point| point.0), LEFT, RIGHT);
    let y = Axis::new(points().flat_map(|point| point.2), BOTTOM, TOP);
    let (title, x_label, y_label) = (escape(alt), escape(x_label), escape(y_label));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>{title}</title>\n<style>\n\
         svg {{ background: #fff; color: #1a1a1a }}\n\
         @media (prefers-color-scheme: dark) {{ svg {{ background: #16181b; color: #e6e6e6 }} }}\n\
         text {{ fill: currentColor }}\n</style>\n"
    );
    for &mark in x_marks {
        let at = x.at(mark);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{BOTTOM}\" stroke=\"#8886\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            BOTTOM + 18.0,
            whole(mark)
        );
    }
    for mark in y.marks() {
        let at = y.at(mark);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#8886\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            escape(&write(mark))
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x_label} (logarithmic)</text>\n\
         <text x=\"8\" y=\"16\">{y_label} (logarithmic)</text>",
        (LEFT + RIGHT) / 2.0,
        HEIGHT - 6.0
    );
    // From the top to the bottom, so that labels push each other down.
    let end = |series: &Series| series.points.last().map_or(BOTTOM, |point| y.at(point.1));
    all.sort_by(|a, b| end(a).total_cmp(&end(b)));
    let room = LINE * (all.len() as f64 - 1.0);
    let mut label = f64::NEG_INFINITY;
    for (number, series) in all.iter().enumerate() {
        let left = BOTTOM - room + LINE * number as f64;
        label = end(series).max(label + LINE).min(left.max(label + LINE));
        line(&mut svg, series, &x, &y, label);
    }
    svg.push_str("</svg>\n");
    Some(Chart { file, alt: alt.to_owned(), svg })
}

/// Okabe and Ito's colours, which differ in lightness too.
fn colour(interface: Interface) -> &'static str {
    match interface {
        Interface::VfioMsg => "#d55e00",
        Interface::VfioIoctl => "#0072b2",
        Interface::VhostMdev => "#009e73",
        Interface::VhostVdpa => "currentColor",
        Interface::Other(_) => "#cc79a7",
    }
}

/// The path of a marker around a point.
fn marker(interface: Interface) -> &'static str {
    match interface {
        Interface::VfioMsg => "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
        Interface::VfioIoctl => "m0-6l5.5 10h-11z",
        Interface::VhostMdev => "m-4.5-4.5h9v9h-9z",
        Interface::VhostVdpa => "m0-6.5l6.5 6.5-6.5 6.5-6.5-6.5z",
        Interface::Other(_) => "m0 6l5.5-10h-11z",
    }
}

fn line(svg: &mut String, series: &Series, x: &Axis, y: &Axis, label: f64) {
    let Configuration { interface, .. } = series.configuration;
    let colour = colour(interface);
    let plain = series.configuration.is_plain();
    let dash = if plain { "" } else { " stroke-dasharray=\"6 4\"" };
    let fill = if plain { colour } else { "none" };
    let (mut path, mut marks, mut spread) = (String::new(), String::new(), String::new());
    let mut last = (LEFT, BOTTOM);
    for &(at, figure, [low, high]) in &series.points {
        last = (x.at(at), y.at(figure));
        let to = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{to}{:.1} {:.1}", last.0, last.1);
        let _ = write!(marks, "M{:.1} {:.1}{}", last.0, last.1, marker(interface));
        let (low, high) = (y.at(low), y.at(high));
        if low - high > 2.0 {
            let _ =
                write!(spread, "M{:.1} {low:.1}V{high:.1}m-4 0h8M{0:.1} {low:.1}m-4 0h8", last.0);
        }
    }
    let _ = writeln!(
        svg,
        "<g fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"><path d=\"{path}\"{dash}/>\
         <path d=\"{marks}\" fill=\"{fill}\"/><path d=\"{spread}\"/>\
         <path d=\"M{:.1} {:.1}L{:.1} {label:.1}\" stroke-width=\"0.6\"/></g>\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        last.0 + 8.0,
        last.1,
        RIGHT + 26.0,
        RIGHT + 30.0,
        label + 4.0,
        escape(&way(series.configuration))
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_neither_too_few_marks_nor_too_many() {
        for high in [1.0, 2.0, 10.0, 1e3, 1e6, 1e9] {
            let marks = Axis::new([1.0, high].into_iter(), 0.0, 1.0).marks();
            assert!((2..=11).contains(&marks.len()), "{high}: {marks:?}");
        }
    }

    #[test]
    fn marks_are_short() {
        assert_eq!([2e3, 5e4, 1e6].map(|ns| short(&time(Some(ns)))), ["2 µs", "50 µs", "1 ms"]);
        let counts = [500.0, 2e4, 1e6].map(|count| short(&instructions(Some(count))));
        assert_eq!(counts, ["500", "20k", "1M"]);
    }

    #[test]
    fn no_points_are_no_chart_and_one_is_one() {
        let chart = |points: Vec<(f64, f64, [f64; 2])>| {
            let configuration = Configuration::plain(Interface::VhostMdev);
            let series = vec![Series { configuration, points }];
            draw("a.svg".to_owned(), "A & b", ["x", "y"], whole, &[1.0], series)
        };
        assert!(chart(Vec::new()).is_none());
        let svg = chart(vec![(1.0, 10.0, [5.0, 20.0])]).unwrap().svg;
        assert!(svg.contains("<title>A &amp; b</title>") && svg.contains(">#2</text>"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
