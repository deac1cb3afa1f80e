//! Leases in a cluster: a lease lives at least as long as it was granted, whoever leads, and is
//! gone not long after; any member takes keep-alives and tells what is left.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, PutRequest, PutResponse,
};
use ketch_tests::client::Client;
use ketch_tests::cluster::{Cluster, can_run};
use ketch_tests::process::Program;
use tokio::time::sleep;

const TTL_S: i64 = 4;
/// A new leader grants every lease its whole time again, and an election's: a bound, no measure.
const LATEST: Duration = Duration::from_secs(30);

#[tokio::test]
async fn never_early_over_changes_of_leader() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    let begun = Instant::now();
    grant(cluster.client(0), 7, TTL_S).await?;
    grant(cluster.client(1), 8, 3600).await?;
    put_leased(cluster.client(2), "gone", 7).await?;
    put_leased(cluster.client(2), "stays", 8).await?;
    let first = cluster.wait_leader().await?;
    cluster.move_leader((first + 1) % 3).await?;
    cluster.kill((first + 1) % 3);
    cluster.wait_leader_of(&[first, (first + 2) % 3]).await?;
    cluster.restart((first + 1) % 3).await?;
    let gone = wait_gone(&cluster, begun).await?;
    println!("a lease of {TTL_S} s over two changes of leader lived {gone:?}");
    ensure!(gone >= Duration::from_secs(TTL_S as u64), "expired early, after {gone:?}");
    for at in 0..3 {
        ensure!(cluster.client(at).get("stays").await?.is_some(), "the long lease is gone");
        ensure!(ttl(cluster.client(at), 7).await? == -1, "m{at} still has the lease");
        ensure!(ttl(cluster.client(at), 8).await? > 3000, "m{at} does not know the long lease");
    }
    cluster.equal_hashes().await?;
    cluster.finish()
}

async fn wait_gone(cluster: &Cluster, begun: Instant) -> Result<Duration> {
    loop {
        // The moment before the question: gone then means gone before the answer.
        let present = cluster.client(0).get("gone").await?.is_some();
        let lived = begun.elapsed();
        if !present {
            return Ok(lived);
        }
        ensure!(lived < LATEST, "the lease does not expire");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Through a follower as through the leader; with keep-alives it outlives its time.
#[tokio::test]
async fn keep_alives_through_every_member() -> Result<()> {
    let kinds = [Program::under_test(); 3];
    if !can_run(&kinds) {
        return Ok(());
    }
    let mut cluster = Cluster::start(&kinds, &[]).await?;
    let granted = grant(cluster.client(0), 9, 2).await?;
    put_leased(cluster.client(0), "kept", 9).await?;
    let leader = cluster.wait_leader().await?;
    let begun = Instant::now();
    for round in 0..20 {
        let at = (leader + round) % 3;
        let left = keep_alive(cluster.client(at), 9).await?;
        ensure!(left == granted, "m{at} renews to {left} of {granted}");
        let told = ttl(cluster.client(at), 9).await?;
        ensure!((granted - 2..=granted).contains(&told), "m{at} tells {told} of {granted}");
        sleep(Duration::from_millis(250)).await;
    }
    ensure!(begun.elapsed() > Duration::from_secs(granted as u64), "not long enough to tell");
    ensure!(cluster.client(1).get("kept").await?.is_some(), "kept alive, and gone");
    for at in 0..3 {
        ensure!(keep_alive(cluster.client(at), 4711).await? == 0, "a lease that never was");
    }
    cluster.finish()
}

async fn grant(client: &Client, id: i64, ttl: i64) -> Result<i64> {
    let ask = LeaseGrantRequest { id, ttl };
    let answer: LeaseGrantResponse = client.call("Lease/LeaseGrant", &ask).await?;
    Ok(answer.ttl)
}

async fn put_leased(client: &Client, key: &str, lease: i64) -> Result<()> {
    let ask = PutRequest { key: key.to_owned().into(), lease, ..Default::default() };
    let _: PutResponse = client.call("KV/Put", &ask).await?;
    Ok(())
}

async fn ttl(client: &Client, id: i64) -> Result<i64> {
    let ask = LeaseTimeToLiveRequest { id, keys: false };
    let answer: LeaseTimeToLiveResponse = client.call("Lease/LeaseTimeToLive", &ask).await?;
    Ok(answer.ttl)
}

/// One keep-alive on a stream of its own; the time it gives.
async fn keep_alive(client: &Client, id: i64) -> Result<i64> {
    let path = "/etcdserverpb.Lease/LeaseKeepAlive";
    let mut stream = client.rpc.duplex(path, &LeaseKeepAliveRequest { id }).await?;
    let answer = tokio::time::timeout(Duration::from_secs(20), stream.next()).await?;
    let answer: Option<LeaseKeepAliveResponse> = answer?;
    Ok(answer.context("the stream ended")?.ttl)
}
