//! Reads through every member: linearizable ones see every write acknowledged before, wherever
//! it was taken; serializable ones answer without a quorum, linearizable ones do not.

use std::time::Duration;

use anyhow::{Result, ensure};
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;
use tonic::Code;

#[tokio::test]
async fn linearizable_reads_see_what_was_acknowledged() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    for n in 0..120 {
        let value = n.to_string();
        cluster.client(n % 3).put("k", &value).await?;
        let reader = cluster.client((n / 3 + 1) % 3);
        let read = reader.get("k").await?;
        ensure!(read.as_deref() == Some(value.as_str()), "{read:?} after {value} was written");
    }
    without_quorum(&mut cluster).await?;
    cluster.finish()
}

async fn without_quorum(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.wait_leader().await?;
    let left = (leader + 1) % 3;
    // What is committed reaches the one that stays before the others are gone.
    cluster.equal_hashes().await?;
    let short = cluster.client(left).within(Duration::from_millis(1500));
    (0..3).filter(|at| *at != left).for_each(|at| cluster.kill(at));
    let local = cluster.client(left).get_local("k").await?;
    ensure!(local.as_deref() == Some("119"), "a serializable read gives {local:?}");
    let read = short.get("k").await;
    let code = read.as_ref().err().map(|refusal| refusal.code);
    let refused = matches!(code, Some(Code::DeadlineExceeded | Code::Unavailable));
    ensure!(refused, "a linearizable read without quorum: {read:?}");
    ensure!(short.put("k", "lost").await.is_err(), "a write without quorum");
    for at in (0..3).filter(|at| *at != left) {
        cluster.seat(at).member.spawn()?;
    }
    cluster.wait_leader().await?;
    cluster.client(left).put("k", "120").await?;
    let read = cluster.client(leader).get("k").await?;
    ensure!(read.as_deref() == Some("120"), "{read:?}");
    Ok(())
}

/// A leader cut off from the others does not answer a linearizable read with what is old.
#[tokio::test]
async fn a_leader_cut_off_does_not_answer_from_memory() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    cluster.client(0).put("k", "old").await?;
    let old = cluster.wait_leader().await?;
    let others: Vec<usize> = (0..3).filter(|at| *at != old).collect();
    cluster.wires.isolate(cluster.seats()[old].front);
    let short = cluster.client(old).within(Duration::from_secs(2));
    let read = tokio::spawn(async move { short.get("k").await });
    cluster.wait_leader_of(&others).await?;
    cluster.client(others[0]).put("k", "new").await?;
    let read = read.await?;
    // The read was asked before the write: either is right, as is no answer.
    ensure!(read.is_err() || read == Ok(Some("old".to_owned())), "{read:?}");
    let short = cluster.client(old).within(Duration::from_secs(2));
    let read = short.get("k").await;
    ensure!(read.is_err(), "cut off, it answers {read:?}");
    cluster.wires.mend();
    cluster.wait_leader().await?;
    let read = cluster.client(old).get("k").await?;
    ensure!(read.as_deref() == Some("new"), "{read:?}");
    cluster.finish()
}
