//! The cluster's version: the lowest minor version among its members, agreed on by all, raised
//! when the last old member is gone.

use std::time::Duration;

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, PATIENCE, can_run};
use ketch_tests::process::Program;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn members_agree_on_the_lowest() -> Result<()> {
    let tested = Program::under_test();
    if !can_run(&[tested, Program::EtcdOld]) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&[tested, tested, Program::EtcdOld], &[]).await?;
    wait_version(&cluster, "3.6.0").await?;
    cluster.client(2).put("k", "v").await?;
    cluster.equal_hashes().await?;
    let leader = cluster.wait_leader().await?;
    if leader == 2 {
        cluster.move_leader(0).await?;
    }
    cluster.remove(0, 2).await?;
    cluster.kill(2);
    wait_version(&cluster, "3.7.0").await?;
    cluster.grow(0, tested).await?;
    wait_version(&cluster, "3.7.0").await?;
    cluster.finish()
}

async fn wait_version(cluster: &Cluster, version: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let wanted = format!(r#""etcdcluster":"{version}""#);
    for at in cluster.running() {
        loop {
            let (_, said) = cluster.seats()[at].member.http_get("/version")?;
            if said.contains(&wanted) {
                break;
            }
            ensure!(Instant::now() < end, "m{at} says {said}, not {version}");
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}
