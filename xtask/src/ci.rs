//! `cargo xtask ci`: one command that says whether a change may land.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// Runs every check in order and stops at the first that fails; `fast` leaves out the tests of
/// running programs.
pub(crate) fn run(root: &Path, fast: bool) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    step("fmt", || Ok(cmd!(shell, "cargo fmt --all --check").run()?))?;
    step("tidy", || crate::tidy::run(root))?;
    step("codegen", || crate::codegen::run(root, true))?;
    step("deny", || {
        cmd!(shell, "cargo deny --log-level warn check bans licenses sources")
            .run()
            .context("cargo-deny is a tool to install: cargo install cargo-deny --locked")
    })?;
    step("clippy", || {
        Ok(cmd!(shell, "cargo clippy --workspace --all-targets --all-features -- -D warnings")
            .run()?)
    })?;
    step("unit tests", || {
        Ok(cmd!(shell, "cargo test --workspace --exclude ketch-tests --lib --bins").run()?)
    })?;
    // Crates are tried beside the real etcd too; without Go those tests say that they are skipped.
    if cmd!(shell, "go version").quiet().ignore_stdout().run().is_ok() {
        step("real etcd", || Ok(cmd!(shell, "sh tests/peers/build.sh").run()?))?;
    }
    step("crate tests", || {
        Ok(cmd!(shell, "cargo test --workspace --exclude ketch-tests --tests").run()?)
    })?;
    step("doc tests", || Ok(cmd!(shell, "cargo test --workspace --doc").run()?))?;
    step("docs", || {
        let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
        Ok(cmd!(shell, "cargo doc --workspace --no-deps --document-private-items").run()?)
    })?;
    if !fast {
        step("simulated clusters", || crate::sim::run(root, &["--seeds", "2000"]))?;
        step("planted bugs", || crate::sim::find_planted(root))?;
        step("programs", || Ok(cmd!(shell, "cargo build --release --bins").run()?))?;
        step("benchmark's answers", || {
            Ok(cmd!(shell, "target/release/ketch-bench --smoke").run()?)
        })?;
        if crate::counts::possible() {
            step("instructions", || crate::counts::run(root, false))?;
        }
        step("tests of the programs", || Ok(cmd!(shell, "cargo test -p ketch-tests").run()?))?;
        step("fuzz", || crate::fuzz::run(root, 20))?;
    }
    Ok(())
}

/// Builds the programs and hands over to the benchmark's own runner.
pub(crate) fn bench(root: &Path, arguments: &[&str]) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    cmd!(shell, "cargo build --release -p ketch-server -p ketch-bench -p ketch-utl -p ketch-ctl")
        .run()?;
    Ok(cmd!(shell, "target/release/ketch-bench {arguments...}").run()?)
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("== {name}");
    let start = Instant::now();
    run().with_context(|| format!("step {name:?} failed"))?;
    eprintln!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
