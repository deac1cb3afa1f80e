//! `cargo xtask counts`: what the core's hot paths cost in instructions, against what is written.
//!
//! `ketch-counts` runs each path under valgrind (cachegrind without a cache) twice, with so many
//! times and with twice as many; the difference, divided by the times, is the figure. It depends
//! on the compiler, not on the machine or on what else runs there. Figures stand in
//! `crates/bench/counts.txt`; one that is more than 5 % above fails, and
//! `cargo xtask counts --update` writes those that are meant.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

/// Paths, and how often each runs for the smaller number.
const PATHS: &[(&str, u64)] = &[
    ("raft-propose", 2000),
    ("raft-replicate", 2000),
    ("wal-encode", 200),
    ("mvcc-put", 5000),
    ("mvcc-get", 5000),
    ("mvcc-range", 500),
    ("watch-match", 2000),
    ("apply-put", 5000),
];
const FILE: &str = "crates/bench/counts.txt";
/// Of a figure, in percent.
const GROWTH_MAX: f64 = 5.0;
const HEAD: &str = "\
# Instructions of one turn of each hot path; `cargo xtask counts --update` writes this file.
# A figure that grows by more than 5 % fails CI.
";

/// Measures, and compares with the file or writes it.
pub(crate) fn run(root: &Path, update: bool) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    ensure!(
        cmd!(shell, "valgrind --version").quiet().ignore_stdout().run().is_ok(),
        "valgrind is a tool to install: apt-get install valgrind"
    );
    cmd!(shell, "cargo build --release -p ketch-bench --bin ketch-counts").run()?;
    let written = shell.read_file(FILE).unwrap_or_default();
    let mut now = HEAD.to_owned();
    let mut grown = Vec::new();
    for (path, times) in PATHS {
        let figure = (instructions(&shell, path, 2 * times)? - instructions(&shell, path, *times)?)
            / *times as f64;
        let _ = writeln!(now, "{path} {figure:.0}");
        let before = figure_in(&written, path);
        let growth = before.map(|before| (figure / before - 1.0) * 100.0);
        match growth {
            Some(growth) => eprintln!("{path}: {figure:.0} ({growth:+.1} %)"),
            None => eprintln!("{path}: {figure:.0} (new)"),
        }
        if growth.is_none_or(|growth| growth > GROWTH_MAX) {
            grown.push(*path);
        }
    }
    if update {
        return Ok(shell.write_file(FILE, now)?);
    }
    if grown.is_empty() {
        return Ok(());
    }
    bail!("costs more than {FILE} says: {}; cargo xtask counts --update", grown.join(", "))
}

/// Whether the tool is there; on a machine of somebody's own it need not be.
pub(crate) fn possible() -> bool {
    let installed = Shell::new()
        .is_ok_and(|shell| cmd!(shell, "valgrind --version").quiet().ignore_stdout().run().is_ok());
    installed || std::env::var_os("CI").is_some()
}

fn figure_in(text: &str, path: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == path).and_then(|(_, figure)| figure.parse().ok())
}

/// Of a whole run.
fn instructions(shell: &Shell, path: &str, times: u64) -> Result<f64> {
    let tool = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
    let times = times.to_string();
    let output = cmd!(shell, "valgrind {tool...} target/release/ketch-counts {path} {times}")
        .quiet()
        .ignore_status()
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find_map(|line| line.split_once("I   refs:"));
    let (_, count) = line.with_context(|| format!("valgrind did not count {path}: {said}"))?;
    ensure!(output.status.success(), "{path} failed: {said}");
    Ok(count.trim().replace(',', "").parse()?)
}
