//! A removed member stops by itself, with etcd's exit code, and does not come back.

use std::time::Duration;

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_removed_member_stops_and_stays_out() -> Result<()> {
    let tested = Program::under_test();
    if !can_run(&[tested, Program::Etcd]) {
        return Ok(());
    }
    let right = removed(Program::Etcd).await?;
    let found = removed(tested).await?;
    ensure!(right == found, "exit codes: etcd {right:?}, tested {found:?}");
    Ok(())
}

/// Exit codes of a removed follower and of a removed leader.
async fn removed(kind: Program) -> Result<[Option<i32>; 2]> {
    let mut cluster = Cluster::start(&[kind; 4], &[]).await?;
    cluster.move_leader(0).await?;
    cluster.remove(1, 3).await?;
    let follower = cluster.seat(3).member.wait_exit(LIMIT)?.code();
    cluster.seat(3).member.spawn()?;
    cluster.seat(3).member.wait_exit(LIMIT)?;
    cluster.client(0).put("k", "three are left").await?;
    cluster.remove(1, 0).await?;
    let leader = cluster.seat(0).member.wait_exit(LIMIT)?.code();
    cluster.wait_leader().await?;
    cluster.client(1).put("k", "two are left").await?;
    cluster.equal_hashes().await?;
    println!("{kind:?}: follower {follower:?}, leader {leader:?}");
    cluster.finish()?;
    Ok([follower, leader])
}

/// One that was down when it was removed learns it from the others. With which exit code is a
/// race in etcd: it asks at its start, and is told by the first connection.
#[tokio::test]
async fn one_removed_while_down_learns_it() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    cluster.move_leader(0).await?;
    let gone = cluster.id(2).await?;
    cluster.kill(2);
    cluster.remove_id(1, gone).await?;
    cluster.seat(2).member.spawn()?;
    let status = cluster.seat(2).member.wait_exit(LIMIT)?;
    ensure!(status.code().is_some(), "{status}");
    cluster.client(0).put("k", "v").await?;
    cluster.finish()
}
