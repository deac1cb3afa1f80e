//! Members find each other by a token in another cluster (v3 discovery), whichever program they
//! or that cluster run.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::process::Program;

#[tokio::test]
async fn a_mixed_cluster_finds_itself() -> Result<()> {
    discovered(&[Program::Etcd, Program::under_test(), Program::under_test()], Program::Etcd).await
}

#[tokio::test]
async fn etcds_find_each_other_by_the_tested_one() -> Result<()> {
    discovered(&[Program::Etcd, Program::Etcd, Program::under_test()], Program::under_test()).await
}

async fn discovered(kinds: &[Program], registry: Program) -> Result<()> {
    if !can_run(kinds) || !can_run(&[registry]) {
        return Ok(());
    }
    let registry = Cluster::start(&[registry], &[]).await?;
    registry.client(0).put("/_etcd/registry/TOKEN/_config/size", "3").await?;
    let ports = [(); 3].map(|()| SeatPorts::free());
    let mut cluster = Cluster::prepare(kinds, &[], &ports)?;
    let endpoint = registry.seats()[0].member.address();
    cluster.set_bootstrap(&["--discovery-token", "TOKEN", "--discovery-endpoints", &endpoint]);
    cluster.spawn_all()?;
    cluster.wait_leader().await?;
    let members = cluster.client(1).members(true).await?;
    ensure!(members.len() == 3, "{members:?}");
    cluster.client(2).put("k", "v").await?;
    let registered = registry.client(0).list("/_etcd/registry/TOKEN/members/").await?;
    ensure!(registered.kvs.len() == 3, "{registered:?}");
    // A restart does not ask again.
    registry.finish()?;
    cluster.kill(1);
    cluster.restart(1).await?;
    cluster.equal_hashes().await?;
    cluster.finish()
}
