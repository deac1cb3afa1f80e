//! Lines in a frame, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 80.0;
/// First and second program; told apart in grey, too.
const COLOURS: [&str; 2] = ["#0b6e99", "#d1663c"];

/// One line.
pub(super) struct Series {
    pub(super) name: String,
    /// Whether it has the second colour.
    pub(super) second: bool,
    pub(super) dashed: bool,
    pub(super) points: Vec<(f64, f64)>,
}

/// A picture.
pub(super) struct Plot {
    title: String,
    x: String,
    y: String,
    note: String,
    logarithmic: bool,
    pub(super) series: Vec<Series>,
}

/// One direction: from values to places.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, logarithmic: bool, from: f64, to: f64) -> Self {
        let fit = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0));
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in fit {
            low = low.min(value);
            high = high.max(value);
        }
        if !logarithmic {
            low = low.min(0.0);
        }
        if low >= high {
            (low, high) = if logarithmic { (1.0, 10.0) } else { (0.0, 1.0) };
        }
        Self { low, high, logarithmic, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + part * (self.to - self.from)
    }

    /// 1, 2, 5 and their tens.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let first = self.low.log10().floor() as i32;
            let decades = (first..=self.high.log10().ceil() as i32).map(|at| 10_f64.powi(at));
            let all = decades.flat_map(|decade| [decade, 2.0 * decade, 5.0 * decade]);
            return all.filter(|at| *at >= self.low * 0.999 && *at <= self.high * 1.001).collect();
        }
        let rough = (self.high - self.low) / 6.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * decade >= rough);
        let step = step.unwrap_or(10.0) * decade;
        let count = ((self.high - self.low) / step) as usize;
        let first = (self.low / step).ceil() * step;
        (0..=count).map(|at| first + at as f64 * step).filter(|at| *at <= self.high).collect()
    }
}

impl Plot {
    pub(super) fn new(title: &str, x: &str, y: &str) -> Self {
        let (title, x, y) = (title.to_owned(), x.to_owned(), y.to_owned());
        Self { title, x, y, note: String::new(), logarithmic: false, series: Vec::new() }
    }

    pub(super) fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// A line of small print.
    pub(super) fn note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }

    pub(super) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::new(points().map(|p| p.0), self.logarithmic, LEFT, WIDTH - RIGHT);
        let y = Axis::new(points().map(|p| p.1), self.logarithmic, HEIGHT - BOTTOM, TOP);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
        );
        text(&mut out, LEFT, 22.0, "start", 14, &self.title);
        self.frame(&mut out, x, y);
        for (number, series) in self.series.iter().enumerate() {
            line(&mut out, series, x, y);
            legend(&mut out, number, series);
        }
        text(&mut out, LEFT, HEIGHT - 10.0, "start", 9, &self.note);
        out.push_str("</svg>\n");
        out
    }

    fn frame(&self, out: &mut String, x: Axis, y: Axis) {
        for at in x.ticks() {
            let place = x.place(at);
            rule(out, (place, TOP), (place, HEIGHT - BOTTOM));
            text(out, place, HEIGHT - BOTTOM + 16.0, "middle", 11, &label(at));
        }
        for at in y.ticks() {
            let place = y.place(at);
            rule(out, (LEFT, place), (WIDTH - RIGHT, place));
            text(out, LEFT - 6.0, place + 4.0, "end", 11, &label(at));
        }
        text(out, WIDTH - RIGHT, HEIGHT - BOTTOM + 32.0, "end", 11, &self.x);
        text(out, 8.0, TOP - 6.0, "start", 11, &self.y);
    }
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#ddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn line(out: &mut String, series: &Series, x: Axis, y: Axis) {
    let mut path = String::new();
    for (number, point) in series.points.iter().enumerate() {
        let letter = if number == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{:.1} {:.1}", x.place(point.0), y.place(point.1));
    }
    let colour = COLOURS[usize::from(series.second)];
    let dashes = if series.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>"
    );
}

fn legend(out: &mut String, number: usize, series: &Series) {
    let (left, top) = (LEFT + 150.0 * number as f64, HEIGHT - 28.0);
    let colour = COLOURS[usize::from(series.second)];
    let dashes = if series.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
    let _ = writeln!(
        out,
        "<path d=\"M{left} {top}h24\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>"
    );
    text(out, left + 30.0, top + 4.0, "start", 12, &series.name);
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{words}</text>"
    );
}

fn label(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{}k", value / 1000.0),
        value if value >= 1.0 || value == 0.0 => format!("{value}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let axis = |low: f64, high, log| Axis::new([low, high].into_iter(), log, 0.0, 1.0);
        assert_eq!(axis(0.0, 30.0, false).ticks(), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(axis(1.0, 20.0, true).ticks(), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert!((axis(1.0, 100.0, true).place(10.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_picture_holds_its_words() {
        let mut plot = Plot::new("a < b", "x", "y").note("small");
        let points = vec![(1.0, 2.0), (3.0, 4.0)];
        plot.series.push(Series { name: "one".to_owned(), second: false, dashed: true, points });
        let svg = plot.svg();
        assert!(svg.contains("a &lt; b") && svg.contains("small") && svg.contains("one"));
    }
}
