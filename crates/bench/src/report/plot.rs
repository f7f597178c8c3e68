//! The plots: told apart by colour, by marker and by dash, so that grey print and colour-blind readers
//! lose nothing.

use std::error::Error as StdError;

use plotters::coord::Shift;
use plotters::prelude::*;
use vhost_accel_core::{Interface, KickKind};

use super::numbers::{batched, time};
use crate::{Error, PAIRS, Result, ResultFile, Scenario, Side, Subject};

/// Crossings of a setup against queue pairs.
pub(super) const SETUP_CROSSINGS: &str = "setup-crossings.svg";
/// Time of a setup against queue pairs.
pub(super) const SETUP_TIME: &str = "setup-time.svg";
/// Cost of a kick.
pub(super) const KICK: &str = "kick.svg";

const SIZE: (u32, u32) = (820, 460);
const FONT: &str = "sans-serif";

/// The plots of a result: their files' names below `img/`, and their text.
pub(super) fn all(file: &ResultFile) -> Result<Vec<(&'static str, String)>> {
    let crossings = |scenario, subject| file.total(scenario, subject).map(|count| count as f64);
    let times = |scenario, subject| file.median(scenario, subject).map(|ns| ns / 1e3);
    let time_axis = format!("median time of a setup (µs), {} kernel", file.run.kernel_half);
    let draw = |drawn: Drawn| drawn.map_err(Error::Plot);
    Ok(vec![
        (SETUP_CROSSINGS, draw(setup("crossings of a setup", crossings))?),
        (SETUP_TIME, draw(setup(&time_axis, times))?),
        (KICK, draw(kick(file))?),
    ])
}

type Drawn = std::result::Result<String, Box<dyn StdError + Send + Sync>>;
type Done = std::result::Result<(), Box<dyn StdError + Send + Sync>>;

/// How an interface is drawn: Okabe and Ito's colours, which differ in lightness too.
fn colour(interface: Interface) -> RGBColor {
    match interface {
        Interface::VfioMsg => RGBColor(0xd5, 0x5e, 0x00),
        Interface::VfioIoctl => RGBColor(0x00, 0x72, 0xb2),
        Interface::VhostMdev => RGBColor(0x00, 0x9e, 0x73),
        Interface::VhostVdpa => RGBColor(0x00, 0x00, 0x00),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the marker of an interface at a pixel.
fn marker(area: &Area<'_>, interface: Interface, at: (i32, i32), filled: bool) -> Done {
    let stroke = ShapeStyle::from(colour(interface)).stroke_width(2);
    let style = if filled { stroke.filled() } else { stroke };
    let corners: &[(i32, i32)] = match interface {
        Interface::VfioMsg => return Ok(area.draw(&Circle::new(at, 5, style))?),
        Interface::VfioIoctl => &[(0, -6), (6, 5), (-6, 5), (0, -6)],
        Interface::VhostMdev => &[(-5, -5), (5, -5), (5, 5), (-5, 5), (-5, -5)],
        Interface::VhostVdpa => &[(0, -7), (7, 0), (0, 7), (-7, 0), (0, -7)],
    };
    let corners: Vec<_> = corners.iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect();
    if filled {
        area.draw(&Polygon::new(corners, style))?;
    } else {
        area.draw(&PathElement::new(corners, style))?;
    }
    Ok(())
}

/// A figure of `setup/N` and `setup-batched/N` against N, both axes logarithmic.
fn setup(what: &str, figure: impl Fn(Scenario, Subject) -> Option<f64>) -> Drawn {
    type Series = (String, Interface, bool, Vec<(f64, f64)>);
    let mut series: Vec<Series> = Vec::new();
    for interface in Interface::ALL {
        let mut add = |scenario: fn(u16) -> Scenario, subject: Option<Subject>, batch: bool| {
            let Some(subject) = subject else { return };
            let points: Vec<_> = PAIRS
                .iter()
                .filter_map(|&pairs| Some((f64::from(pairs), figure(scenario(pairs), subject)?)))
                .collect();
            if !points.is_empty() {
                let name = format!("{} {subject}", interface.thread_id());
                series.push((name, interface, batch, points));
            }
        };
        add(Scenario::Setup, Some(Subject::plain(interface)), false);
        add(Scenario::SetupBatched, batched(interface), true);
    }
    let values = series.iter().flat_map(|(.., points)| points).map(|point| point.1);
    let low = values.clone().fold(f64::INFINITY, f64::min).max(1.0);
    let high = values.fold(1.0, f64::max);

    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (plot, _legend) = root.split_horizontally(590);
        let mut chart = ChartBuilder::on(&plot)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(
                (0.8..80.0).log_scale().with_key_points(PAIRS.map(f64::from).into()),
                (low / 1.5..high * 1.5).log_scale().with_key_points(ticks(low, high)),
            )?;
        chart
            .configure_mesh()
            .x_desc("queue pairs")
            .y_desc(what)
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .label_style((FONT, 14))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(0xdd, 0xdd, 0xdd))
            .draw()?;
        for (_, interface, batch, points) in &series {
            let style = ShapeStyle::from(colour(*interface)).stroke_width(2);
            if *batch {
                chart.draw_series(DashedLineSeries::new(points.iter().copied(), 6, 4, style))?;
            } else {
                chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
            }
            for at in points {
                marker(&root, *interface, chart.backend_coord(at), !batch)?;
            }
        }
        for (row, (name, interface, batch, _)) in (0..).zip(&series) {
            let y = 40 + 28 * row;
            marker(&root, *interface, (612, y), !batch)?;
            root.draw_text(name, &(FONT, 14).into_text_style(&root), (630, y - 8))?;
        }
        root.present()?;
    }
    Ok(out)
}

/// 1, 2 and 5 times the powers of ten from `low` to `high`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut power = 1.0;
    while power <= high * 1.5 {
        ticks.extend([1.0, 2.0, 5.0].map(|step| step * power));
        power *= 10.0;
    }
    ticks.retain(|tick| (low / 1.5..=high * 1.5).contains(tick));
    ticks
}

/// The cost of each kind of kick: a row for each interface, library filled and floor hollow.
fn kick(file: &ResultFile) -> Drawn {
    let mut rows: Vec<(String, Interface, Option<f64>, Option<f64>)> = Vec::new();
    for kind in KickKind::ALL {
        let scenario = Scenario::Kick(kind);
        for subject in scenario.subjects() {
            let median = |side| file.timing(scenario, subject, side).map(|timing| timing.figures.median);
            let (library, floor) = (median(Side::Library), median(Side::Floor));
            if library.is_some() {
                let name = format!("{kind} {}", subject.interface.thread_id());
                rows.push((name, subject.interface, library, floor));
            }
        }
    }
    let values = rows.iter().flat_map(|row| [row.2, row.3]).flatten();
    let low = values.clone().fold(f64::INFINITY, f64::min).min(1.0);
    let high = values.fold(1.0, f64::max);
    let count = rows.len().max(1) as f64;

    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(16)
            .margin_right(40)
            .x_label_area_size(44)
            .y_label_area_size(150)
            .build_cartesian_2d((low / 2.0..high * 2.0).log_scale(), -0.5..count - 0.5)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc(format!(
                "median time of a kick to its caller, {} kernel; filled: library, hollow: bare libc",
                file.run.kernel_half
            ))
            .x_labels(8)
            .x_label_formatter(&|ns| time(Some(*ns)))
            .y_labels(0)
            .label_style((FONT, 14))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(0xdd, 0xdd, 0xdd))
            .draw()?;
        for (row, (name, interface, library, floor)) in rows.iter().rev().enumerate() {
            let y = row as f64;
            for (figure, filled) in [(library, true), (floor, false)] {
                if let Some(x) = figure {
                    // Side by side, so that one doesn't hide the other.
                    let (x, y) = chart.backend_coord(&(*x, y));
                    marker(&root, *interface, (x, if filled { y - 7 } else { y + 7 }), filled)?;
                }
            }
            let (_, at) = chart.backend_coord(&(1.0, y));
            root.draw_text(name, &(FONT, 14).into_text_style(&root), (20, at - 8))?;
        }
        root.present()?;
    }
    Ok(out)
}
