//! Binary `ketch-bench`: ketch and etcd side by side, same generator, same durability, one run.
//!
//! `ketch-bench [CELLS] [--quick|--full] [--peer etcd|none] [--json FILE]`. Rounds are interleaved
//! ketch, etcd, etcd, ketch; the report gives medians and the interval of their ratio.

mod cells;
mod connection;
mod frames;
mod load;
mod process;
mod report;
mod subject;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use cells::{CELLS, Cell, Scale};
use process::Program;
use report::Runs;

/// ketch beside etcd in one run.
#[derive(Parser)]
struct Arguments {
    /// Cells by id (P1, P2a, .., S); all if none is named.
    cells: Vec<String>,
    /// Few short rounds; finishes in some ten minutes.
    #[arg(long)]
    quick: bool,
    /// Many long rounds.
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// What to compare with.
    #[arg(long, default_value = "etcd", value_parser = ["etcd", "none"])]
    peer: String,
    /// The ketch binary.
    #[arg(long, default_value = "target/release/ketch")]
    ketch: PathBuf,
    /// The etcd binary.
    #[arg(long, default_value = "tests/peers/bin/etcd")]
    etcd: PathBuf,
    /// Where data directories are made; must be on a real disk.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Also write every run as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (scale, rounds) = scale(&arguments);
    let chosen = choose(&arguments.cells)?;
    std::fs::create_dir_all(&arguments.directory)?;
    let ketch = Program { name: "ketch", path: arguments.ketch.clone() };
    let etcd = Program { name: "etcd", path: arguments.etcd.clone() };
    let order: Vec<&Program> = match arguments.peer.as_str() {
        "none" => vec![&ketch],
        _ if !etcd.path.exists() => {
            bail!("{} is missing: run tests/peers/build.sh", etcd.path.display())
        }
        _ => vec![&ketch, &etcd, &etcd, &ketch],
    };
    let mut all: Vec<(Cell, Runs)> = Vec::new();
    for cell in chosen {
        let mut runs = Runs::new();
        let rounds = if cell.once() { 1 } else { rounds };
        for round in 0..rounds {
            for program in &order {
                eprintln!("{} round {}/{rounds}: {}", cell.id, round + 1, program.name);
                let figures = cell
                    .run(program, &arguments.directory, scale)
                    .with_context(|| format!("cell {} on {}", cell.id, program.name))?;
                runs.entry(program.name).or_default().push(figures);
            }
        }
        println!("{}", report::table(&cell, &runs));
        all.push((cell, runs));
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report::json(&all))?)?;
    }
    Ok(())
}

fn scale(arguments: &Arguments) -> (Scale, usize) {
    let seconds = Duration::from_secs;
    let (warm_up, measured, rounds, failovers) = if arguments.quick {
        (seconds(1), seconds(3), 1, 5)
    } else if arguments.full {
        (seconds(3), seconds(10), 4, 20)
    } else {
        (seconds(2), seconds(5), 2, 10)
    };
    (Scale { warm_up, measured, range_keys: 100_000, million: 1_000_000, failovers }, rounds)
}

fn choose(ids: &[String]) -> Result<Vec<Cell>> {
    if ids.is_empty() {
        return Ok(CELLS.to_vec());
    }
    ids.iter()
        .map(|id| {
            let found = CELLS.iter().find(|cell| cell.id.eq_ignore_ascii_case(id));
            found.copied().with_context(|| format!("no cell is called {id}"))
        })
        .collect()
}
