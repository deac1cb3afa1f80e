//! `cargo xtask`: project tasks.

mod ci;
mod codegen;
mod counts;
mod fuzz;
mod sim;
mod tidy;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <task>

  ci [fast]            everything CI holds us to: fmt, tidy, deny, clippy, tests, doc tests, docs
  tidy                 the walls that no compiler sees
  codegen [--check]    Rust from proto/
  fuzz [seconds]       each fuzz target for a short while (default 20 s)
  sim [...]            simulated clusters: --seeds N, --from S, or --seed S to replay one
  counts [--update]    instructions of the core's hot paths, against those written down
  bench [...]          ketch beside etcd; see docs/performance.md";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    match words.as_slice() {
        ["ci"] => ci::run(&root, false),
        ["ci", "fast"] => ci::run(&root, true),
        ["tidy"] => tidy::run(&root),
        ["codegen"] => codegen::run(&root, false),
        ["codegen", "--check"] => codegen::run(&root, true),
        ["fuzz"] => fuzz::run(&root, 20),
        ["fuzz", seconds] => fuzz::run(&root, seconds.parse()?),
        ["sim", rest @ ..] => sim::run(&root, rest),
        ["counts"] => counts::run(&root, false),
        ["counts", "--update"] => counts::run(&root, true),
        ["bench", rest @ ..] => ci::bench(&root, rest),
        _ => bail!("{USAGE}"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
