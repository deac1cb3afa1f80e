//! `cargo xtask fuzz`: every fuzz target for a short while, on the stable toolchain.

use std::path::Path;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// Runs each binary of `fuzz/` for `seconds`.
pub(crate) fn run(root: &Path, seconds: u64) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root.join("fuzz"));
    // Sanitizer coverage is unstable in name only; the variable opens it on a stable compiler.
    let _unstable = shell.push_env("RUSTC_BOOTSTRAP", "1");
    let _flags = shell.push_env(
        "RUSTFLAGS",
        "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
         -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
         -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing -Ccodegen-units=1",
    );
    let triple = "x86_64-unknown-linux-gnu";
    cmd!(shell, "cargo build --release --target {triple}").run()?;
    let mut ran = 0;
    for path in shell.read_dir(shell.current_dir().join("fuzz_targets"))? {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let corpus = shell.current_dir().join("corpus").join(name);
        shell.create_dir(&corpus)?;
        let limit = seconds.to_string();
        cmd!(
            shell,
            "target/{triple}/release/{name} {corpus} -max_total_time={limit} -rss_limit_mb=2048 -timeout=10"
        )
        .run()?;
        ran += 1;
    }
    if ran == 0 {
        bail!("no fuzz target was found");
    }
    Ok(())
}
