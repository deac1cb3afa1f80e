//! How long nothing is written after kill -9 of the leader, ketch beside etcd with the same
//! time-outs: measured and printed. Asserted is only that writes go on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_tests::client::Client;
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;
use ketch_tests::seed;

const KILLS: usize = 5;
/// A hang, not a slow election.
const LIMIT: Duration = Duration::from_secs(20);
const TRY: Duration = Duration::from_millis(100);

#[tokio::test]
async fn writes_go_on_after_the_leader_is_killed() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test()];
    if !can_run(&kinds) {
        return Ok(());
    }
    let kills = seed::count_from_env("KETCH_KILLS", KILLS).min(KILLS * 4);
    for kind in kinds {
        let mut cluster = Cluster::start(&[kind; 3], &[]).await?;
        let mut times = Vec::new();
        for _ in 0..kills {
            times.push(failover(&mut cluster).await?);
        }
        times.sort_unstable();
        let (median, longest) = (times[times.len() / 2], times.last().context("some kills")?);
        println!("{kind:?}: without writes after kill -9: median {median:?}, longest {longest:?}");
        cluster.equal_hashes().await?;
        cluster.finish()?;
    }
    Ok(())
}

async fn failover(cluster: &mut Cluster) -> Result<Duration> {
    let leader = cluster.wait_leader().await?;
    let left: Vec<Client> =
        (0..3).filter(|at| *at != leader).map(|at| cluster.client(at).within(TRY)).collect();
    for client in &left {
        client.within(LIMIT).put("k", "before").await?;
    }
    let killed = Instant::now();
    cluster.kill(leader);
    for turn in 0.. {
        if left[turn % left.len()].put("k", "after").await.is_ok() {
            break;
        }
        ensure!(killed.elapsed() < LIMIT, "no writes after the leader was killed");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let time = killed.elapsed();
    cluster.restart(leader).await?;
    Ok(time)
}
