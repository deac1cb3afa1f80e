//! A follower that is far behind catches up by a snapshot of a leader of either kind, and goes on
//! from there by its log.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;

/// Few entries are kept for those behind.
const SMALL: &[&str] = &["--snapshot-count", "50", "--snapshot-catchup-entries", "20"];
const WRITES: usize = 600;
const VALUE_BYTES: usize = 2000;

#[tokio::test]
async fn etcd_takes_a_snapshot_of_ours() -> Result<()> {
    catches_up([Program::under_test(), Program::under_test(), Program::Etcd]).await
}

#[tokio::test]
async fn ours_takes_a_snapshot_of_etcd() -> Result<()> {
    catches_up([Program::Etcd, Program::Etcd, Program::under_test()]).await
}

#[tokio::test]
async fn ours_takes_a_snapshot_of_ours() -> Result<()> {
    catches_up([Program::under_test(); 3]).await
}

#[tokio::test]
async fn the_release_before_takes_a_snapshot_of_ours() -> Result<()> {
    catches_up([Program::under_test(), Program::under_test(), Program::EtcdOld]).await
}

#[tokio::test]
async fn ours_takes_a_snapshot_of_the_release_before() -> Result<()> {
    catches_up([Program::EtcdOld, Program::EtcdOld, Program::under_test()]).await
}

/// The third is behind; the first leads.
async fn catches_up(kinds: [Program; 3]) -> Result<()> {
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, SMALL).await?;
    cluster.move_leader(0).await?;
    cluster.client(2).put("before", "v").await?;
    for round in 0..2 {
        // Once killed, once with its process alive and cut off.
        match round {
            0 => cluster.kill(2),
            _ => cluster.wires.isolate(cluster.seats()[2].front),
        }
        cluster.wait_leader_of(&[0, 1]).await?;
        write(&cluster, round).await?;
        match round {
            0 => cluster.seat(2).member.spawn()?,
            _ => cluster.wires.mend(),
        }
        cluster.wait_leader().await?;
        cluster.equal_hashes().await?;
        // And on by entries.
        cluster.client(2).put("after", "v").await?;
        let found = cluster.client(2).list("k/").await?;
        ensure!(found.count as usize == WRITES, "{} keys", found.count);
        cluster.equal_hashes().await?;
    }
    // The first time at least: the second, what was on its way when the wire was cut may do.
    // Whoever led by then: on a busy machine the lead may have moved on.
    let send = |at| counted(&cluster, at, "etcd_network_snapshot_send_success");
    let sent = send(0)? + send(1)?;
    let received = counted(&cluster, 2, "etcd_network_snapshot_receive_success")?;
    println!("{kinds:?}: {sent} snapshots sent, {received} received");
    ensure!(sent >= 1 && received >= 1, "it caught up by entries: nothing is tested");
    // What it got is on its own disk, and it can lead with it.
    cluster.kill(2);
    cluster.restart(2).await?;
    cluster.equal_hashes().await?;
    cluster.move_leader(2).await?;
    cluster.client(0).put("led", "v").await?;
    cluster.equal_hashes().await?;
    ensure!(cluster.client(2).members(false).await?.len() == 3, "three members");
    cluster.finish()
}

/// The sum of a metric over its labels.
fn counted(cluster: &Cluster, at: usize, name: &str) -> Result<u64> {
    let (_, metrics) = cluster.seats()[at].member.http_get("/metrics")?;
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(values.sum::<f64>() as u64)
}

async fn write(cluster: &Cluster, round: usize) -> Result<()> {
    let value = format!("{round}{}", "x".repeat(VALUE_BYTES));
    let mut load = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (client, value) = (cluster.client(writer % 2).clone(), value.clone());
        load.spawn(async move {
            for n in (writer..WRITES).step_by(8) {
                client.put(&format!("k/{n}"), &value).await?;
            }
            anyhow::Ok(())
        });
    }
    for ended in load.join_all().await {
        ended?;
    }
    Ok(())
}
