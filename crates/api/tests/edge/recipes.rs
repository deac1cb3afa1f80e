//! Locks and elections over the ports.

use ketch_proto::etcdserverpb::kv_client::KvClient;
use ketch_proto::etcdserverpb::lease_client::LeaseClient;
use ketch_proto::etcdserverpb::{LeaseGrantRequest, RangeRequest};
use ketch_proto::v3electionpb::election_client::ElectionClient;
use ketch_proto::v3electionpb::*;
use ketch_proto::v3lockpb::lock_client::LockClient;
use ketch_proto::v3lockpb::*;
use tonic::transport::Channel;

use crate::raw::{channel, edge};

async fn grant(channel: &Channel, id: i64) {
    let request = LeaseGrantRequest { id, ttl: 60 };
    LeaseClient::new(channel.clone()).lease_grant(request).await.expect("granted");
}

async fn count(channel: &Channel, from: &'static str, end: &'static str) -> i64 {
    let request = RangeRequest { key: from.into(), range_end: end.into(), ..Default::default() };
    KvClient::new(channel.clone()).range(request).await.expect("ok").into_inner().count
}

/// Gives the others time until the queue has this length.
async fn until_count(channel: &Channel, from: &'static str, end: &'static str, wanted: i64) {
    while count(channel, from, end).await != wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_lock_is_handed_on_in_order() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    let mut client = LockClient::new(channel.clone());
    grant(&channel, 0xa).await;
    grant(&channel, 0xb).await;
    let lock = |lease| LockRequest { name: "L".into(), lease };
    let first = client.lock(lock(0xa)).await.expect("free").into_inner();
    assert_eq!(first.key, "L/a");
    // The same lease holds it already.
    assert_eq!(client.lock(lock(0xa)).await.expect("mine").into_inner().key, "L/a");

    let mut other = client.clone();
    let second = tokio::spawn(async move { other.lock(lock(0xb)).await });
    until_count(&channel, "L/", "L0", 2).await;
    assert!(!second.is_finished());
    client.unlock(UnlockRequest { key: first.key }).await.expect("unlocked");
    let second = second.await.expect("no panic").expect("my turn").into_inner();
    assert_eq!(second.key, "L/b");
    let header = second.header.expect("always there");
    assert_eq!(header.revision, 4, "after the unlock");
}

#[tokio::test]
async fn who_leaves_the_queue_is_forgotten() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    let mut client = LockClient::new(channel.clone());
    client.lock(LockRequest { name: "L".into(), lease: 0 }).await.expect("free");
    let mut other = client.clone();
    let waiting =
        tokio::spawn(async move { other.lock(LockRequest { name: "L".into(), lease: 0 }).await });
    until_count(&channel, "L/", "L0", 2).await;
    waiting.abort();
    until_count(&channel, "L/", "L0", 1).await;

    // One whose own key vanishes while it waits has lost its session.
    let mut other = client.clone();
    grant(&channel, 0xc).await;
    let waiting =
        tokio::spawn(async move { other.lock(LockRequest { name: "L".into(), lease: 0xc }).await });
    until_count(&channel, "L/", "L0", 2).await;
    _fake.drop_lease_of("L/c");
    _fake.drop_lease_of("L/100");
    let status = waiting.await.expect("no panic").expect_err("no longer in the queue");
    assert_eq!((status.code(), status.message()), (tonic::Code::Unknown, "mutex: session expired"));
}

#[tokio::test]
async fn unknown_leases_have_no_number() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    let lock = LockRequest { name: "L".into(), lease: 99 };
    let status = LockClient::new(channel.clone()).lock(lock).await.expect_err("no lease");
    let expected = (tonic::Code::Unknown, "etcdserver: requested lease not found");
    assert_eq!((status.code(), status.message()), expected);
    let campaign = CampaignRequest { name: "E".into(), lease: 99, ..Default::default() };
    let status = ElectionClient::new(channel).campaign(campaign).await.expect_err("no lease");
    assert_eq!((status.code(), status.message()), expected);
}

#[tokio::test]
async fn an_election_from_campaign_to_resignation() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    grant(&channel, 0xa).await;
    let mut client = ElectionClient::new(channel.clone());
    let leader = LeaderRequest { name: "E".into() };
    let mut observed = client.observe(leader.clone()).await.expect("ok").into_inner();
    let campaign = |lease, value: &'static str| CampaignRequest {
        name: "E".into(),
        lease,
        value: value.into(),
    };
    let won = client.campaign(campaign(0xa, "v1")).await.expect("free").into_inner();
    let mine = won.leader.expect("always there");
    let expected = LeaderKey { name: "E".into(), key: "E/a".into(), rev: 2, lease: 0xa };
    assert_eq!(mine, expected);
    let again = client.campaign(campaign(0xa, "v2")).await.expect("mine").into_inner();
    assert_eq!((again.leader, again.header.map(|h| h.revision)), (Some(mine.clone()), Some(2)));
    let now = client.leader(leader.clone()).await.expect("one").into_inner().kv.expect("a key");
    assert_eq!((now.key, now.value), ("E/a".into(), "v2".into()));

    let say = |leader: &LeaderKey, value: &'static str| ProclaimRequest {
        leader: Some(leader.clone()),
        value: value.into(),
    };
    client.proclaim(say(&mine, "v3")).await.expect("leader");
    let stale = LeaderKey { rev: 1, ..mine.clone() };
    let status = client.proclaim(say(&stale, "v4")).await.expect_err("not mine");
    assert_eq!((status.code(), status.message()), (tonic::Code::Unknown, "election: not leader"));
    client.resign(ResignRequest { leader: Some(stale) }).await.expect("changes nothing");
    client.resign(ResignRequest { leader: Some(mine) }).await.expect("gone");
    let status = client.leader(leader).await.expect_err("nobody");
    assert_eq!(status.message(), "election: no leader");
    client.campaign(campaign(0, "v9")).await.expect("free");

    // The observer may have come late to a value, never to the last of a leader.
    let mut values = Vec::new();
    while values.last().is_none_or(|last| last != "v9") {
        let kv = observed.message().await.expect("open").expect("more").kv.expect("a key");
        values.push(String::from_utf8_lossy(&kv.value).into_owned());
    }
    assert!(values.is_sorted(), "{values:?}");
    assert!(values.contains(&"v3".to_owned()), "{values:?}");
}
