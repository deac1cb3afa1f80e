//! Medians, ratios and their intervals, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cells::{Cell, Figures};

/// All runs of one cell: by program, in the order they ran.
pub(crate) type Runs = BTreeMap<&'static str, Vec<Figures>>;

/// Resamples for the interval of a ratio.
const RESAMPLES: usize = 2000;

/// The Markdown table of one cell.
pub(crate) fn table(cell: &Cell, runs: &Runs) -> String {
    let mut out = format!("### {}: {}\n\n", cell.id, cell.title);
    let _ = writeln!(out, "| figure | ketch | etcd | ketch / etcd (95 %) |");
    let _ = writeln!(out, "|---|---|---|---|");
    for name in names(runs) {
        let ours = column(runs, "ketch", name);
        let theirs = column(runs, "etcd", name);
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} |",
            cell_text(&ours),
            cell_text(&theirs),
            ratio_text(&ours, &theirs),
        );
    }
    let count = runs.values().map(Vec::len).min().unwrap_or(0);
    let _ = writeln!(out, "\n{count} runs of each, medians.\n");
    out
}

/// Everything, for machines.
pub(crate) fn json(all: &[(Cell, Runs)]) -> serde_json::Value {
    let cells = all.iter().map(
        |(cell, runs)| serde_json::json!({ "id": cell.id, "title": cell.title, "runs": runs }),
    );
    serde_json::Value::Array(cells.collect())
}

fn names(runs: &Runs) -> Vec<&'static str> {
    let mut names: Vec<_> = runs.values().flatten().flat_map(|run| run.keys().copied()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn column(runs: &Runs, program: &str, name: &str) -> Vec<f64> {
    let runs = runs.get(program).map(Vec::as_slice).unwrap_or_default();
    runs.iter().filter_map(|run| run.get(name).copied()).collect()
}

fn cell_text(values: &[f64]) -> String {
    median(values).map_or_else(|| "-".to_owned(), number)
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn ratio_text(ours: &[f64], theirs: &[f64]) -> String {
    let (Some(a), Some(b)) = (median(ours), median(theirs)) else { return "-".to_owned() };
    let (low, high) = interval(ours, theirs);
    format!("{:.2} ({low:.2} to {high:.2})", a / b)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Percentile bootstrap of the ratio of medians, with a fixed seed.
fn interval(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |values: &[f64]| -> f64 {
        let sample: Vec<f64> = values
            .iter()
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                values[(state % values.len() as u64) as usize]
            })
            .collect();
        median(&sample).unwrap_or(f64::NAN)
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES).map(|_| pick(ours) / pick(theirs)).collect();
    ratios.sort_by(f64::total_cmp);
    (ratios[RESAMPLES / 40], ratios[RESAMPLES - 1 - RESAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_intervals() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
        let (low, high) = interval(&[1.0, 1.0, 1.0], &[2.0, 2.0, 2.0]);
        assert_eq!((low, high), (0.5, 0.5));
    }
}
