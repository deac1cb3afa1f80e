//! The published Rust client (`tests/peers/rust-client`) against the server.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};

#[test]
fn the_rust_client_is_content() -> Result<()> {
    let program = Program::under_test();
    if program == Program::Etcd && peers::find("etcd").is_none() {
        return Ok(());
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/rust-client");
    // Beside our own artifacts, so that a clean removes both.
    let target = Path::new(env!("CARGO_BIN_EXE_protoc-shim")).with_file_name("rust-client");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--target-dir"])
        .arg(&target)
        .env("PROTOC", env!("CARGO_BIN_EXE_protoc-shim"))
        .current_dir(package)
        .status()
        .context("starting cargo")?;
    ensure!(built.success(), "the client does not build");
    let member = Member::start(program, Options::default())?;
    let client = Command::new(target.join("debug/rust-client")).arg(member.endpoint()).output()?;
    let said = String::from_utf8_lossy(&client.stderr);
    ensure!(client.status.success() && client.stdout == b"ok\n", "{}: {said}", client.status);
    Ok(())
}
