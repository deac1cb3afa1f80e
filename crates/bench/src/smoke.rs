//! Whether the generator and ketch understand each other: every family of cells once, very short.
//!
//! Nothing is asserted about time. Every cell checks its answers itself: counts, revisions, rows,
//! events; a wrong one fails the smoke.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::cells::{Bench, CELLS, Cell, Figures, Needs, Unsupported, VALUE_BYTES};
use crate::process::Program;
use crate::report;
use crate::scale::Scale;
use crate::subject::Subject;

/// Cells that say nothing more about answers, or only about much data or time.
const LEFT_OUT: &[&str] =
    &["P2b", "P5a", "P5c", "P5d", "R1c", "R2c", "F1", "F3", "C2", "S2", "S2v", "S3f", "S4", "A1"];

const SCALE: Scale = Scale {
    warm_up: Duration::from_millis(20),
    measured: Duration::from_millis(150),
    rows: 2000,
    million: 5000,
    failovers: 1,
    list_rows: 1000,
    single_watchers: 2000,
    fan_out_events: 20_000,
    replayed: 500,
    leases: 100,
    history: 5000,
    overload: Duration::from_millis(500),
    storm: Duration::from_millis(500),
    rounds: 1,
    heavy_once: true,
    twice: &[],
};

/// Runs the cells on ketch alone.
pub(crate) fn run(ketch: &Program, base: &Path) -> Result<()> {
    let since = Instant::now();
    let cells: Vec<_> = CELLS.iter().filter(|cell| !LEFT_OUT.contains(&cell.id)).collect();
    let mut failed = Vec::new();
    for cell in &cells {
        let checked = one(ketch, base, **cell).and_then(|figures| of_bars(cell, figures));
        match checked.and_then(all_numbers) {
            Ok(figures) => eprintln!("{}: {figures} figures", cell.id),
            Err(error) => {
                eprintln!("{}: {error:#}", cell.id);
                failed.push(cell.id);
            }
        }
    }
    eprintln!("{} cells, {:.0} s", cells.len(), since.elapsed().as_secs_f64());
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// The figures; fails if one is missing that a bar is about.
fn of_bars(cell: &Cell, figures: Figures) -> Result<Figures> {
    let missing = report::bars::missing(cell.id, &figures);
    ensure!(figures.is_empty() || missing.is_empty(), "no figure for {}", missing.join(", "));
    Ok(figures)
}

/// How many figures; fails if one is none.
fn all_numbers(figures: Figures) -> Result<usize> {
    match figures.iter().find(|(_, value)| value.is_nan()) {
        Some((name, _)) => bail!("{name} has no value"),
        None => Ok(figures.len()),
    }
}

fn one(ketch: &Program, base: &Path, cell: Cell) -> Result<Figures> {
    let members = if let Needs::Fresh { members } = cell.needs { members } else { 1 };
    let subject = Subject::start(ketch, base, members)?;
    let filled = Figures::new();
    let mut bench = Bench { subject, program: ketch, base, scale: SCALE, filled };
    match cell.needs {
        Needs::Fresh { .. } => {}
        Needs::Rows => {
            bench.fill(SCALE.rows, VALUE_BYTES)?;
        }
        Needs::Million => bench.fill_million()?,
    }
    match (cell.run)(&mut bench) {
        Err(error) if error.is::<Unsupported>() => Ok(Figures::new()),
        other => other,
    }
}
