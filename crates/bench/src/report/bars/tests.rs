//! Bars against made-up results.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::calibration::Calibration;
use crate::cells::CELLS;
use crate::limit::SYNCED_APART;
use crate::run::Sample;

fn results(id: &str, samples: &[(&'static str, &[(&str, f64)])]) -> Results {
    let cell = *CELLS.iter().find(|cell| cell.id == id).expect("a cell");
    let mut by_program: BTreeMap<&'static str, Vec<Sample>> = BTreeMap::new();
    for (program, figures) in samples {
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let before = Calibration::still(Instant::now());
        let after = Calibration::still(Instant::now() + Duration::from_secs(1));
        let sample = Sample { figures, pair: 0, before, after, seconds: 1.0, memory: Vec::new() };
        by_program.entry(program).or_default().push(sample);
    }
    let limit = [("p50 ms", 0.2), (SYNCED_APART, 0.25)];
    let limits = vec![limit.map(|(name, value)| (name.to_owned(), value)).into()];
    Results { cell, samples: by_program, failures: BTreeMap::new(), limits }
}

fn verdicts(results: Results, scale: &Scale) -> Vec<String> {
    let (id, all) = (results.cell.id, [results]);
    let rows = ROWS.iter().filter(|row| row.cell == id);
    rows.map(|row| {
        let Found { ketch, ratio, verdict, .. } = find(row, scale, &all);
        let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        format!("{} {} {verdict}", text(ketch), text(ratio))
    })
    .collect()
}

#[test]
fn every_row_has_its_cell() {
    for row in ROWS {
        assert!(CELLS.iter().any(|cell| cell.id == row.cell), "{}", row.cell);
        assert!(crate::scale::BAR_CELLS.contains(&row.cell), "{} is not run", row.cell);
    }
}

#[test]
fn absolute_and_relative() {
    let ketch: &[_] = &[("server CPU us per op", 24.0), ("ops per second", 50.0)];
    let etcd: &[_] = &[("server CPU us per op", 60.0), ("ops per second", 20.0)];
    let found = verdicts(results("P2a", &[("ketch", ketch), ("etcd", etcd)]), &Scale::BARS);
    assert_eq!(found, ["24.0 0.40 met", "50.0 2.50 missed"]);
    let alone = verdicts(results("P2a", &[("ketch", ketch)]), &Scale::BARS);
    assert_eq!(alone, ["24.0 - met", "50.0 - not measured"]);
}

#[test]
fn over_the_limit() {
    let found = verdicts(results("P1", &[("ketch", &[("p50 ms", 0.25)])]), &Scale::BARS);
    assert_eq!(found, ["1.25 - met", "1.00 - "]);
}

#[test]
fn rates_that_both_serve() {
    let ketch: &[_] = &[
        ("500 a second: p99 ms", 1.0),
        ("1000 a second: p99 ms", 1.0),
        ("2000 a second: p99 ms", 5.0),
        ("4000 a second: p99 ms", 1.0),
    ];
    let etcd: &[_] = &[
        ("500 a second: p99 ms", 2.0),
        ("1000 a second: p99 ms", 4.0),
        ("2000 a second: p99 ms", 200.0),
    ];
    let found = verdicts(results("P2r", &[("ketch", ketch), ("etcd", etcd)]), &Scale::BARS);
    // A half and a quarter; the third is not served by etcd, the fourth was not tried there.
    assert_eq!(found, ["1.00 0.38 missed"]);
}

#[test]
fn the_worst_of_several_and_a_smaller_size() {
    let ketch: &[_] = &[
        ("unary, 1 at once: s", 1.0),
        ("unary, 5 at once: s", 3.0),
        ("unary, 1 at once: peak above idle MiB", 9.0),
        ("unary, 5 at once: peak above idle MiB", 70.0),
    ];
    let etcd: &[_] = &[("unary, 1 at once: s", 2.0), ("unary, 5 at once: s", 4.0)];
    let found = verdicts(results("R5", &[("ketch", ketch), ("etcd", etcd)]), &Scale::QUICK);
    let small = ", at a smaller size";
    let slowest = "unary, 5 at once: s";
    let expected = [format!("70.0 - missed{small}"), format!("3.00 0.75 met{small} ({slowest})")];
    assert_eq!(found, expected);
}

#[test]
fn gaps() {
    let figures = Figures::from([("put p99 ms with".to_owned(), 1.0)]);
    assert_eq!(missing("W3", &figures).len(), 2);
    assert_eq!(missing("P3", &figures).len(), 0);
}
