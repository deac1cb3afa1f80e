//! `--auth-token` in every form: who starts with it and who does not, and in which words.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program, Start};
use tempfile::TempDir;

/// After `--auth-token`; `$` stands for the folder of the keys.
const CASES: &[&str] = &[
    "foo",
    "simple",
    "simple,x",
    "simple,x=1",
    "simple,a=1,a=2",
    "simple,a=1=2",
    "jwt",
    "jwt,sign-method=none",
    "jwt,sign-method=XX",
    "jwt,sign-method=HS256",
    "jwt,sign-method=HS256,priv-key=$empty",
    "jwt,sign-method=HS256,priv-key=$nofile",
    "jwt,sign-method=HS256,priv-key=$junk,ttl=10",
    "jwt,sign-method=HS256,priv-key=$junk,pub-key=$nofile",
    "jwt,sign-method=HS256,priv-key=$junk,what=ever",
    "jwt,sign-method=HS256,priv-key=$junk,pub-key=$junk",
    "jwt,sign-method=HS256,pub-key=$junk",
    "jwt,sign-method=RS256",
    "jwt,sign-method=RS256,priv-key=$junk",
    "jwt,sign-method=RS256,pub-key=$junk",
    "jwt,sign-method=RS256,priv-key=$rsa.key,pub-key=$other.pub",
    "jwt,sign-method=PS384,priv-key=$rsa.key",
    "jwt,sign-method=RS256,pub-key=$rsa.pub",
    "jwt,sign-method=ES256,priv-key=$junk",
    "jwt,sign-method=ES256,pub-key=$junk",
    "jwt,sign-method=EdDSA,priv-key=$ed.key",
    "jwt,sign-method=EdDSA,pub-key=$junk",
];

#[test]
fn the_same_start_and_fail() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let folder = TempDir::with_prefix("ketch-auth-token-")?;
    keys(folder.path())?;
    let prefix = format!("{}/", folder.path().display());
    let mut differences = Vec::new();
    for case in CASES {
        let flag = case.replace('$', &prefix);
        let right = verdict(Program::Etcd, &flag)?;
        let found = verdict(Program::under_test(), &flag)?;
        println!("{case}: {right}");
        if right != found {
            differences.push(format!("{case}\n etcd {right}\n here {found}"));
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// The exit code and the reason, or that it serves.
fn verdict(program: Program, token: &str) -> Result<String> {
    let flags = ["--auth-token", token, "--unsafe-no-fsync"];
    let mut member = Member::prepare(program, Options::with_flags(&flags))?;
    Ok(match member.try_start()? {
        Start::Serving => "serves".to_owned(),
        Start::Ended { status, log } => {
            let fatal = log.lines().rev().find(|line| line.contains("\"level\":\"fatal\""));
            let reason = fatal.and_then(|line| line.split_once("\"error\":\"")).map(|(_, rest)| {
                rest.split("\",\"").next().unwrap_or_default().trim_end_matches("\"}").to_owned()
            });
            format!("{:?} {reason:?}", status.code())
        }
    })
}

fn keys(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("empty"), "")?;
    std::fs::write(folder.join("junk"), "neither PEM nor anything")?;
    for line in [
        "genrsa -out rsa.key 2048",
        "rsa -in rsa.key -pubout -out rsa.pub",
        "genrsa -out other.key 2048",
        "rsa -in other.key -pubout -out other.pub",
        "genpkey -algorithm ed25519 -out ed.key",
    ] {
        let mut openssl = Command::new("openssl");
        let output = openssl.args(line.split(' ')).current_dir(folder).output();
        let output = output.context("starting openssl")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
