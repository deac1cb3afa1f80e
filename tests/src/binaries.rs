//! Where the programs under test are: `ketch`, `ketchctl`, `ketchutl`.
//!
//! `KETCH_BIN_DIR` names the folder; without it the programs are built beside the test
//! executable, in its profile, so that a test never runs yesterday's server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// The path of one of our programs.
///
/// # Panics
/// When the programs are neither given nor can be built: no test has a meaning then.
pub fn path(name: &str) -> PathBuf {
    let found = FOLDER.get_or_init(locate).join(name);
    assert!(found.is_file(), "no program {}", found.display());
    found
}

fn locate() -> PathBuf {
    if let Some(given) = std::env::var_os("KETCH_BIN_DIR") {
        return PathBuf::from(given);
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/it-0123abcd
    let folder = test.ancestors().nth(2).expect("a test lies in target/<profile>/deps");
    build(folder);
    folder.to_path_buf()
}

fn build(folder: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "ketch-server", "-p", "ketch-ctl", "-p", "ketch-utl"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = cargo.status().is_ok_and(|status| status.success());
    assert!(built, "cargo build of the programs under test failed");
}
