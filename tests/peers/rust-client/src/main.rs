//! The `etcd-client` crate against one server: what its users call, in one run.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, EventType, GetOptions, LockOptions, PutOptions, Txn,
    TxnOp, WatchOptions,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let endpoint = std::env::args().nth(1).context("usage: rust-client ENDPOINT")?;
    let client = Client::connect([endpoint], None).await?;
    tokio::time::timeout(Duration::from_secs(60), all(client)).await?
}

async fn all(client: Client) -> Result<()> {
    kv(client.clone()).await.context("kv")?;
    txn(client.clone()).await.context("txn")?;
    watch(client.clone()).await.context("watch")?;
    lease(client.clone()).await.context("lease")?;
    lock(client.clone()).await.context("lock")?;
    election(client.clone()).await.context("election")?;
    maintenance(client).await.context("maintenance")?;
    println!("ok");
    Ok(())
}

async fn kv(mut client: Client) -> Result<()> {
    client.delete("", Some(DeleteOptions::new().with_all_keys())).await?;
    client.put("k/1", "a", None).await?;
    let put = client.put("k/1", "b", Some(PutOptions::new().with_prev_key())).await?;
    ensure!(put.prev_key().context("asked for")?.value() == b"a");
    client.put("k/2", "c", None).await?;
    let got = client.get("k/", Some(GetOptions::new().with_prefix().with_limit(1))).await?;
    ensure!(got.more() && got.count() == 2 && got.kvs()[0].value() == b"b");
    let deleted = client.delete("k/", Some(DeleteOptions::new().with_prefix())).await?;
    ensure!(deleted.deleted() == 2);
    Ok(())
}

async fn txn(mut client: Client) -> Result<()> {
    let create = |value: &str| {
        Txn::new()
            .when([Compare::version("t", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("t", value, None)])
            .or_else([TxnOp::get("t", None)])
    };
    ensure!(client.txn(create("1")).await?.succeeded());
    ensure!(!client.txn(create("2")).await?.succeeded());
    Ok(())
}

async fn watch(mut client: Client) -> Result<()> {
    let start = client.put("w", "0", None).await?.header().context("header")?.revision();
    for value in ["1", "2"] {
        client.put("w", value, None).await?;
    }
    client.delete("w", None).await?;
    let options = WatchOptions::new().with_start_revision(start + 1).with_prev_key();
    let mut stream = client.watch("w", Some(options)).await?;
    let (mut seen, mut stream_id) = (Vec::new(), 0);
    while seen.len() < 3 {
        let answer = stream.message().await?.context("the stream ended")?;
        stream_id = answer.watch_id();
        for event in answer.events() {
            let kv = event.kv().context("an event without kv")?;
            seen.push((event.event_type(), kv.mod_revision() - start));
        }
    }
    ensure!(seen == [(EventType::Put, 1), (EventType::Put, 2), (EventType::Delete, 3)]);
    stream.cancel(stream_id).await?;
    Ok(())
}

async fn lease(mut client: Client) -> Result<()> {
    let lease = client.lease_grant(60, None).await?;
    client.put("l", "v", Some(PutOptions::new().with_lease(lease.id()))).await?;
    let (mut keeper, mut answers) = client.lease_keep_alive(lease.id()).await?;
    keeper.keep_alive().await?;
    ensure!(answers.message().await?.context("no renewal")?.ttl() == 60);
    client.lease_revoke(lease.id()).await?;
    ensure!(client.get("l", None).await?.count() == 0);
    Ok(())
}

async fn lock(mut client: Client) -> Result<()> {
    let lease = client.lease_grant(60, None).await?.id();
    let held = client.lock("name", Some(LockOptions::new().with_lease(lease))).await?;
    ensure!(client.get(held.key(), None).await?.count() == 1);
    client.unlock(held.key()).await?;
    ensure!(client.get(held.key(), None).await?.count() == 0);
    Ok(())
}

async fn election(mut client: Client) -> Result<()> {
    let lease = client.lease_grant(60, None).await?.id();
    let won = client.campaign("e", "me", lease).await?;
    let leader = won.leader().context("a leader key")?.clone();
    let found = client.leader("e").await?;
    ensure!(found.kv().context("a leader")?.value() == b"me");
    let options = etcd_client::ResignOptions::new().with_leader(leader);
    client.resign(Some(options)).await?;
    ensure!(client.leader("e").await.is_err());
    Ok(())
}

async fn maintenance(mut client: Client) -> Result<()> {
    ensure!(client.status().await?.version() == "3.7.1");
    ensure!(client.member_list().await?.members().len() == 1);
    ensure!(client.hash_kv(0).await?.hash() != 0);
    let mut snapshot = client.snapshot().await?;
    let mut size = 0;
    while let Some(part) = snapshot.message().await? {
        size += part.blob().len();
    }
    ensure!(size > 8192);
    Ok(())
}
