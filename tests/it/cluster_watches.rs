//! Watches through followers: everything once and in order while members are killed and leaders
//! change, resuming on another member.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::load::Load;
use ketch_tests::process::Program;

const WRITERS: usize = 4;

#[tokio::test]
async fn watches_resume_on_any_member() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    let load = Load::start(cluster.endpoints(), WRITERS);
    for round in 0..3 {
        load.wait_acked(100).await?;
        let leader = cluster.wait_leader().await?;
        // The leader, then each follower: the watch sits on one of them.
        let at = (leader + round) % 3;
        cluster.kill(at);
        load.wait_acked(100).await?;
        cluster.restart(at).await?;
    }
    cluster.move_leader(1).await?;
    load.wait_acked(100).await?;
    let report = load.stop().await?;
    println!("{report:?}");
    ensure!(report.resumed > 0, "a watch that was never cut off has resumed nothing");
    cluster.equal_hashes().await?;
    cluster.finish()
}
