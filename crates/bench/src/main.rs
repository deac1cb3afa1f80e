//! Binary `ketch-bench`: ketch and etcd side by side, same generator, same durability, one run.
//!
//! `ketch-bench [CELLS] [--quick|--full] [--peer etcd|none] [--report DIR]`. Runs are interleaved
//! ketch, etcd, etcd, ketch; the report gives medians and the interval of their ratio.

mod calibration;
mod cells;
mod connection;
mod echo;
mod estimate;
mod frames;
mod limit;
mod load;
mod machine;
mod process;
mod report;
mod run;
mod scale;
mod smoke;
mod subject;
mod watchers;
mod wire;
mod workload;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;

use cells::{CELLS, Cell};
use machine::Bounds;
use process::Program;
use run::Runner;
use scale::{BAR_CELLS, Scale};

/// Less CPU per call than the system allocator; for the empty handler, as servers have it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// ketch beside etcd in one run.
#[derive(Parser)]
struct Arguments {
    /// Cells by id (P1, P2a, .., A2); an id's beginning names all of them (P, R1); all if none is
    /// named.
    cells: Vec<String>,
    /// Few short runs: all cells in some ten minutes.
    #[arg(long)]
    quick: bool,
    /// Many long runs.
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// What the table of bars and the pictures need, at the sizes that the bars name: 25 minutes.
    #[arg(long, conflicts_with_all = ["quick", "full"])]
    bars: bool,
    /// Only whether answers are right, ketch alone, in less than a minute.
    #[arg(long)]
    smoke: bool,
    /// What to compare with.
    #[arg(long, default_value = "etcd", value_parser = ["etcd", "none"])]
    peer: String,
    /// Where who runs: shared (all on all cores) or split (servers on core 0, generator on core 1).
    #[arg(long, default_value = "shared", value_parser = ["shared", "split"])]
    placement: String,
    /// The ketch binary.
    #[arg(long, default_value = "target/release/ketch")]
    ketch: PathBuf,
    /// The etcd binary.
    #[arg(long, default_value = "tests/peers/bin/etcd")]
    etcd: PathBuf,
    /// Where data directories are made; must be on a real disk.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Where the report goes: report.md, report.json and plots.
    #[arg(long, default_value = "target/bench/report")]
    report: PathBuf,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("echo") {
        return echo::serve(words.next().context("echo ADDRESS")?.parse()?);
    }
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.directory)?;
    let core = (arguments.placement == "split").then_some(0);
    if core.is_some() {
        stay_on(1)?;
    }
    let program = |name, path: &PathBuf| Program {
        name,
        path: path.clone(),
        flags: Vec::new(),
        core,
        tls: false,
    };
    let ketch = program("ketch", &arguments.ketch);
    if arguments.smoke {
        return smoke::run(&ketch, &arguments.directory);
    }
    let etcd = program("etcd", &arguments.etcd);
    let peer = match arguments.peer.as_str() {
        "none" => None,
        _ if !etcd.path.exists() => {
            bail!("{} is missing: run tests/peers/build.sh", etcd.path.display())
        }
        _ => Some(etcd),
    };
    let (scale, kind) = match (arguments.quick, arguments.full, arguments.bars) {
        (true, ..) => (Scale::QUICK, "--quick"),
        (_, true, _) => (Scale::FULL, "--full"),
        (.., true) => (Scale::BARS, "--bars"),
        _ => (Scale::USUAL, "usual"),
    };
    let chosen = if arguments.bars && arguments.cells.is_empty() {
        CELLS.iter().filter(|cell| BAR_CELLS.contains(&cell.id)).copied().collect()
    } else {
        choose(&arguments.cells)?
    };
    let bounds = Bounds::measure(&arguments.directory)?;
    let started = Instant::now();
    let base = arguments.directory.as_path();
    let runner = Runner { ketch, peer, base, scale, bounds, started };
    let results = runner.run(&chosen, &mut |results| println!("{}", report::table(results)));
    let about = report::About::gather(&runner, kind, &arguments.placement);
    report::write(&arguments.report, &about, &results)?;
    eprintln!("report: {}", arguments.report.display());
    Ok(())
}

/// Keeps this process, and what it starts, on one core.
fn stay_on(core: usize) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

fn choose(ids: &[String]) -> Result<Vec<Cell>> {
    let named = |cell: &&Cell, id: &str| -> bool {
        cell.id.get(..id.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(id))
    };
    for id in ids {
        if !CELLS.iter().any(|cell| named(&cell, id)) {
            bail!("no cell is called {id}");
        }
    }
    let wanted = |cell: &&Cell| ids.is_empty() || ids.iter().any(|id| named(cell, id));
    Ok(CELLS.iter().filter(wanted).copied().collect())
}
