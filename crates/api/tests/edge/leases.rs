//! Leases and the other services that mostly pass through.

use ketch_proto::etcdserverpb::lease_client::LeaseClient;
use ketch_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use ketch_proto::etcdserverpb::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::raw::{Raw, channel, edge};

#[tokio::test]
async fn keep_alive_answers_each_message() {
    let (fake, edge) = edge();
    let channel = channel(&edge).await;
    let mut client = LeaseClient::new(channel);
    client.lease_grant(LeaseGrantRequest { id: 7, ttl: 60 }).await.expect("granted");
    let (sender, receiver) = mpsc::channel(4);
    let mut answers =
        client.lease_keep_alive(ReceiverStream::new(receiver)).await.expect("ok").into_inner();
    for (id, ttl) in [(7, 60), (999, 0), (7, 60)] {
        sender.send(LeaseKeepAliveRequest { id }).await.expect("open");
        let answer = answers.message().await.expect("open").expect("more");
        assert_eq!((answer.id, answer.ttl, answer.header.is_some()), (id, ttl, true));
    }
    drop(sender);
    assert_eq!(answers.message().await.expect("ended well"), None);

    fake.has_leader.store(false, std::sync::atomic::Ordering::SeqCst);
    let one = tokio_stream::once(LeaseKeepAliveRequest { id: 7 });
    let mut answers = client.lease_keep_alive(one).await.expect("ok").into_inner();
    let status = answers.message().await.expect_err("no leader");
    assert_eq!(status.message(), "etcdserver: no leader");
}

#[tokio::test]
async fn what_is_gone_has_no_time_left() {
    let (_fake, edge) = edge();
    let mut client = LeaseClient::new(channel(&edge).await);
    let request = LeaseTimeToLiveRequest { id: 12345, keys: true };
    let answer = client.lease_time_to_live(request).await.expect("no error").into_inner();
    assert_eq!((answer.id, answer.ttl, answer.granted_ttl), (12345, -1, 0));
    assert!(answer.header.is_some());
}

#[tokio::test]
async fn snapshots_come_in_pieces() {
    let (_fake, edge) = edge();
    let mut client = MaintenanceClient::new(channel(&edge).await);
    let mut pieces = client.snapshot(SnapshotRequest {}).await.expect("ok").into_inner();
    for (blob, remaining_bytes) in [("first", 4), ("last", 0), ("sum", 0)] {
        let piece = pieces.message().await.expect("open").expect("more");
        let version = "3.7.0".to_owned();
        let blob = blob.into();
        assert_eq!(piece, SnapshotResponse { header: None, remaining_bytes, blob, version });
    }
    assert_eq!(pieces.message().await.expect("ended well"), None);
}

#[tokio::test]
async fn health_and_reflection() {
    let (_fake, edge) = edge();
    let mut raw = Raw::connect(&edge).await;
    let check = raw.call("/grpc.health.v1.Health/Check", &StatusRequest {}).await;
    assert_eq!(check.messages(), [&b"\x08\x01"[..]]);
    edge.set_serving(false);
    let check = raw.call("/grpc.health.v1.Health/Check", &StatusRequest {}).await;
    assert_eq!(check.messages(), [&b"\x08\x02"[..]]);
    edge.set_serving(true);
    let list = raw.call("/grpc.health.v1.Health/List", &StatusRequest {}).await;
    assert_eq!(list.messages(), [&b"\x0a\x06\x0a\x00\x12\x02\x08\x01"[..]]);
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        // list_services: ""
        let heard = raw.ask("POST", &path, &[], crate::raw::frame(0, b"\x3a\x00")).await;
        assert_eq!(heard.status(), "0", "{version}");
        let text = String::from_utf8_lossy(&heard.body).into_owned();
        for name in ["etcdserverpb.KV", "v3lockpb.Lock", "v3electionpb.Election"] {
            assert!(text.contains(name), "{version}: {name} in {text}");
        }
    }
}
