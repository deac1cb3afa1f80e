//! A cluster of three out of one snapshot: `snapshot restore` for each member, in every pairing
//! of the programs, with revisions bumped and the past marked as compacted.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::peers;
use ketch_tests::process::Program;
use tempfile::TempDir;

const BUMP: i64 = 1_000_000;

#[tokio::test]
async fn three_rise_from_one_snapshot() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    restored(&kinds, &[]).await
}

#[tokio::test]
async fn a_mixed_cluster_rises_from_one_snapshot() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test(), Program::Etcd];
    if !can_run(&kinds) {
        return Ok(());
    }
    restored(&kinds, &["--bump-revision", "1000000", "--mark-compacted"]).await
}

async fn restored(kinds: &[Program], flags: &[&str]) -> Result<()> {
    let folder = TempDir::with_prefix("ketch-restore-")?;
    let snapshot = folder.path().join("snap.db");
    let mut source = Cluster::start(&kinds[..1], &[]).await?;
    for n in 0..50 {
        source.client(0).put(&format!("k{n}"), &n.to_string()).await?;
    }
    source.wait_leader().await?;
    save(kinds[0], &source.seats()[0].member.address(), &snapshot)?;
    let before = source.equal_hashes().await?;
    source.finish()?;

    let ports: Vec<SeatPorts> = kinds.iter().map(|_| SeatPorts::free()).collect();
    let mut cluster = Cluster::prepare(kinds, &[], &ports)?;
    cluster.restore(&[&snapshot], flags)?;
    cluster.spawn_all()?;
    cluster.wait_leader().await?;
    let after = cluster.equal_hashes().await?;
    let bumped = if flags.is_empty() { 0 } else { BUMP };
    ensure!(after.hash_revision == before.hash_revision + bumped, "{before:?}, {after:?}");
    for at in 0..3 {
        let read = cluster.client(at).get("k49").await?;
        ensure!(read.as_deref() == Some("49"), "{read:?}");
        cluster.client(at).put("k49", "49").await?;
    }
    if bumped > 0 {
        ensure!(after.compact_revision == after.hash_revision, "{after:?}");
    } else {
        ensure!(after.hash == before.hash, "{before:?}, {after:?}");
    }
    ensure!(cluster.client(0).members(true).await?.len() == 3, "three members");
    cluster.equal_hashes().await?;
    cluster.finish()
}

/// By the real etcdctl: what it takes any client of either server can.
fn save(_from: Program, address: &str, to: &Path) -> Result<()> {
    let ctl = peers::find("etcdctl").context("asked for with etcd")?;
    let mut command = Command::new(ctl);
    command.args(["--endpoints", address, "snapshot", "save"]).arg(to);
    let output = command.output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}
