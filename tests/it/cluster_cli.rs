//! `member *`, `move-leader` and `--cluster` on three members, three ways: what the real etcdctl
//! says on three etcds is right, on three of ours it judges the server; ketchctl on etcds is
//! judged itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::shell::Shell;
use ketch_tests::{binaries, peers};

/// `$Mn` is the id of a member; loose lines (`~`) hide numbers and widths.
const LINES: &[&str] = &[
    "etcdctl member list",
    "etcdctl member list -w table",
    "etcdctl member list -w fields | grep -v RaftTerm",
    "~ etcdctl member list -w json",
    "etcdctl member list --hex -w json | sed 's/\"raft_term\":[0-9]*//'",
    "~ etcdctl endpoint status --cluster",
    "~ etcdctl endpoint status --cluster -w table",
    // In the order of the answers; the port decides which name is masked.
    "~ etcdctl endpoint health --cluster | sed 's/:[0-9]*//2' | sort",
    "~ etcdctl endpoint hashkv --cluster",
    "etcdctl move-leader $M1",
    "etcdctl move-leader 4711",
    "etcdctl move-leader nonsense",
    "etcdctl move-leader",
    "etcdctl --endpoints $E1 move-leader $M2",
    "etcdctl member add",
    "etcdctl member add new",
    "etcdctl member add new --peer-urls nonsense",
    "etcdctl member promote $M1",
    "etcdctl member promote 4711",
    "etcdctl member promote",
    "etcdctl member update $M1",
    "etcdctl member update 4711 --peer-urls http://127.0.0.1:7",
    "etcdctl member remove",
    "etcdctl member remove 4711",
    "etcdctl member remove nonsense",
    "etcdctl member update $M1 --peer-urls $P1",
    "~ etcdctl member add new --peer-urls http://127.0.0.1:7 --learner \\
        | sed 's/[0-9a-f]\\{12,16\\}/ID/g' | grep -v ETCD_INITIAL_CLUSTER=",
    "etcdctl member remove $M1",
    "etcdctl --endpoints $E0 member list | grep -v unstarted",
];

#[tokio::test]
async fn commands_on_three_members() -> Result<()> {
    let tested = Program::under_test();
    if !can_run(&[tested, Program::Etcd]) {
        return Ok(());
    }
    let ctl = peers::find("etcdctl").context("asked for")?;
    let ours = if tested == Program::Ketch { binaries::path("ketchctl") } else { ctl.clone() };
    let ports = [(); 3].map(|()| SeatPorts::free());
    let right = said(Program::Etcd, &ctl, &ports).await?;
    let mut differences = String::new();
    for (who, kind, ctl) in [("the server", tested, &ctl), ("ketchctl", Program::Etcd, &ours)] {
        let found = said(kind, ctl, &ports).await?;
        for (line, (right, found)) in LINES.iter().zip(right.iter().zip(&found)) {
            if right != found {
                differences.push_str(&format!(
                    "\n{who} differs: {line}\n-- etcd\n{right}\n-- ours\n{found}\n"
                ));
            }
        }
    }
    ensure!(differences.is_empty(), "{differences}");
    Ok(())
}

async fn said(kind: Program, ctl: &Path, ports: &[SeatPorts]) -> Result<Vec<String>> {
    let mut cluster = Cluster::start_on(&[kind; 3], &[], ports).await?;
    cluster.wait_settled().await?;
    cluster.move_leader(0).await?;
    // Members just started count as unhealthy when another is to be added.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut ids = Vec::new();
    for at in 0..3 {
        ids.push(cluster.id(at).await?);
    }
    let address = |at: usize| cluster.seats()[at].member.address();
    let mut shell = Shell::new(ctl, ctl, &address(0))?;
    let mut said = Vec::new();
    for line in LINES {
        let mut line = (*line).to_owned();
        for (at, id) in ids.iter().enumerate() {
            line = line.replace(&format!("$M{at}"), &format!("{id:x}"));
            line = line.replace(&format!("$E{at}"), &address(at));
            line = line.replace(&format!("$P{at}"), cluster.seats()[at].peer_url());
        }
        said.push(shell.run(&line)?);
    }
    cluster.finish()?;
    Ok(said)
}
