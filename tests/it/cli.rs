//! Command lines three ways: the real etcdctl on the real etcd says what is right, the real
//! etcdctl on ketch judges the server, ketchctl on the real etcd judges ketchctl.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, bail};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::shell::{Shell, parse_script};
use ketch_tests::{binaries, peers};

fn same_output(script: &str) -> Result<()> {
    let Some((ctl, utl)) = peers::find("etcdctl").zip(peers::find("etcdutl")) else {
        return Ok(());
    };
    let commands = parse_script(script);
    let (our_ctl, our_utl) = our_programs(&ctl, &utl);
    let ways = [
        (Program::Etcd, &ctl, &utl),
        (Program::under_test(), &ctl, &utl),
        (Program::Etcd, &our_ctl, &our_utl),
    ];
    let mut said = thread::scope(|scope| {
        let commands = &commands;
        let threads = ways.map(|way| scope.spawn(move || run(way.0, way.1, way.2, commands)));
        threads.map(|thread| thread.join().expect("the way's own panic is printed"))
    });
    let [right, server, client] = &mut said;
    let right = std::mem::replace(right, Ok(Vec::new()))?;
    let mut differences = String::new();
    for (who, other) in [("the server", server), ("ketchctl", client)] {
        let other = std::mem::replace(other, Ok(Vec::new()))?;
        differences.push_str(&differing(who, &commands, &right, &other));
    }
    if differences.is_empty() { Ok(()) } else { bail!("{differences}") }
}

fn run(program: Program, ctl: &Path, utl: &Path, commands: &[String]) -> Result<Vec<String>> {
    let member = Member::start(program, Options::default())?;
    let mut shell = Shell::new(ctl, utl, &member.address())?;
    commands.iter().map(|command| shell.run(command)).collect()
}

fn differing(who: &str, commands: &[String], right: &[String], other: &[String]) -> String {
    let mut text = String::new();
    for (command, (right, other)) in commands.iter().zip(right.iter().zip(other)) {
        if right != other {
            text.push_str(&format!(
                "\n{who} differs: {command}\n-- etcd\n{right}\n-- ours\n{other}\n"
            ));
        }
    }
    text
}

/// Ours, or the real ones when the oracle judges itself.
fn our_programs(ctl: &Path, utl: &Path) -> (PathBuf, PathBuf) {
    match Program::under_test() {
        Program::Ketch => (binaries::path("ketchctl"), binaries::path("ketchutl")),
        Program::Etcd | Program::EtcdOld => (ctl.to_path_buf(), utl.to_path_buf()),
    }
}

macro_rules! scripts {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            same_output(include_str!(concat!("scripts/cli_", stringify!($name), ".txt")))
        }
    )*};
}

scripts! { kv watch lease cluster errors }
