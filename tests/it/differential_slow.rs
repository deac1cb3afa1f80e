//! What scripts cannot say beside the real etcd: expiry, answers of many megabytes, progress.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use ketch_proto::etcdserverpb::request_op::Request;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    PutRequest, PutResponse, RangeRequest, RangeStreamResponse, RequestOp, TxnRequest,
    WatchCreateRequest, WatchRequest, WatchResponse,
};
use ketch_tests::op::{Op, parse_script};
use ketch_tests::pair::Pair;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use ketch_tests::{peers, seed};

const ALL: &str = r#"KV/Range key: "\002" range_end: "\000""#;

/// Each lease goes in one revision of its own, keys in order, whenever it goes.
#[tokio::test]
async fn leases_expire_alike() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let mut pair = Pair::start(Program::under_test(), &[], 1).await?;
    let steps = parse_script(
        r#"
        watch 0 create_request { key: "a" range_end: "\000" prev_kv: true }
        Lease/LeaseGrant ID: 1 TTL: 0
        Lease/LeaseGrant ID: 2 TTL: -7
        Lease/LeaseRevoke ID: 2
        Lease/LeaseGrant ID: 3 TTL: 1000
        KV/Put key: "c" lease: 1
        KV/Put key: "a" lease: 1
        KV/Put key: "b" lease: 1
        KV/Put key: "moved" lease: 1
        KV/Put key: "moved" lease: 3
        KV/Put key: "freed" lease: 1
        KV/Put key: "freed"
        barrier
        "#,
    )?;
    pair.script(&steps).await?;
    let all = Op::parse(ALL)?;
    for _ in 0..600 {
        let left = pair.oracle.run(&all).await?;
        let right = pair.tested.run(&all).await?;
        if left.contains("count:2") && right.contains("count:2") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = [ALL, "barrier", "Lease/LeaseTimeToLive ID: 1 keys: true", "Maintenance/HashKV"];
    pair.script(&parse_script(&after.join("\n"))?).await
}

/// Values that do not fit one watch answer: in fragments where asked, and still all there.
#[tokio::test]
async fn large_events_arrive_alike() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let mut pair = Pair::start(Program::under_test(), &[], 2).await?;
    for place in 0..6u8 {
        // Two values in one revision: with the previous ones more than one answer holds.
        let put = |key: &'static str| {
            let value = vec![b'0' + place; 700_000].into();
            let put = PutRequest { key: key.into(), value, ..Default::default() };
            RequestOp { request: Some(Request::RequestPut(put)) }
        };
        let txn = TxnRequest { success: vec![put("k1"), put("k2")], ..Default::default() };
        pair.step(&Op::call("KV/Txn", &txn)).await?;
    }
    let steps = parse_script(
        r#"
        watch 0 create_request { key: "k" range_end: "l" start_revision: 2 fragment: true }
        watch 0 create_request { key: "k" range_end: "l" start_revision: 2 fragment: true prev_kv: true }
        watch 1 create_request { key: "k" range_end: "l" start_revision: 2 prev_kv: true }
        barrier
        KV/RangeStream key: "\000" range_end: "\000"
        KV/Range key: "\000" range_end: "\000"
        "#,
    )?;
    for step in &steps {
        // Not `script`, which prints megabytes.
        pair.step(step).await?;
    }
    ensure!(pair.oracle.fragments() > 0, "the oracle sent no fragments: the test is too small");
    ensure!(pair.tested.fragments() > 0, "no fragments, though asked for");
    Ok(())
}

/// A long list comes in many chunks, none much larger than a request may be.
#[tokio::test]
async fn a_long_list_streams_in_chunks() -> Result<()> {
    let mut member = start_under_test(&[])?;
    let Some(member) = &mut member else { return Ok(()) };
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let value = bytes_of(4000);
    for place in 0..2000 {
        let key = format!("k{place:05}").into();
        let put = PutRequest { key, value: value.clone(), ..Default::default() };
        let _: PutResponse = rpc.call("/etcdserverpb.KV/Put", &put).await.expect("a put");
    }
    let list = RangeRequest { key: "k".into(), range_end: "l".into(), ..Default::default() };
    let chunks: Vec<RangeStreamResponse> =
        rpc.collect("/etcdserverpb.KV/RangeStream", &list).await.expect("a stream");
    let sizes: Vec<usize> = chunks.iter().map(prost::Message::encoded_len).collect();
    ensure!(chunks.len() >= 3, "8 MB in {} chunks", chunks.len());
    ensure!(sizes.iter().all(|size| *size < 4 << 20), "chunks of {sizes:?} bytes");
    let kvs = chunks.iter().filter_map(|chunk| chunk.range_response.as_ref());
    let keys: Vec<_> = kvs.flat_map(|part| part.kvs.iter().map(|kv| kv.key.clone())).collect();
    ensure!(keys.len() == 2000 && keys.is_sorted(), "{} keys", keys.len());
    Ok(())
}

/// An idle watch that asked for progress hears of revisions its key did not have.
#[tokio::test]
async fn an_idle_watch_hears_of_progress() -> Result<()> {
    let mut member = start_under_test(&["--watch-progress-notify-interval", "100ms"])?;
    let Some(member) = &mut member else { return Ok(()) };
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let create =
        WatchCreateRequest { key: "idle".into(), progress_notify: true, ..Default::default() };
    let first = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let mut stream = rpc.duplex("/etcdserverpb.Watch/Watch", &first).await.expect("a stream");
    let created: WatchResponse = stream.next().await.expect("no end").expect("an answer");
    ensure!(created.created, "{created:?}");
    let put = PutRequest { key: "busy".into(), ..Default::default() };
    let put: PutResponse = rpc.call("/etcdserverpb.KV/Put", &put).await.expect("a put");
    let reached = put.header.map_or(0, |header| header.revision);
    for _ in 0..100 {
        let wait = tokio::time::timeout(Duration::from_secs(30), stream.next::<WatchResponse>());
        let answer = wait.await?.expect("no end").expect("an answer");
        ensure!(answer.events.is_empty() && answer.watch_id == created.watch_id, "{answer:?}");
        if answer.header.is_some_and(|header| header.revision >= reached) {
            return Ok(());
        }
    }
    bail!("a hundred progress answers, none at revision {reached}")
}

/// The server under test; `None` when that is an etcd this machine cannot build.
fn start_under_test(flags: &[&str]) -> Result<Option<Member>> {
    let program = Program::under_test();
    if program == Program::Etcd && peers::find("etcd").is_none() {
        return Ok(None);
    }
    Member::start(program, Options::with_flags(flags)).map(Some)
}

fn bytes_of(length: usize) -> bytes::Bytes {
    let mut rng = seed::Rng::new(1);
    (0..length).map(|_| rng.draw() as u8).collect()
}
