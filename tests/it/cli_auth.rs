//! `auth *`, `user *`, `role *` and the flags that name a user, four ways: what the real etcdctl
//! says of the real etcd is right; the other three pairs of client and server say the same.

use std::path::Path;
use std::thread;

use anyhow::{Result, ensure};
use jsonwebtoken::Algorithm;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::shell::{Shell, parse_script};
use ketch_tests::{binaries, peers};
use tempfile::TempDir;

use crate::auth_signing;

const SECRET: &[u8] = b"what signs the tokens of the script";

#[test]
fn users_and_roles() -> Result<()> {
    same_output(include_str!("scripts/cli_auth.txt"), &["--bcrypt-cost", "4"], |_| Ok(()))
}

#[test]
fn signed_tokens() -> Result<()> {
    let folder = TempDir::with_prefix("ketch-cli-jwt-")?;
    let key = folder.path().join("secret");
    std::fs::write(&key, SECRET)?;
    let token = format!("jwt,sign-method=HS256,priv-key={},ttl=1h", key.display());
    let flags = ["--bcrypt-cost", "4", "--auth-token", &token];
    same_output(include_str!("scripts/cli_auth_signed.txt"), &flags, |work| {
        for (name, user, revision, offset_s) in [
            ("root", "root", 7, 3600),
            ("user", "u", 7, 3600),
            ("old", "root", 1, 3600),
            ("over", "root", 7, -60),
            ("nobody", "who", 7, 3600),
        ] {
            let end = auth_signing::at(offset_s);
            let claims = format!(r#"{{"username":"{user}","revision":{revision},"exp":{end}}}"#);
            std::fs::write(work.join(name), auth_signing::hs256(&claims, SECRET)?)?;
        }
        let claims = r#"{"username":"root","revision":7}"#;
        let header = r#"{"alg":"HS512","typ":"JWT"}"#;
        let other = auth_signing::hmac(header, claims, Algorithm::HS512, SECRET)?;
        Ok(std::fs::write(work.join("method"), other)?)
    })
}

fn same_output(
    script: &str,
    flags: &[&str],
    prepare: impl Fn(&Path) -> Result<()> + Sync,
) -> Result<()> {
    let Some(ctl) = peers::find("etcdctl") else { return Ok(()) };
    let ours = match Program::under_test() {
        Program::Ketch => binaries::path("ketchctl"),
        Program::Etcd | Program::EtcdOld => ctl.clone(),
    };
    let tested = Program::under_test();
    let ways = [
        ("etcdctl to etcd", Program::Etcd, &ctl),
        ("etcdctl to ketch", tested, &ctl),
        ("ketchctl to etcd", Program::Etcd, &ours),
        ("ketchctl to ketch", tested, &ours),
    ];
    let commands = parse_script(script);
    let (commands, prepare) = (&commands, &prepare);
    let said: Vec<Result<Vec<String>>> = thread::scope(|scope| {
        let running = ways.map(|(_, program, ctl)| {
            scope.spawn(move || said(program, ctl, commands, flags, prepare))
        });
        running.map(|way| way.join().expect("the way's own panic is printed")).into()
    });
    let said: Vec<Vec<String>> = said.into_iter().collect::<Result<_>>()?;
    let mut differences = String::new();
    for ((way, ..), found) in ways.iter().zip(&said).skip(1) {
        for (command, (right, found)) in commands.iter().zip(said[0].iter().zip(found)) {
            if right != found {
                differences
                    .push_str(&format!("\n{command}\n-- right\n{right}\n-- {way}\n{found}\n"));
            }
        }
    }
    ensure!(differences.is_empty(), "{differences}");
    Ok(())
}

fn said(
    program: Program,
    ctl: &Path,
    commands: &[String],
    flags: &[&str],
    prepare: impl Fn(&Path) -> Result<()>,
) -> Result<Vec<String>> {
    let member = Member::start(program, Options::with_flags(flags))?;
    let mut shell = Shell::new(ctl, ctl, &member.address())?;
    prepare(&shell.work_dir())?;
    commands.iter().map(|command| Ok(without_stty(&shell.run(command)?))).collect()
}

/// etcdctl hides passwords with `stty`, which complains of a pipe.
fn without_stty(said: &str) -> String {
    let is_noise = |line: &&str| line.contains("stty: ") || line.trim_end() == "[stderr]";
    said.lines().filter(|line| !is_noise(line)).collect::<Vec<_>>().join("\n")
}
