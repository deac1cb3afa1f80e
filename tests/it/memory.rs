//! Memory that must not grow with what is asked: long lists, slow readers, stalled watches.
//!
//! Measured as the peak of a process that was started after the data was written.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    PutRequest, PutResponse, RangeRequest, RangeResponse, RangeStreamResponse, WatchCreateRequest,
    WatchRequest, WatchResponse,
};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;

const KEYS: usize = 1500;
const VALUE_BYTES: usize = 64 * 1024;
/// The whole list is 96 MiB; a server may hold this much of it at a time: the page cache of the
/// storage (32 MiB), which is empty before, the windows of a list (16 MiB), and some on the way.
const LIST_KIB_MAX: u64 = 58 * 1024;
/// Writes until the log's tail and the caches are as large as they get.
const WARM: usize = 3500;
/// Writes a stalled watch misses, 62 MiB, and what it may cost that it does.
const MISSED: usize = 1000;
const STALLED_KIB_MAX: u64 = 44 * 1024;

#[tokio::test]
async fn a_list_of_any_length_takes_little_memory() -> Result<()> {
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    for place in 0..KEYS {
        put(&rpc, &format!("list/{place:05}"), VALUE_BYTES).await?;
    }
    let list =
        RangeRequest { key: "list/".into(), range_end: "list0".into(), ..Default::default() };
    let mut problems = Vec::new();
    for method in ["RangeStream", "Range"] {
        member.terminate()?;
        member.restart()?;
        let rpc = Rpc::connect(&member.endpoint()).await?;
        // Warm: buffers of the connection, the first pages.
        put(&rpc, "warm", 10).await?;
        let before = member.resident_kib()?;
        let found = list_all(&rpc, method, &list).await?;
        let grown = member.resident_peak_kib()?.saturating_sub(before);
        println!("{method}: {found} keys, {grown} KiB");
        ensure!(found == KEYS, "{method}: {found} keys");
        if grown > LIST_KIB_MAX {
            problems.push(format!("{method} of 96 MiB took {grown} KiB"));
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("; "));
    Ok(())
}

async fn list_all(rpc: &Rpc, method: &str, list: &RangeRequest) -> Result<usize> {
    let path = format!("/etcdserverpb.KV/{method}");
    let refused = |refusal| anyhow!("{method}: {refusal:?}");
    if method == "Range" {
        let whole: RangeResponse = rpc.call(&path, list).await.map_err(refused)?;
        return Ok(whole.kvs.len());
    }
    let chunks: Vec<RangeStreamResponse> = rpc.collect(&path, list).await.map_err(refused)?;
    let parts = chunks.iter().filter_map(|chunk| chunk.range_response.as_ref());
    Ok(parts.map(|part| part.kvs.len()).sum())
}

/// A client that opens a watch and never reads: the writes go on, the server does not fill up,
/// and once it reads the client has every event.
#[tokio::test]
async fn a_stalled_watch_takes_little_memory() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let watcher = Rpc::connect(&member.endpoint()).await?;
    let create = WatchCreateRequest { key: "stalled".into(), ..Default::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let opened = watcher.duplex("/etcdserverpb.Watch/Watch", &create).await;
    let mut watch = opened.map_err(|refusal| anyhow!("{refusal:?}"))?;
    // The first writes fill what is filled by writing alone.
    for _ in 0..WARM {
        put(&rpc, "other", VALUE_BYTES).await?;
    }
    let before = member.resident_kib()?;
    for _ in 0..MISSED {
        put(&rpc, "stalled", VALUE_BYTES).await?;
    }
    let grown = member.resident_kib()?.saturating_sub(before);
    println!("a watch {MISSED} events behind costs {grown} KiB");
    ensure!(grown < STALLED_KIB_MAX, "{grown} KiB for {MISSED} events of 64 KiB not read");
    let (mut seen, mut last) = (0, 0);
    while seen < MISSED {
        let next = watch.next::<WatchResponse>();
        let answer = tokio::time::timeout(Duration::from_secs(30), next).await?;
        let answer = answer.map_err(|refusal| anyhow!("{refusal:?}"))?;
        for event in answer.context("the stream ended")?.events {
            let at = event.kv.context("an event without kv")?.mod_revision;
            ensure!(last == 0 || at == last + 1, "event {at} after {last}");
            (seen, last) = (seen + 1, at);
        }
    }
    Ok(())
}

async fn put(rpc: &Rpc, key: &str, bytes: usize) -> Result<()> {
    let value = vec![b'v'; bytes].into();
    let ask = PutRequest { key: key.to_owned().into(), value, ..Default::default() };
    let put: Result<PutResponse, _> = rpc.call("/etcdserverpb.KV/Put", &ask).await;
    put.map(drop).map_err(|refusal| anyhow!("{refusal:?}"))
}
