//! The two pictures, as SVG text that reads well on a light page and on a dark one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Result;
use crate::report::{Curve, Report};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 430.0;
/// Left, top, right, bottom of the plot; names of curves stand to its right.
const PLOT: (f64, f64, f64, f64) = (78.0, 62.0, 600.0, 366.0);
/// Between two names.
const NAME_PITCH: f64 = 17.0;

/// Colours of a light page and of a dark one; the first is docbox's.
const COLOURS: [(&str, &str); 7] = [
    ("#c2410c", "#fb923c"),
    ("#1d4ed8", "#7aa7ff"),
    ("#0891b2", "#4fd1e8"),
    ("#15803d", "#5fd38a"),
    ("#a21caf", "#e58cf0"),
    ("#a16207", "#e3c04e"),
    ("#6b7280", "#9ca3af"),
];

struct Picture {
    name: &'static str,
    title: &'static str,
    subtitle: &'static str,
    x: &'static str,
    /// By ratios, or by differences from nothing.
    y_is_ratio: bool,
}

const PICTURES: [Picture; 2] = [
    Picture {
        name: "threads",
        title: "Commits a second over committing threads",
        subtitle: "one document of 1 KB and one event of 300 B each, durable on return; higher is better",
        x: "threads",
        y_is_ratio: true,
    },
    Picture {
        name: "documents",
        title: "Commit latency over documents in the store, µs (median)",
        subtitle: "one thread, 1,000 of the documents hot; lower is better",
        x: "documents",
        y_is_ratio: false,
    },
];

/// Writes those pictures of which there are curves.
pub fn write_docs(report: &Report, docs: &Path) -> Result<()> {
    for picture in PICTURES {
        let curves: Vec<&Curve> =
            report.curves.iter().filter(|curve| curve.picture == picture.name).collect();
        if !curves.is_empty() {
            let file = docs.join(format!("performance-{}.svg", picture.name));
            fs::write(file, draw(&picture, &curves)?)?;
        }
    }
    Ok(())
}

fn draw(picture: &Picture, curves: &[&Curve]) -> Result<String> {
    let scale = Scale::of(picture, curves);
    let mut svg = String::new();
    head(&mut svg, picture)?;
    grid(&mut svg, picture, &scale)?;
    let names = names(curves, &scale);
    // The first, docbox's, on top of the others.
    for (at, curve) in curves.iter().enumerate().rev() {
        let points: Vec<(f64, f64)> =
            curve.points.iter().map(|(x, y)| (scale.x(*x), scale.y(*y))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let grey = COLOURS.len() - 1;
        let class = if curve.name.starts_with("floor") { grey } else { at % grey };
        writeln!(svg, "<polyline class=\"l c{class}\" points=\"{}\"/>", path.join(" "))?;
        for (x, y) in &points {
            writeln!(svg, "<circle class=\"d c{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>")?;
        }
        if let Some((x, y)) = points.last() {
            let name_y = names[at];
            let (from, to) = (x + 5.0, PLOT.2 + 12.0);
            writeln!(svg, "<path class=\"lead\" d=\"M{from:.1} {y:.1}L{to:.1} {name_y:.1}\"/>")?;
            let last = curve.points.last().map_or(0.0, |(_, y)| *y);
            writeln!(
                svg,
                "<text class=\"t{class}\" x=\"{:.1}\" y=\"{:.1}\">{} · {}</text>",
                to + 4.0,
                name_y + 4.0,
                curve.name,
                short(last)
            )?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn head(svg: &mut String, picture: &Picture) -> Result<()> {
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\" font-family=\"system-ui, sans-serif\">",
        picture.title
    )?;
    let mut dark = String::new();
    svg.push_str("<style>\ntext{font-size:12px}.title{font-size:16px;font-weight:600}\n.page{fill:#ffffff}.a{fill:#4b5563}.h{fill:#111827}.g{stroke:#e5e7eb}");
    svg.push_str(".lead{stroke:#9ca3af;stroke-width:.7;fill:none}.l{fill:none;stroke-width:2}\n");
    for (at, (light, on_dark)) in COLOURS.iter().enumerate() {
        writeln!(svg, ".l.c{at}{{stroke:{light}}}.d.c{at},.t{at}{{fill:{light}}}")?;
        write!(dark, ".l.c{at}{{stroke:{on_dark}}}.d.c{at},.t{at}{{fill:{on_dark}}}")?;
    }
    writeln!(
        svg,
        ".l.c0{{stroke-width:3.2}}.t0{{font-weight:700}}\n@media (prefers-color-scheme: dark){{\
         .page{{fill:#0d1117}}.a{{fill:#9ca3af}}.h{{fill:#f3f4f6}}.g{{stroke:#2a313c}}{dark}}}\n</style>"
    )?;
    writeln!(svg, "<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>")?;
    writeln!(svg, "<text class=\"h title\" x=\"20\" y=\"28\">{}</text>", picture.title)?;
    writeln!(svg, "<text class=\"a\" x=\"20\" y=\"47\">{}</text>", picture.subtitle)?;
    Ok(())
}

fn grid(svg: &mut String, picture: &Picture, scale: &Scale) -> Result<()> {
    let (left, _, right, bottom) = PLOT;
    for value in &scale.y_marks {
        let y = scale.y(*value);
        writeln!(svg, "<path class=\"g\" d=\"M{left} {y:.1}H{right}\"/>")?;
        writeln!(
            svg,
            "<text class=\"a\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 9.0,
            y + 4.0,
            short(*value)
        )?;
    }
    for value in &scale.x_marks {
        let x = scale.x(*value);
        writeln!(
            svg,
            "<text class=\"a\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 20.0,
            short(*value)
        )?;
    }
    writeln!(
        svg,
        "<text class=\"a\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(left, right),
        bottom + 42.0,
        picture.x
    )?;
    Ok(())
}

/// Where the name of each curve stands: beside its end, and none on another.
fn names(curves: &[&Curve], scale: &Scale) -> Vec<f64> {
    let mut ends: Vec<(usize, f64)> = curves
        .iter()
        .enumerate()
        .map(|(at, curve)| (at, curve.points.last().map_or(PLOT.3, |(_, y)| scale.y(*y))))
        .collect();
    ends.sort_unstable_by(|one, other| one.1.total_cmp(&other.1));
    let mut places = vec![0.0; ends.len()];
    let mut floor = f64::NEG_INFINITY;
    for (at, y) in &ends {
        floor = y.max(floor + NAME_PITCH);
        places[*at] = floor;
    }
    // What ran out at the bottom is pushed up again.
    let mut ceiling = PLOT.3 + NAME_PITCH;
    for (at, _) in ends.iter().rev() {
        ceiling = places[*at].min(ceiling - NAME_PITCH);
        places[*at] = ceiling;
    }
    places
}

struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    y_is_ratio: bool,
    x_marks: Vec<f64>,
    y_marks: Vec<f64>,
}

impl Scale {
    fn of(picture: &Picture, curves: &[&Curve]) -> Self {
        let mut x_marks: Vec<f64> =
            curves.iter().flat_map(|curve| &curve.points).map(|(x, _)| *x).collect();
        x_marks.sort_unstable_by(f64::total_cmp);
        x_marks.dedup();
        let x = (x_marks.first().copied().unwrap_or(1.0), x_marks.last().copied().unwrap_or(2.0));
        let ys = curves.iter().flat_map(|curve| &curve.points).map(|(_, y)| *y);
        let (low, high) = ys.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        let y_marks = if picture.y_is_ratio { ratio_marks(low, high) } else { even_marks(high) };
        let y = (y_marks.first().copied().unwrap_or(1.0), y_marks.last().copied().unwrap_or(2.0));
        Self { x, y, y_is_ratio: picture.y_is_ratio, x_marks, y_marks }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value / self.x.0).ln() / (self.x.1 / self.x.0).ln().max(f64::EPSILON);
        PLOT.0 + 12.0 + share * (PLOT.2 - PLOT.0 - 24.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = if self.y_is_ratio {
            (value / self.y.0).ln() / (self.y.1 / self.y.0).ln().max(f64::EPSILON)
        } else {
            (value - self.y.0) / (self.y.1 - self.y.0).max(f64::EPSILON)
        };
        PLOT.3 - share * (PLOT.3 - PLOT.1)
    }
}

/// 1, 2, 5, 10, 20, 50 … around the values.
fn ratio_marks(low: f64, high: f64) -> Vec<f64> {
    let all = (0..9).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
    let all: Vec<f64> = all.collect();
    let first = all.iter().rposition(|mark| *mark <= low).unwrap_or(0);
    let last = all.iter().position(|mark| *mark >= high).unwrap_or(all.len() - 1);
    all[first..=last].to_vec()
}

/// From nothing up, in about five even steps.
fn even_marks(high: f64) -> Vec<f64> {
    let rough = high / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let mut marks = vec![0.0];
    while marks.last().is_some_and(|mark| *mark < high) {
        marks.push(marks.len() as f64 * step);
    }
    marks
}

/// `12500` as `12.5k`.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let text = if value >= 100.0 || unit.is_empty() {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    };
    format!("{}{unit}", text.trim_end_matches(".0"))
}
