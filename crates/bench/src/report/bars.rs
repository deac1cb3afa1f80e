//! The bars: what was promised, beside what was measured.

mod rows;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{column, limit_column, names, number, statistics::median};
use crate::cells::Figures;
use crate::run::Results;
use crate::scale::Scale;
use rows::ROWS;

/// A rate whose p99 is above this is not served.
const SERVED_MS: f64 = 100.0;

/// A figure, and what was promised of it.
struct Row {
    text: &'static str,
    cell: &'static str,
    figure: Of,
    over: Over,
    unit: &'static str,
    bar: Bar,
    /// Whether a run of this scale is as large as the bar says.
    sized: fn(&Scale) -> bool,
}

/// Which figure of the cell.
#[derive(Clone, Copy)]
enum Of {
    One(&'static str),
    /// The worst of all whose names hold this.
    Worst(&'static str),
    /// "RATE a second: ..", the middle of the rates that both serve.
    Rates(&'static str),
}

/// What it is divided by.
#[derive(Clone, Copy)]
enum Over {
    Nothing,
    /// Another figure of the same run.
    Figure(&'static str),
    /// The limit's figure of the same name.
    Limit,
    /// The limit's figure of this name.
    LimitOf(&'static str),
}

#[derive(Clone, Copy)]
enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// ketch over etcd.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// To have come to the end.
    Survives,
    /// None: stands beside a bar so that it is read rightly.
    None,
}

/// A row with its figures.
struct Found {
    ketch: Option<f64>,
    etcd: Option<f64>,
    ratio: Option<f64>,
    verdict: String,
}

/// The Markdown table.
pub(super) fn table(scale: &Scale, all: &[Results]) -> String {
    let mut out = String::from("## The bars\n\n");
    out.push_str("| figure | bar | ketch | etcd | ketch / etcd | |\n|---|---|---|---|---|---|\n");
    for row in ROWS {
        let found = find(row, scale, all);
        let value = |value: Option<f64>| match value {
            Some(value) => format!("{} {}", number(value), row.unit).trim().to_owned(),
            None => "-".to_owned(),
        };
        let _ = writeln!(
            out,
            "| {}: {} | {} | {} | {} | {} | {} |",
            row.cell,
            row.text,
            row.bar.text(row.unit),
            value(found.ketch),
            value(found.etcd),
            found.ratio.map_or_else(|| "-".to_owned(), number),
            found.verdict,
        );
    }
    out.push('\n');
    out
}

/// The same for machines.
pub(super) fn json(scale: &Scale, all: &[Results]) -> Value {
    let one = |row: &Row| {
        let found = find(row, scale, all);
        json!({
            "cell": row.cell,
            "figure": row.text,
            "unit": row.unit,
            "bar": row.bar.text(row.unit),
            "ketch": found.ketch,
            "etcd": found.etcd,
            "ratio": found.ratio,
            "verdict": found.verdict,
        })
    };
    ROWS.iter().map(one).collect()
}

/// Figures that a bar is about and that a run of this cell did not give.
pub(crate) fn missing(cell: &str, figures: &Figures) -> Vec<String> {
    let has = |of: Of| match of {
        Of::One(name) => figures.contains_key(name),
        Of::Worst(part) => figures.keys().any(|name| name.contains(part)),
        Of::Rates(what) => figures.keys().any(|name| name.ends_with(&format!(" a second: {what}"))),
    };
    let rows = ROWS.iter().filter(|row| row.cell == cell);
    let gaps = rows.filter(|row| {
        let over = if let Over::Figure(name) = row.over { has(Of::One(name)) } else { true };
        !has(row.figure) || !over
    });
    gaps.map(|row| row.text.to_owned()).collect()
}

fn find(row: &Row, scale: &Scale, all: &[Results]) -> Found {
    let Some(results) = all.iter().find(|results| results.cell.id == row.cell) else {
        return Found::nothing("not run");
    };
    let (ours, theirs) = (values(row, results, "ketch"), values(row, results, "etcd"));
    let both = |a: &(String, f64)| {
        let b = theirs.iter().find(|b| b.0 == a.0)?;
        Some((a.0.clone(), a.1, b.1))
    };
    let pairs: Vec<(String, f64, f64)> = ours.iter().filter_map(both).collect();
    let mut which = None;
    let (ketch, etcd, ratio) = match (row.figure, row.bar) {
        (Of::Rates(_), _) => {
            let served: Vec<_> = pairs.iter().filter(|(_, a, b)| a.max(*b) <= SERVED_MS).collect();
            let middle = |pick: fn(f64, f64) -> f64| {
                median(&served.iter().map(|(_, a, b)| pick(*a, *b)).collect::<Vec<_>>())
            };
            (middle(|a, _| a), middle(|_, b| b), middle(|a, b| a / b))
        }
        // The one of which the ratio is the worst stands for all.
        (Of::Worst(_), Bar::RatioAtMost(_)) if !pairs.is_empty() => {
            let worst = pairs.iter().max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2)));
            which = worst.map(|(name, ..)| name.clone());
            (worst.map(|p| p.1), worst.map(|p| p.2), worst.map(|p| p.1 / p.2))
        }
        _ => {
            let largest = |of: &[(String, f64)]| of.iter().map(|p| p.1).max_by(f64::total_cmp);
            let (a, b) = (largest(&ours), largest(&theirs));
            (a, b, a.zip(b).map(|(a, b)| a / b).filter(|ratio| ratio.is_finite()))
        }
    };
    let mut verdict = verdict(row, scale, results, ketch, ratio);
    if let Some(which) = which {
        let _ = write!(verdict, " ({which})");
    }
    Found { ketch, etcd, ratio, verdict }
}

impl Found {
    fn nothing(why: &str) -> Self {
        Self { ketch: None, etcd: None, ratio: None, verdict: format!("not measured: {why}") }
    }
}

fn values(row: &Row, results: &Results, program: &str) -> Vec<(String, f64)> {
    let fits = |name: &String| match row.figure {
        Of::One(one) => name == one,
        Of::Worst(part) => name.contains(part),
        Of::Rates(what) => name.split_once(" a second: ").is_some_and(|(_, rest)| rest == what),
    };
    let below = |name: &str| match row.over {
        Over::Nothing => Some(1.0),
        Over::Figure(other) => median(&column(results, program, other)),
        Over::Limit => median(&limit_column(results, name)),
        Over::LimitOf(other) => median(&limit_column(results, other)),
    };
    let value = |name: String| {
        let value = median(&column(results, program, &name))? / below(&name)?;
        value.is_finite().then_some((name, value))
    };
    names(results).into_iter().filter(fits).filter_map(value).collect()
}

fn verdict(
    row: &Row,
    scale: &Scale,
    results: &Results,
    ketch: Option<f64>,
    ratio: Option<f64>,
) -> String {
    if let (None, Some(why)) = (ketch, results.failures.get("ketch")) {
        return format!("not measured: {why}");
    }
    let Some(met) = row.bar.met(ketch, ratio) else { return "not measured".to_owned() };
    let mut text = match (row.bar, met) {
        (Bar::None, _) => return String::new(),
        (_, true) => "met".to_owned(),
        (_, false) => "missed".to_owned(),
    };
    if !(row.sized)(scale) {
        text.push_str(", at a smaller size");
    }
    if results.pairs().steady == 0 {
        text.push_str(", unsteady");
    }
    text
}

impl Bar {
    fn met(self, ketch: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        Some(match self {
            Self::AtMost(bar) => ketch? <= bar,
            Self::AtLeast(bar) => ketch? >= bar,
            Self::RatioAtMost(bar) => ratio? <= bar,
            Self::RatioAtLeast(bar) => ratio? >= bar,
            Self::Survives => ketch.is_some(),
            Self::None => true,
        })
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(bar) => format!("<= {bar} {unit}").trim_end().to_owned(),
            Self::AtLeast(bar) => format!(">= {bar} {unit}").trim_end().to_owned(),
            Self::RatioAtMost(bar) => format!("<= {} of etcd's", number(bar)),
            Self::RatioAtLeast(bar) => format!(">= {bar} x etcd's"),
            Self::Survives => "no end for want of memory".to_owned(),
            Self::None => "(none)".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
