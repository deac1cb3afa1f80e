//! The real etcd programs, built on demand from `tests/peers` by the Go toolchain.
//!
//! Without Go the tests that need them say so and pass as skipped; with `CI` set in the
//! environment a missing program is a failure, so that CI cannot silently compare nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();

/// The path of `name` (`etcd`, `etcd-3.6`, `etcdctl`, `etcdutl`, `conformance` or `waldump`), or
/// `None` when this machine cannot build it and the test should return at once.
///
/// # Panics
/// In CI, when the program cannot be had.
pub fn find(name: &str) -> Option<PathBuf> {
    match BUILT.get_or_init(build) {
        Ok(folder) => Some(folder.join(name)),
        Err(why) if in_ci() => panic!("CI must compare with the real etcd, but: {why}"),
        Err(why) => {
            eprintln!("SKIPPED: needs the real {name}: {why}");
            None
        }
    }
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "0" && value != "false")
}

fn build() -> Result<PathBuf, String> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let bin = peers.join("bin");
    if is_current(&peers) {
        return Ok(bin);
    }
    Command::new("go").arg("version").output().map_err(|why| format!("no Go toolchain ({why})"))?;
    let output = Command::new("sh")
        .arg(peers.join("build.sh"))
        .output()
        .map_err(|why| format!("build.sh does not start ({why})"))?;
    if output.status.success() {
        Ok(bin)
    } else {
        Err(format!("build.sh failed: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Built, and nothing it was built from is younger than the stamp `build.sh` leaves.
fn is_current(peers: &Path) -> bool {
    let Some(stamp) = modified(&peers.join("bin/.built")) else { return false };
    let mut sources = vec![peers.join("go.mod"), peers.join("go.sum"), peers.join("build.sh")];
    for folder in ["conformance", "waldump", "permissions", "old"] {
        if let Ok(entries) = std::fs::read_dir(peers.join(folder)) {
            sources.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    sources.iter().all(|source| modified(source).is_some_and(|at| at <= stamp))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}
