//! Watch streams: what is said, in which order, and what a slow client costs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ketch_proto::etcdserverpb::kv_client::KvClient;
use ketch_proto::etcdserverpb::watch_client::WatchClient;
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::link::FLOOD_EVENT_BYTES;
use crate::raw::{channel, edge};

async fn open(channel: &Channel) -> (mpsc::Sender<WatchRequest>, Streaming<WatchResponse>) {
    let (sender, receiver) = mpsc::channel(8);
    let mut client = WatchClient::new(channel.clone());
    let responses = client.watch(ReceiverStream::new(receiver)).await.expect("opened");
    (sender, responses.into_inner())
}

fn create(key: &'static str, watch_id: i64) -> WatchRequest {
    let create = WatchCreateRequest { key: key.into(), watch_id, ..Default::default() };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

async fn put(channel: &Channel, key: &'static str) {
    let request = PutRequest { key: key.into(), ..Default::default() };
    KvClient::new(channel.clone()).put(request).await.expect("put");
}

/// `id created|canceled|fragment|progress keys.. @revision`.
fn told(response: &WatchResponse) -> String {
    let mut words = vec![response.watch_id.to_string()];
    for (set, word) in [(response.created, "created"), (response.canceled, "canceled")] {
        if set {
            words.push(word.to_owned());
        }
    }
    for event in &response.events {
        let kv = event.kv.as_ref().expect("a key");
        words.push(String::from_utf8_lossy(&kv.key).into_owned());
    }
    let header = response.header.expect("always there");
    assert_eq!((header.cluster_id, header.member_id, header.raft_term), (1, 2, 3));
    words.push(format!("@{} {}", header.revision, response.cancel_reason));
    words.join(" ").trim().to_owned()
}

#[tokio::test]
async fn a_conversation() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    let (sender, mut responses) = open(&channel).await;
    let mut next = async || told(&responses.message().await.expect("open").expect("more"));
    let cancel = |watch_id| WatchRequest {
        request_union: Some(RequestUnion::CancelRequest(WatchCancelRequest { watch_id })),
    };
    let progress = WatchRequest {
        request_union: Some(RequestUnion::ProgressRequest(WatchProgressRequest {})),
    };
    let past = WatchCreateRequest { key: "a".into(), start_revision: -1, ..Default::default() };
    sender.send(create("a", 0)).await.expect("open");
    assert_eq!(next().await, "0 created @1");
    sender.send(create("b", 7)).await.expect("open");
    assert_eq!(next().await, "7 created @1");
    put(&channel, "a").await;
    assert_eq!(next().await, "0 a @2");
    put(&channel, "b").await;
    assert_eq!(next().await, "7 b @3");
    sender.send(WatchRequest::default()).await.expect("open");
    sender.send(cancel(99)).await.expect("open");
    sender.send(cancel(7)).await.expect("open");
    assert_eq!(next().await, "7 canceled @3");
    sender.send(progress).await.expect("open");
    assert_eq!(next().await, "-1 @3");
    let request_union = Some(RequestUnion::CreateRequest(past));
    sender.send(WatchRequest { request_union }).await.expect("open");
    let refused = "-1 created canceled @3 etcdserver: mvcc: required revision has been compacted";
    assert_eq!(next().await, refused);
    // The client closes its side and goes on listening.
    drop(sender);
    put(&channel, "a").await;
    assert_eq!(next().await, "0 a @4");
}

#[tokio::test]
async fn no_key_is_the_smallest_key() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    let (sender, mut responses) = open(&channel).await;
    sender.send(create("", 0)).await.expect("open");
    assert_eq!(told(&responses.message().await.expect("open").expect("more")), "0 created @1");
    put(&channel, "a").await;
    put(&channel, "\0").await;
    assert_eq!(told(&responses.message().await.expect("open").expect("more")), "0 \0 @3");
}

#[tokio::test]
async fn a_slow_client_stops_the_flood() {
    let (fake, edge) = edge();
    let channel = channel(&edge).await;
    let (sender, mut responses) = open(&channel).await;
    sender.send(create("flood", 0)).await.expect("open");
    // Nobody reads. The flood must come to rest.
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = fake.flooded.load(Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    // Windows of the client, buffers of the sockets, one batch in the slot, one in the stream.
    assert!(before * FLOOD_EVENT_BYTES < (32 << 20), "{before} batches");
    // And go on when somebody does.
    for _ in 0..2 * before {
        responses.message().await.expect("open").expect("more");
    }
    assert!(fake.flooded.load(Ordering::SeqCst) > before);
}

#[tokio::test]
async fn streams_end_with_the_leader_if_they_asked() {
    let (fake, edge) = edge();
    let channel = channel(&edge).await;
    let (_sender, receiver) = mpsc::channel::<WatchRequest>(1);
    let mut request = tonic::Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("hasleader", "true".parse().expect("ascii"));
    let mut asked =
        WatchClient::new(channel.clone()).watch(request).await.expect("ok").into_inner();
    let (sender, mut other) = open(&channel).await;
    fake.has_leader.store(false, Ordering::SeqCst);
    fake.changed.send_replace(());
    let status = asked.message().await.expect_err("ended");
    assert_eq!(status.message(), "etcdserver: no leader");
    sender.send(create("a", 0)).await.expect("open");
    assert_eq!(told(&other.message().await.expect("open").expect("more")), "0 created @1");
}

#[tokio::test]
async fn stopping_ends_streams_and_connections() {
    let (_fake, edge) = edge();
    let channel = channel(&edge).await;
    let (_sender, mut responses) = open(&channel).await;
    edge.stop();
    let status = responses.message().await.expect_err("ended");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(status.message(), "etcdserver: server stopped");
}
