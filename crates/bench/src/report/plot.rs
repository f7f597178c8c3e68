//! Draws the plots: told apart by colour, by marker and by dash, so that grey print and
//! colour-blind readers lose nothing.

use std::error::Error as StdError;

use plotters::coord::Shift;
use plotters::prelude::*;
use vhost_accel::Interface;

use super::chart::{Axis, Chart, Form, Row, Series, Stroke};
use crate::{Error, Result};

const WIDTH: u32 = 860;
const HEIGHT: u32 = 470;
/// Where the legend begins.
const LEGEND: i32 = 610;
const FONT: &str = "sans-serif";
const LETTERS: i32 = 14;
const GREY: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// The ends of an axis are at least so many times apart.
const LEAST_RANGE: f64 = 5.0;
/// How many markers a line with many points has.
const MARKERS: usize = 7;

/// The SVG of `chart`.
///
/// # Errors
/// [`Error::Plot`].
pub(super) fn draw(chart: &Chart) -> Result<String> {
    match &chart.form {
        Form::Lines { x, y, series } => lines(x, y, series),
        Form::Dots { x, rows } => dots(x, rows),
    }
    .map_err(Error::Plot)
}

type Drawn = std::result::Result<String, Box<dyn StdError + Send + Sync>>;
type Done = std::result::Result<(), Box<dyn StdError + Send + Sync>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// How an interface is drawn: Okabe and Ito's colours, which differ in lightness too.
fn colour(interface: Interface) -> RGBColor {
    match interface {
        Interface::VfioMsg => RGBColor(0xd5, 0x5e, 0x00),
        Interface::VfioIoctl => RGBColor(0x00, 0x72, 0xb2),
        Interface::VhostMdev => RGBColor(0x00, 0x9e, 0x73),
        Interface::VhostVdpa => RGBColor(0x00, 0x00, 0x00),
        Interface::Other(_) => RGBColor(0xcc, 0x79, 0xa7),
    }
}

/// Draws the marker of an interface at a pixel.
fn marker(area: &Area<'_>, interface: Interface, at: (i32, i32), filled: bool) -> Done {
    let stroke = ShapeStyle::from(colour(interface)).stroke_width(2);
    let style = if filled { stroke.filled() } else { stroke };
    let corners: &[(i32, i32)] = match interface {
        Interface::VfioMsg => return Ok(area.draw(&Circle::new(at, 5, style))?),
        Interface::VfioIoctl => &[(0, -6), (6, 5), (-6, 5), (0, -6)],
        Interface::VhostMdev => &[(-5, -5), (5, -5), (5, 5), (-5, 5), (-5, -5)],
        Interface::VhostVdpa => &[(0, -7), (7, 0), (0, 7), (-7, 0), (0, -7)],
        Interface::Other(_) => &[(0, 6), (6, -5), (-6, -5), (0, 6)],
    };
    let corners: Vec<_> = corners.iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect();
    if filled {
        area.draw(&Polygon::new(corners, style))?;
    } else {
        area.draw(&PathElement::new(corners, style))?;
    }
    Ok(())
}

/// The ends of an axis and its marks.
fn range(axis: &Axis, values: impl Iterator<Item = f64> + Clone) -> (f64, f64, Vec<f64>) {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(0.0, f64::max);
    // Figures that hardly differ are not to look as if they did.
    let (low, high) = (low / 1.25, high * 1.25);
    let widen = (LEAST_RANGE / (high / low)).max(1.0).sqrt();
    let (low, high) = (low / widen, high * widen);
    let marks = if axis.marks.is_empty() { ticks(low, high) } else { axis.marks.clone() };
    (low, high, marks.into_iter().filter(|mark| (low..=high).contains(mark)).collect())
}

/// Powers of ten from `low` to `high`, with 2 and 5 times them where they are few.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = match (high / low).log10() {
        decades if decades < 2.5 => &[1.0, 2.0, 5.0],
        decades if decades < 5.0 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let mut ticks = Vec::new();
    let mut power = 10_f64.powf(low.log10().floor());
    while power <= high {
        ticks.extend(steps.iter().map(|step| step * power));
        power *= 10.0;
    }
    ticks
}

fn lines(x: &Axis, y: &Axis, series: &[Series]) -> Drawn {
    let points = || series.iter().flat_map(|series| series.points.iter());
    let (left, right, across) = range(x, points().map(|point| point.0));
    let (low, high, up) = range(y, points().map(|point| point.1));

    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let (plot, _legend) = root.split_horizontally(LEGEND);
        let mut chart = ChartBuilder::on(&plot)
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(76)
            .build_cartesian_2d(
                (left..right).log_scale().with_key_points(across),
                (low..high).log_scale().with_key_points(up),
            )?;
        chart
            .configure_mesh()
            .x_desc(&x.label)
            .y_desc(&y.label)
            .x_labels(8)
            .y_labels(12)
            .x_label_formatter(&|mark| (x.write)(*mark))
            .y_label_formatter(&|mark| (y.write)(*mark))
            .label_style((FONT, LETTERS))
            .light_line_style(WHITE)
            .bold_line_style(GREY)
            .draw()?;
        for series in series {
            let style = ShapeStyle::from(colour(series.interface)).stroke_width(2);
            let points = series.points.iter().copied();
            match series.stroke {
                Stroke::Solid => chart.draw_series(LineSeries::new(points, style))?,
                Stroke::Dashed => chart.draw_series(DashedLineSeries::new(points, 7, 4, style))?,
                Stroke::Dotted => chart.draw_series(DashedLineSeries::new(points, 2, 4, style))?,
            };
            let every = series.points.len().div_ceil(MARKERS).max(1);
            for at in series.points.iter().step_by(every) {
                let filled = series.stroke == Stroke::Solid;
                marker(&root, series.interface, chart.backend_coord(at), filled)?;
            }
        }
        for (row, series) in (0..).zip(series) {
            legend(&root, series, 36 + 26 * row)?;
        }
        root.present()?;
    }
    Ok(out)
}

/// A line of the legend: the stroke, the marker on it, the name.
fn legend(root: &Area<'_>, series: &Series, y: i32) -> Done {
    let style = ShapeStyle::from(colour(series.interface)).stroke_width(2);
    let dashes: &[(i32, i32)] = match series.stroke {
        Stroke::Solid => &[(0, 36)],
        Stroke::Dashed => &[(0, 7), (29, 36)],
        Stroke::Dotted => &[(0, 2), (6, 8), (28, 30), (34, 36)],
    };
    for (from, to) in dashes {
        let ends = vec![(LEGEND + from, y), (LEGEND + to, y)];
        root.draw(&PathElement::new(ends, style))?;
    }
    marker(root, series.interface, (LEGEND + 18, y), series.stroke == Stroke::Solid)?;
    let text = (FONT, LETTERS).into_text_style(root);
    root.draw_text(&series.name, &text, (LEGEND + 46, y - 8))?;
    Ok(())
}

fn dots(x: &Axis, rows: &[Row]) -> Drawn {
    let values = rows.iter().flat_map(|row| [row.library, row.baseline]).flatten();
    let (left, right, across) = range(x, values);
    let count = rows.len().max(1) as f64;

    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(16)
            .margin_right(40)
            .x_label_area_size(48)
            .y_label_area_size(150)
            .build_cartesian_2d(
                (left / 1.5..right * 1.5).log_scale().with_key_points(across),
                -0.5..count - 0.5,
            )?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc(&x.label)
            .x_labels(9)
            .x_label_formatter(&|mark| (x.write)(*mark))
            .y_labels(0)
            .label_style((FONT, LETTERS))
            .light_line_style(WHITE)
            .bold_line_style(GREY)
            .draw()?;
        for (number, row) in rows.iter().rev().enumerate() {
            let y = number as f64;
            for (figure, filled) in [(row.library, true), (row.baseline, false)] {
                if let Some(x) = figure {
                    // Client by client, so that one doesn't hide the other.
                    let (x, y) = chart.backend_coord(&(x, y));
                    let y = if filled { y - 7 } else { y + 7 };
                    marker(&root, row.interface, (x, y), filled)?;
                }
            }
            let (_, at) = chart.backend_coord(&(left, y));
            root.draw_text(&row.name, &(FONT, LETTERS).into_text_style(&root), (20, at - 8))?;
        }
        root.present()?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_neither_too_few_marks_nor_too_many() {
        for high in [2.0, 10.0, 1e3, 1e6, 1e9] {
            let axis = Axis { label: String::new(), marks: Vec::new(), write: |_| String::new() };
            let (_, _, marks) = range(&axis, [1.0, high].into_iter());
            assert!((2..=12).contains(&marks.len()), "{high}: {marks:?}");
        }
    }
}
