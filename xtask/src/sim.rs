//! `cargo xtask sim`: simulated clusters, many seeds or one.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

/// Builds the simulator and hands over to its runner. A bug to plant needs a build of its own.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let planted = arguments.contains(&"--plant") || arguments.contains(&"--plants");
    let features: &[&str] = if planted { &["--features", "planted"] } else { &[] };
    cmd!(shell, "cargo build --quiet --profile sim -p ketch-sim {features...}").run()?;
    Ok(cmd!(shell, "target/sim/ketch-sim {arguments...}").run()?)
}

/// The checks find every bug that can be planted; without debug assertions, so that it is them
/// who do.
pub(crate) fn find_planted(root: &Path) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    let test = ["--features", "planted", "--test", "planted"];
    Ok(cmd!(shell, "cargo test --quiet --release -p ketch-sim {test...}").run()?)
}
