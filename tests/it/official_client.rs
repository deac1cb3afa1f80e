//! The official Go client's conformance program (`tests/peers/conformance`) against the server.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};

/// Fewer lines than this and the program has lost checks.
const CHECKS: usize = 18;

#[test]
fn the_official_client_is_content() -> Result<()> {
    let Some(conformance) = peers::find("conformance") else { return Ok(()) };
    let mut member = Member::start(Program::under_test(), Options::default())?;
    let mut client = Command::new(conformance)
        .arg(member.endpoint())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answers = client.stdin.take().context("piped")?;
    let said = BufReader::new(client.stdout.take().context("piped")?);
    let (mut passed, mut failed) = (0, Vec::new());
    for line in said.lines() {
        let line = line?;
        println!("{line}");
        if line == "RESTART" {
            member.kill();
            member.restart()?;
            writeln!(answers, "up")?;
        } else if line.starts_with("ok ") {
            passed += 1;
        } else {
            failed.push(line);
        }
    }
    let status = client.wait()?;
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    ensure!(status.success() && passed == CHECKS, "{passed} checks, {status}");
    Ok(())
}
