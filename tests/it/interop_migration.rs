//! A cluster of three etcds becomes one of ketch and then of etcd again, one member at a time,
//! under load: no acknowledged write is lost, a watch misses and repeats nothing.

use std::time::Instant;

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::load::Load;
use ketch_tests::process::Program;

const WRITERS: usize = 4;
/// Acknowledged between two steps, so that every step happens under load.
const BETWEEN: usize = 150;

#[tokio::test]
async fn there_and_back() -> Result<()> {
    migrate(Program::Etcd, Program::under_test()).await
}

#[tokio::test]
async fn from_the_release_before() -> Result<()> {
    one_way(Program::EtcdOld, Program::under_test()).await
}

async fn migrate(from: Program, to: Program) -> Result<()> {
    if !can_run(&[from, to]) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&[from; 3], &[]).await?;
    let load = Load::start(cluster.endpoints(), WRITERS);
    for kind in [to, from] {
        replace_all(&mut cluster, &load, kind).await?;
    }
    end(cluster, load).await
}

async fn one_way(from: Program, to: Program) -> Result<()> {
    if !can_run(&[from, to]) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&[from; 3], &[]).await?;
    let load = Load::start(cluster.endpoints(), WRITERS);
    replace_all(&mut cluster, &load, to).await?;
    end(cluster, load).await
}

async fn end(cluster: Cluster, load: Load) -> Result<()> {
    let report = load.stop().await?;
    println!("{report:?}");
    ensure!(report.resumed > 0, "no member with the watch has gone");
    cluster.equal_hashes().await?;
    cluster.finish()
}

/// Each member in turn is removed and one of `kind` takes its place.
async fn replace_all(cluster: &mut Cluster, load: &Load, kind: Program) -> Result<()> {
    for gone in cluster.running() {
        load.wait_acked(BETWEEN).await?;
        let began = Instant::now();
        let was = cluster.seats()[gone].member.program();
        let by = cluster.running().into_iter().find(|at| *at != gone).unwrap_or(gone);
        // As one would by hand: a leader hands over before it is removed.
        if cluster.wait_leader().await? == gone {
            cluster.move_leader(by).await?;
        }
        cluster.remove(by, gone).await?;
        cluster.kill(gone);
        load.set_endpoints(cluster.endpoints());
        load.wait_acked(BETWEEN).await?;
        let new = cluster.grow(by, kind).await?;
        load.set_endpoints(cluster.endpoints());
        cluster.wait_leader().await?;
        load.wait_acked(BETWEEN).await?;
        println!(
            "m{gone} {was:?} -> m{new} {kind:?}: {:?}, longest without a write {:?}",
            began.elapsed(),
            load.gap_since(began)
        );
    }
    let members = cluster.client(cluster.running()[0]).members(true).await?;
    ensure!(members.len() == 3 && members.iter().all(|member| !member.is_learner), "{members:?}");
    Ok(())
}
