//! Our raft and the published raft-rs 0.7 mixed in simulated clusters (`tests/peers/raft-oracle`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ketch_tests::seed;

/// Clusters simulated; each is a different mix of members and faults.
const SEEDS: u64 = 600;

#[test]
fn mixed_clusters_agree() -> Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/raft-oracle");
    // Beside our own artifacts, so that a clean removes both.
    let target = Path::new(env!("CARGO_BIN_EXE_protoc-shim")).with_file_name("raft-oracle");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--target-dir"])
        .arg(&target)
        .current_dir(package)
        .status()
        .context("starting cargo")?;
    ensure!(built.success(), "the oracle does not build");
    let first = seed::from_env("raft_oracle") % 1_000_000;
    let run = Command::new(target.join("debug/raft-oracle"))
        .args([first.to_string(), SEEDS.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    let last: Vec<&str> = said.lines().rev().take(12).collect();
    ensure!(run.status.success(), "{}: {last:#?}", run.status);
    println!("{}", String::from_utf8_lossy(&run.stdout));
    Ok(())
}
