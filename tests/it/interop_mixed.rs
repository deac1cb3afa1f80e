//! Clusters of etcd and ketch together: writes through each, either kind leading, one state.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::load::Load;
use ketch_tests::process::Program;
use ketch_tests::story::Story;

const WRITERS: usize = 3;

#[tokio::test]
async fn two_etcds_and_one() -> Result<()> {
    mixed([Program::Etcd, Program::Etcd, Program::under_test()]).await
}

#[tokio::test]
async fn one_etcd_and_two() -> Result<()> {
    mixed([Program::Etcd, Program::under_test(), Program::under_test()]).await
}

#[tokio::test]
async fn with_the_release_before() -> Result<()> {
    mixed([Program::EtcdOld, Program::under_test(), Program::EtcdOld]).await
}

async fn mixed(kinds: [Program; 3]) -> Result<()> {
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    let load = Load::start(cluster.endpoints(), WRITERS);
    for leader in [2, 0, 1, 2] {
        cluster.move_leader(leader).await?;
        load.wait_acked(80).await?;
        other_requests(&cluster, leader as i64).await?;
    }
    // Elected, not handed over.
    for gone in [2, 0] {
        cluster.move_leader(gone).await?;
        cluster.kill(gone);
        load.wait_acked(80).await?;
        cluster.restart(gone).await?;
    }
    let report = load.stop().await?;
    println!("{kinds:?}: {report:?}");
    cluster.equal_hashes().await?;
    // From what each has on its own disk.
    (0..3).for_each(|at| cluster.kill(at));
    cluster.spawn_all()?;
    cluster.wait_leader().await?;
    cluster.equal_hashes().await?;
    cluster.finish()
}

/// Every kind of request goes through the log of both kinds, through every member.
async fn other_requests(cluster: &Cluster, round: i64) -> Result<()> {
    let lease = round + 10;
    for at in 0..3 {
        let mut story = Story::default();
        let client = cluster.client(at);
        let key = format!("other/{at}");
        let lines = [
            format!("Lease/LeaseGrant ID: {lease}{at} TTL: 3600"),
            format!(r#"KV/Put key: "{key}" value: "1" lease: {lease}{at}"#),
            format!(
                r#"KV/Txn compare {{ key: "{key}" version: 1 }} success {{ request_put {{
                key: "{key}" value: "2" ignore_lease: true }} }} failure {{ request_delete_range
                {{ key: "{key}" }} }}"#
            ),
            format!(r#"KV/DeleteRange key: "{key}x" range_end: "{key}z""#),
            format!("Lease/LeaseRevoke ID: {lease}{at}"),
            format!(r#"KV/Put key: "{key}" value: "3""#),
        ];
        for line in lines {
            let line = line.replace('\n', " ");
            // A change of leader just before may still refuse one.
            let mut tries = 0;
            while !story.call(client, &format!("m{at}"), &line).await? {
                tries += 1;
                ensure!(tries < 5, "{line} is refused");
            }
        }
    }
    Ok(())
}
