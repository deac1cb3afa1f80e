//! `move-leader`: to each member in turn, and what is refused, as etcd refuses it.

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, SeatPorts, can_run};
use ketch_tests::process::Program;
use ketch_tests::story::Story;

#[tokio::test]
async fn leadership_goes_where_it_is_sent() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    let first = cluster.wait_leader().await?;
    for step in 1..=3 {
        let to = (first + step) % 3;
        cluster.move_leader(to).await?;
        ensure!(cluster.wait_leader().await? == to, "not m{to}");
        cluster.client((to + 1) % 3).put("k", &step.to_string()).await?;
    }
    cluster.equal_hashes().await?;
    cluster.finish()
}

#[tokio::test]
async fn refusals_are_etcds() -> Result<()> {
    let kinds = [Program::Etcd, Program::under_test()];
    if !can_run(&kinds) {
        return Ok(());
    }
    let ports = [(); 3].map(|()| SeatPorts::free());
    let right = refusals(Program::Etcd, &ports).await?;
    refusals(Program::under_test(), &ports).await?.same(&right)
}

async fn refusals(kind: Program, ports: &[SeatPorts]) -> Result<Story> {
    let mut cluster = Cluster::start_on(&[kind; 3], &[], ports).await?;
    cluster.wait_settled().await?;
    cluster.move_leader(1).await?;
    let mut story = Story::default();
    for at in 0..3 {
        story.name(cluster.id(at).await?, &format!("id{at}"));
    }
    for (at, line) in [
        (0, "Maintenance/MoveLeader targetID: $id0"),
        (2, "Maintenance/MoveLeader targetID: $id1"),
        (2, "Maintenance/MoveLeader targetID: 5"),
        (1, "Maintenance/MoveLeader targetID: 5"),
        (1, "Maintenance/MoveLeader"),
        (1, "Maintenance/MoveLeader targetID: $id1"),
        (1, "Maintenance/Status"),
        (0, "Maintenance/Status"),
        (1, "Maintenance/MoveLeader targetID: $id2"),
    ] {
        story.call(cluster.client(at), &format!("m{at}"), line).await?;
    }
    cluster.wait_leader().await?;
    cluster.finish()?;
    Ok(story)
}
