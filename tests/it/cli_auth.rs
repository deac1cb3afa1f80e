//! `auth *`, `user *`, `role *` and the flags that name a user, two ways: what the real etcdctl
//! says on the real etcd is right; ketchctl on another is judged.

use std::path::Path;
use std::thread;

use anyhow::{Result, ensure};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::shell::{Shell, parse_script};
use ketch_tests::{binaries, peers};

#[test]
fn users_and_roles() -> Result<()> {
    let Some(ctl) = peers::find("etcdctl") else { return Ok(()) };
    let ours = match Program::under_test() {
        Program::Ketch => binaries::path("ketchctl"),
        Program::Etcd | Program::EtcdOld => ctl.clone(),
    };
    let commands = parse_script(include_str!("scripts/cli_auth.txt"));
    let (right, found) = thread::scope(|scope| {
        let right = scope.spawn(|| said(&ctl, &commands));
        let found = scope.spawn(|| said(&ours, &commands));
        [right, found].map(|way| way.join().expect("the way's own panic is printed")).into()
    });
    let (right, found) = (right?, found?);
    let mut differences = String::new();
    for (command, (right, found)) in commands.iter().zip(right.iter().zip(&found)) {
        if right != found {
            differences
                .push_str(&format!("\n{command}\n-- etcdctl\n{right}\n-- ketchctl\n{found}\n"));
        }
    }
    ensure!(differences.is_empty(), "{differences}");
    Ok(())
}

fn said(ctl: &Path, commands: &[String]) -> Result<Vec<String>> {
    let member = Member::start(Program::Etcd, Options::default())?;
    let mut shell = Shell::new(ctl, ctl, &member.address())?;
    commands.iter().map(|command| Ok(without_stty(&shell.run(command)?))).collect()
}

/// etcdctl hides passwords with `stty`, which complains of a pipe.
fn without_stty(said: &str) -> String {
    let is_noise = |line: &&str| line.contains("stty: ") || line.trim_end() == "[stderr]";
    said.lines().filter(|line| !is_noise(line)).collect::<Vec<_>>().join("\n")
}
